"""A convolutional network back from its bundle: the weights of its ONNX graph in a `PyramidNet`.

The exporter folds batch norms into the convolutions before them and drops their names. Convolutions run in
one order in torch and in the graph, so the network is built, run once, and each of its convolutions takes
weights and bias of the graph's at the same place. A batch norm that was folded becomes one that only adds
the bias, and folds again at the next export. The maps are then compared with the graph's.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor, nn

from selcon_ros.core.errors import first_line
from selcon_ros.core.grounding.bundle import Bundle
from selcon_ros.core.text import quoted
from selcon_training.encoders.backbone import MIN_STRIDE, load_backbone
from selcon_training.encoders.spec import EncoderSpec
from selcon_training.errors import CheckpointError, EncoderError
from selcon_training.models.network import MAX_DEVIATION, example_images, relative_deviation
from selcon_training.models.pyramid import PyramidNet
from selcon_training.models.test_time_averaging import Averaging, averaged

_CASTS = ("Cast", "Identity")


_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Restored:
    """A network and how its bundle averages over views."""

    net: PyramidNet
    averaging: Averaging


def restore(bundle: Bundle) -> Restored:
    """The network that a bundle's graph was exported from, on the CPU, but for folded batch norms.

    Raises CheckpointError for a bundle of another network, or one whose maps differ from the graph's by more
    than 1e-4 of their largest value (16 bit weights are restored as they are rounded).
    """
    manifest = bundle.manifest
    encoder = manifest.encoders.get("backbone")
    if encoder is None or manifest.calibration != "none":
        raise _refusal(bundle, "it is no convolutional network")
    grid = tuple(side // MIN_STRIDE for side in manifest.input_size)
    if manifest.map_grid != grid:
        raise _damaged(bundle, f"its maps are {manifest.map_grid}, not {grid}")
    averaging = _averaging(bundle)
    convolutions = _convolutions(bundle)
    presence = _presence(bundle)
    if not convolutions:
        raise _refusal(bundle, "its graph has no convolution")
    try:
        backbone = load_backbone(EncoderSpec(encoder.name))
        backbone.spec = EncoderSpec(encoder.name, sha256=encoder.sha256 or None)  # where it once began
        classifier = convolutions[-1 if presence is None else -3][0]
        net = PyramidNet(backbone, manifest.actions, manifest.input_size, width=classifier.shape[1])
        if presence is not None:
            net.presence = net.new_presence(presence)
    except (EncoderError, IndexError, ValueError) as error:
        raise CheckpointError(f"bundle {bundle.path} cannot be continued: {error}") from error
    net.normalisation = manifest.normalisation
    _fill(net, convolutions, bundle)
    _compare(net, averaging, bundle)
    return Restored(net.eval(), averaging)


def drop_presence(net: PyramidNet, name: str) -> None:
    """Take away the presence of a network whose weights become others: it was fitted to these.

    `name` is what a warning calls the bundle.
    """
    if net.presence is not None:
        net.presence = None
        _log.warning(
            "the presence of %s is left out: it was fitted to other weights (selcon fit-presence)", name
        )


def has_half_weights(model: bytes) -> bool:
    """Whether a graph keeps weights with 16 bits."""
    constants = onnx.load_from_string(model).graph.initializer
    return any(each.data_type == onnx.TensorProto.FLOAT16 for each in constants)


def _refusal(bundle: Bundle, reason: str) -> CheckpointError:
    """For a bundle of another kind of network."""
    return CheckpointError(
        f"bundle {bundle.path} cannot be continued or changed: {reason}. Only convolutional networks can "
        "(configurations with a backbone of convolutions and batch norms); train others anew with `selcon "
        "train`"
    )


def _damaged(bundle: Bundle, reason: str) -> CheckpointError:
    """For a bundle whose manifest and graph do not belong together."""
    return CheckpointError(
        f"bundle {bundle.path} cannot be continued: {reason}, so its manifest does not fit its graph; export "
        "it anew with `selcon export`, or get it again"
    )


def _averaging(bundle: Bundle) -> Averaging:
    record = bundle.manifest.training.get("averaging")
    try:
        return Averaging(**(record or {}))
    except (TypeError, ValueError, EncoderError) as error:
        raise _damaged(bundle, f"its averaging is {quoted(record)}") from error


def _presence(bundle: Bundle) -> dict[str, Any] | None:
    record = bundle.manifest.training.get("presence")
    if record is not None and not isinstance(record, dict):
        raise _damaged(bundle, f"its presence is {quoted(record)}")
    return record


def _convolutions(bundle: Bundle) -> list[tuple[NDArray[np.float32], NDArray[np.float32] | None]]:
    """Weights and biases of the graph's convolutions, each once, in the order in which they first run."""
    graph = onnx.load_from_string(bundle.model).graph
    constants = {each.name: each for each in graph.initializer}
    made = {name: node for node in graph.node for name in node.output}

    def value(name: str) -> NDArray[np.float32]:
        node = made.get(name)
        while node is not None and node.op_type in _CASTS:
            name = node.input[0]
            node = made.get(name)
        if name in constants:
            found = numpy_helper.to_array(constants[name])
        elif node is not None and node.op_type == "Constant" and node.attribute[0].name == "value":
            found = numpy_helper.to_array(node.attribute[0].t)
        else:
            raise _refusal(bundle, f"its graph makes the weights {name} as it runs")
        return np.array(found, np.float32)

    seen: set[str] = set()
    found = []
    for node in graph.node:
        if node.op_type == "Conv" and node.input[1] not in seen:
            seen.add(node.input[1])
            found.append((value(node.input[1]), value(node.input[2]) if len(node.input) > 2 else None))
    return found


