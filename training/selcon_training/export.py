"""From a trained network to the ONNX graph and the bundle that a robot loads.

Text features are constants of the graph, encoders and heads are one graph, and nothing that inference does
not need is in it. The graph is compared with the network before anything is written.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn

from selcon_ros.core.bundle import ConfidenceFit, Encoder, Manifest, write_bundle
from selcon_ros.core.manifest import Calibration
from selcon_training.averaging import PLAIN, Averaging, averaged
from selcon_training.checkpoint import load_model
from selcon_training.encoders import DenseClip, PartEncoder
from selcon_training.encoders.attention import spelled_out
from selcon_training.errors import CheckpointError, ExportError
from selcon_training.model import SelconNet

TOLERANCE = 1e-4  # largest deviation from torch, relative to the largest value of the output
OPSET = 17
INTERMEDIATES = ("keys", "patches", "attention")
_FIELDS = ("name", "description", "licence", "calibration", "gamma", "confidence", "training", "metrics")


class _Graph(nn.Module):
    """The network with the outputs of a bundle, and for comparisons those of its encoders."""

    def __init__(self, net: SelconNet, averaging: Averaging, affinity: bool, intermediates: bool) -> None:
        super().__init__()
        self.net = net
        self.averaged = averaged(net, averaging)
        self.affinity = affinity
        self.intermediates = intermediates

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        # What is not returned is not in the traced graph: without affinity there is no CLIP encoder in it.
        maps = self.averaged(image)[: 2 if self.affinity else 1]
        if not self.intermediates:
            return cast(tuple[Tensor, ...], maps)
        keys, attention = self.net.dino(image, attention=True)
        assert attention is not None
        return (*maps, keys, self.net.patches(image), attention)


def export_graph(
    net: SelconNet,
    affinity: bool = True,
    intermediates: bool = False,
    averaging: Averaging = PLAIN,
) -> bytes:
    """Return the ONNX graph of `net` for one image, seen as `averaging` says.

    Input `image` float32 [1, 3, h, w] (normalised RGB); outputs `cam` and, unless it is not wanted,
    `affinity` float32 [1, C, gh, gw]. `intermediates` adds `keys` [1, D, gh, gw], `patches` [1, d, gh, gw]
    and `attention` [1, heads, gh, gw]. Raises ExportError if ONNX Runtime's outputs deviate from torch's by
    more than 1e-4 of their largest value.
    """
    was_training, device = net.training, net.text_action.device
    net.eval().cpu()
    try:
        graph = _Graph(net, averaging, affinity, intermediates).eval()
        names = ["cam", *(["affinity"] if affinity else []), *(INTERMEDIATES if intermediates else ())]
        image = torch.randn((1, 3, *net.input_size), generator=torch.Generator().manual_seed(0))
        content = _trace(graph, image, names)
        _compare(graph, content, image, names)
    finally:
        net.train(was_training).to(device)
    return content


def export_bundle(
    net: SelconNet,
    out: Path,
    *,
    name: str,
    description: str,
    licence: str,
    calibration: Calibration = "continuous",
    gamma: float = 0.6,
    confidence: ConfidenceFit | None = None,
    training: dict[str, Any] | None = None,
    metrics: dict[str, Any] | None = None,
    intermediates: bool = False,
    averaging: Averaging = PLAIN,
) -> Manifest:
    """Export `net`, check the graph against torch, write the bundle to `out` (a folder or .zip) and return
    its manifest.

    The keywords are the manifest's fields of the same name; the rest of it is read from the network. What
    the graph averages over is recorded in `training`. Raises ExportError before anything is written if the
    graph is wrong.
    """
    encoders = {"dino": _encoder(net.dino)}
    if calibration != "none":
        encoders["clip"] = _encoder(net.clip)
    manifest = Manifest(
        name=name,
        description=description,
        licence=licence,
        actions=tuple(net.actions),
        input_size=net.input_size,
        map_grid=net.map_grid,
        calibration=calibration,
        gamma=gamma,
        confidence=confidence,
        encoders=encoders,
        training=(training or {}) | ({} if averaging == PLAIN else {"averaging": averaging.record()}),
        metrics=metrics or {},
    )
    model = export_graph(net, "affinity" in manifest.outputs, intermediates, averaging)
    return write_bundle(out, manifest, {"model": model})


def export_checkpoint(
    folder: Path,
    out: Path,
    *,
    flip: bool | None = None,
    scales: Sequence[float] | None = None,
    **overrides: Any,
) -> Manifest:
    """Export the checkpoint in `folder` as `export_bundle` does.

    Manifest fields and averaging come from the meta it was saved with; `flip`, `scales` and `overrides` that
    are not None replace them.
    """
    net, meta = load_model(folder)
    averaging = _averaging(folder, meta, flip, scales)
    fields = {key: meta.get(key) for key in _FIELDS} | {k: v for k, v in overrides.items() if v is not None}
    fields = {key: value for key, value in fields.items() if value is not None}
    if isinstance(fields.get("confidence"), dict):
        try:
            fit = fields["confidence"]
            fields["confidence"] = ConfidenceFit(tuple(fit["scale"]), tuple(fit["offset"]))
        except (KeyError, TypeError) as error:
            raise CheckpointError(
                f"{folder}: its confidence fit is damaged: {fields['confidence']!r}"
            ) from error
    fields.setdefault("name", Path(folder).resolve().name)
    fields.setdefault("description", f"Trained for {', '.join(net.actions)}.")
    fields.setdefault("licence", "not stated")
    return export_bundle(net, out, averaging=averaging, **fields)


def _averaging(
    folder: Path, meta: dict[str, Any], flip: bool | None, scales: Sequence[float] | None
) -> Averaging:
    """Return what the training asked for (nothing, in a checkpoint that does not say), with the overrides."""
    try:
        averaging = Averaging(**(meta.get("averaging") or {}))
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{folder}: its averaging is damaged: {meta['averaging']!r}") from error
    if flip is not None:
        averaging = replace(averaging, flip=flip)
    return replace(averaging, scales=tuple(scales)) if scales else averaging


def _encoder(encoder: DenseClip | PartEncoder) -> Encoder:
    return Encoder(encoder.name, (encoder.spec.sha256 or "") if encoder.spec else "")


def _trace(graph: nn.Module, image: Tensor, names: list[str]) -> bytes:
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # The tracer warns of every shape that becomes a constant: the input size is fixed, so they are meant
        # to.
        warnings.filterwarnings("ignore", category=torch.jit.TracerWarning)
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        warnings.filterwarnings("ignore", category=UserWarning, module="torch.onnx")
        file = Path(folder) / "model.onnx"
        with torch.no_grad(), spelled_out(graph):
            torch.onnx.export(
                graph,
                (image,),
                str(file),
                input_names=["image"],
                output_names=names,
                opset_version=OPSET,
                dynamo=False,
                do_constant_folding=True,
            )
        return file.read_bytes()


def _compare(graph: nn.Module, content: bytes, image: Tensor, names: list[str]) -> None:
    with torch.no_grad():
        expected = [value.numpy() for value in graph(image)]
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    given = session.run(names, {"image": image.numpy()})
    for output, ours, theirs in zip(names, given, expected, strict=True):
        if ours.shape != theirs.shape:
            raise ExportError(
                f"exported output '{output}' has the shape {ours.shape}, torch gives {theirs.shape}"
            )
        deviation = float(np.abs(ours - theirs).max() / max(float(np.abs(theirs).max()), 1e-12))
        if not deviation <= TOLERANCE:  # NaN counts as a deviation
            raise ExportError(
                f"exported output '{output}' deviates from torch by {deviation:.2e} of its largest value "
                f"(allowed: {TOLERANCE:.0e}); the bundle was not written"
            )