@dataclass(frozen=True)
class _Place:
    """A convolution and the batch norm that directly follows it, if one does."""

    convolution: nn.Conv2d
    norm: nn.Module | None


def _fill(
    net: PyramidNet, given: list[tuple[NDArray[np.float32], NDArray[np.float32] | None]], bundle: Bundle
) -> None:
    places = _places(net)
    covered = {id(each) for place in places for part in (place.convolution, place.norm) if part is not None
               for each in part.parameters()}  # fmt: skip
    lost = [name for name, each in net.named_parameters() if id(each) not in covered]
    if lost:
        reason = f"{net.backbone.name} has weights beside convolutions and their batch norms ({lost[0]})"
        raise _refusal(bundle, reason)
    shapes = [tuple(place.convolution.weight.shape) for place in places]
    if [weight.shape for weight, _ in given] != shapes:
        reason = f"its graph has {len(given)} convolutions, not the {len(shapes)} of {net.backbone.name}"
        raise _damaged(bundle, reason + " and its decoder, or of other shapes")
    for place, (weight, bias) in zip(places, given, strict=True):
        _take(place, torch.from_numpy(weight), None if bias is None else torch.from_numpy(bias))


@torch.no_grad()
def _take(place: _Place, weight: Tensor, bias: Tensor | None) -> None:
    place.convolution.weight.copy_(weight)
    bias = weight.new_zeros(len(weight)) if bias is None else bias
    norm = place.norm
    if norm is None:
        if place.convolution.bias is not None:
            place.convolution.bias.copy_(bias)
        return
    assert isinstance(norm, nn.BatchNorm2d) and norm.running_mean is not None
    assert norm.running_var is not None
    if place.convolution.bias is not None:
        place.convolution.bias.zero_()
    norm.running_mean.zero_()
    norm.running_var.fill_(1.0 - norm.eps)
    norm.weight.fill_(1.0)
    norm.bias.copy_(bias)


def _places(net: PyramidNet) -> list[_Place]:
    """The network's convolutions in the order in which they run."""
    order: list[nn.Conv2d] = []
    outputs: dict[int, int] = {}
    norms: dict[int, nn.Module] = {}
    kept: list[Tensor] = []

    def ran(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        kept.extend((inputs[0], output))  # so that no other tensor gets their place
        if isinstance(module, nn.Conv2d):
            outputs[id(output)] = len(order)
            order.append(module)
        elif id(inputs[0]) in outputs:
            norms[outputs[id(inputs[0])]] = module

    with _hooked(net, ran), torch.no_grad():
        net(torch.zeros(1, 3, *net.input_size))
    return [_Place(module, norms.get(place)) for place, module in enumerate(order)]


@contextmanager
def _hooked(net: nn.Module, hook: object) -> Iterator[None]:
    kinds = (nn.Conv2d, nn.BatchNorm2d)
    handles = [
        module.register_forward_hook(hook)  # type: ignore[arg-type]
        for module in net.modules()
        if isinstance(module, kinds)
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _compare(net: PyramidNet, averaging: Averaging, bundle: Bundle) -> None:
    image, several = example_images(net.input_size)
    try:
        session = onnxruntime.InferenceSession(bundle.model, providers=["CPUExecutionProvider"])
        given = [session.run(["cam"], {"image": images.numpy()})[0] for images in (image, several)]
    except Exception as error:  # the library's errors share no base class
        raise _damaged(bundle, f"its graph does not run: {first_line(error)}") from error
    with net.at_rest(), torch.no_grad():
        seen = averaged(net, averaging)
        for images, theirs in zip((image, several), given, strict=True):
            own = seen(images)[0].numpy()
            deviation = relative_deviation(own, theirs) if own.shape == theirs.shape else np.inf
            if not deviation <= MAX_DEVIATION:
                reason = f"its maps differ from the graph's by {deviation:.2g} of their largest value"
                raise _damaged(bundle, reason)
