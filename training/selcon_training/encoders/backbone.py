"""Convolutional backbones: any timm model that gives feature maps at strides 4, 8, 16 and so on."""

from __future__ import annotations

import difflib
import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import timm
import torch
from torch import Tensor, nn

from selcon_ros.core.grounding.manifest import Normalisation
from selcon_training.encoders.loading import (
    GivenSpec,
    as_spec,
    described,
    hub_error,
    is_file,
    read_named,
    verified,
)
from selcon_training.encoders.packages import is_package, packaged_file
from selcon_training.encoders.sizes import Size
from selcon_training.encoders.spec import EncoderSpec
from selcon_training.encoders.weight_files import State, load_strictly, read_state_dict
from selcon_training.errors import EncoderError

MIN_STRIDE = 4
"""Stride of the finest feature map, in pixels."""


class Backbone(nn.Module):
    """The feature maps of a timm model, from stride 4 on, each at twice the stride of the one before.

    `widths` are their channels, `strides` their strides in pixels, both from fine to coarse.
    `normalisation` is what timm says the model's images are normalised with. `spec` says which model with
    which weights this is.
    """

    def __init__(self, model: nn.Module, spec: EncoderSpec) -> None:
        super().__init__()
        self.model = model
        self.spec = spec
        info = cast(Any, model.feature_info)
        self.widths: list[int] = list(info.channels())
        self.strides: list[int] = list(info.reduction())
        given = cast(dict[str, Any], model.pretrained_cfg)
        self.normalisation = Normalisation(_three_floats(given["mean"]), _three_floats(given["std"]))

    @property
    def name(self) -> str:
        """timm's name of the model."""
        return self.spec.name

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return feature maps [B, widths[i], H / strides[i], W / strides[i]] (rounded up) of normalised
        images [B, 3, H, W].
        """
        features: list[Tensor] = self.model(images)
        return features

    def check_input_size(self, size: Size) -> None:
        """Raise EncoderError for images of (height, width) whose feature maps would not fit each other."""
        if min(size) > 0 and all(side % MIN_STRIDE == 0 for side in size):
            with torch.no_grad():
                found = [tuple(each.shape[1:]) for each in self._probe(size)]
            sides = [tuple(-(-side // stride) for side in size) for stride in self.strides]
            if found == [(width, *side) for width, side in zip(self.widths, sides, strict=True)]:
                return
        coarsest = self.strides[-1]
        below = [max(coarsest, side // coarsest * coarsest) for side in size]
        raise EncoderError(
            f"input size {tuple(size)} (height, width) does not fit {self.name}; multiples of {coarsest} do: "
            f"{below[0]} or {below[0] + coarsest}, {below[1]} or {below[1] + coarsest} (data.input_size)"
        )

    def stages(self, size: Size) -> list[list[nn.Parameter]]:
        """Return the parameters by the first feature map that depends on them, for (height, width) images."""
        stages: list[list[nn.Parameter]] = []
        seen: set[int] = set()
        wanted = {name: parameter.requires_grad for name, parameter in self.named_parameters()}
        self.requires_grad_(True)
        with torch.enable_grad():
            for features in self._probe(size):
                left = [each for each in self.parameters() if id(each) not in seen]
                found = torch.autograd.grad(features.sum(), left, retain_graph=True, allow_unused=True)
                stages.append([each for each, grad in zip(left, found, strict=True) if grad is not None])
                seen.update(id(each) for each in stages[-1])
        for name, parameter in self.named_parameters():
            parameter.requires_grad_(wanted[name])
        return stages

    def stem(self) -> list[nn.Parameter]:
        """Return the parameters of the first convolution and of its norm."""
        own = [module for module in self.modules() if list(module.parameters(recurse=False))]
        normed = "norm" in type(own[1]).__name__.lower()
        return [each for module in own[: 2 if normed else 1] for each in module.parameters(recurse=False)]

    def ends(self, size: Size) -> list[nn.Module]:
        """Return the modules whose outputs are the feature maps, for (height, width) images.

        Raises EncoderError where a feature map is no module's output.
        """
        outputs: list[tuple[nn.Module, Any]] = []
        hooks = [
            module.register_forward_hook(lambda module, _given, output: outputs.append((module, output)))
            for module in self.model.modules()
        ]
        try:
            features = self._probe(size)
        finally:
            for hook in hooks:
                hook.remove()
        # A module's output comes after those of what it is made of: the last one is the whole stage.
        found = [[module for module, output in outputs if output is each] for each in features]
        lost = [stride for stride, modules in zip(self.strides, found, strict=True) if not modules]
        if lost:
            raise EncoderError(f"{self.name}: no module's output is its feature map of stride {lost[0]}")
        return [modules[-1] for modules in found]

    def _probe(self, size: Size) -> list[Tensor]:
        was_training = self.training
        try:
            return cast(list[Tensor], self.eval()(next(self.parameters()).new_zeros(1, 3, *size)))
        except Exception as error:
            raise EncoderError(f"{self.name} takes no images of {tuple(size)}: {error}") from error
        finally:
            self.train(was_training)


def load_backbone(spec: GivenSpec) -> Backbone:
    """Return the backbone that `spec` names, its weights checked; `spec.sha256` is filled with their digest.

    `weights` are None for random ones, "pretrained" for those that timm's hub has, a file of the whole timm
    model's weights, or "package:NAME" (see `packages`). Raises EncoderError.
    """
    spec = as_spec(spec)
    _check_name(spec.name)
    if spec.weights is None:
        model = _create(spec, _levels(spec.name))
        return Backbone(model, verified(model, spec))
    return backbone_of(spec, whole_model(spec))


def whole_model(spec: EncoderSpec) -> nn.Module:
    """Return the timm model that `spec` names, classifier included, with its weights. Raises EncoderError."""
    weights = spec.weights
    assert weights is not None
    _check_name(spec.name)
    if weights == "pretrained":
        return _create(spec, None, pretrained=True)
    if is_package(weights):
        path = packaged_file(weights, spec.name)
        model = _create(spec, None)
        state = in_order(read_state_dict(path), model, described(spec))
    elif is_file(weights):
        model = _create(spec, None)
        state = _whole_state(read_named(spec, weights), model)
    else:
        raise EncoderError(
            f"weights '{weights}' of {spec.name}: give a file, 'package:NAME', 'pretrained', or null for "
            "random ones"
        )
    load_strictly(model, state, described(spec))
    return model


def backbone_of(spec: EncoderSpec, whole: nn.Module) -> Backbone:
    """Return the feature maps of a whole timm model, with its weights. Raises EncoderError."""
    overlay = {"state_dict": whole.state_dict()}
    with _without_unused_warning():
        model = _create(spec, _levels(spec.name), pretrained=True, pretrained_cfg_overlay=overlay)
    _check_taken(model, whole, spec)
    return Backbone(model, verified(model, spec))


def in_order(given: State, model: nn.Module, named: str) -> State:
    """Return the weights of `given`, which lists the same tensors in the same order, by `model`'s names."""
    own = model.state_dict()
    same = [value.shape for value in given.values()] == [value.shape for value in own.values()]
    kinds = [key.rpartition(".")[2] for key in given] == [key.rpartition(".")[2] for key in own]
    if not (same and kinds):
        raise EncoderError(f"{named}: its {len(given)} tensors are not the model's {len(own)} in their order")
    return dict(zip(own, given.values(), strict=True))


def _check_name(name: str) -> None:
    if timm.is_model(name.split(".")[0]):
        return
    near = ", ".join(difflib.get_close_matches(name, timm.list_models(), n=4, cutoff=0.5))
    hint = f"; near are {near}" if near else ""
    raise EncoderError(f"timm knows no model '{name}'{hint}; `selcon encoders list` names some backbones")


def _levels(name: str) -> tuple[int, ...]:
    """Return which of a model's feature maps are taken. Raises EncoderError where it has no such maps."""
    try:
        model: Any = timm.create_model(name, features_only=True)
        strides = [int(stride) for stride in model.feature_info.reduction()]
    except Exception as error:  # RuntimeError, AttributeError, NotImplementedError: as the model has it
        raise EncoderError(f"{name} gives no feature maps (timm's features_only): {error}") from error
    taken = [place for place, stride in enumerate(strides) if stride >= MIN_STRIDE]
    doubling = [MIN_STRIDE << step for step in range(len(taken))]
    if len(taken) < 2 or [strides[place] for place in taken] != doubling:
        raise EncoderError(
            f"{name} has feature maps of strides {strides}: needed are 4, 8, 16 and so on, as convolutional "
            "networks have them"
        )
    return tuple(taken)


def _create(spec: EncoderSpec, indices: tuple[int, ...] | None, **options: Any) -> nn.Module:
    """Build the model with its feature maps, or (indices None) whole, as its weights are published."""
    features: dict[str, Any] = {} if indices is None else {"features_only": True, "out_indices": indices}
    try:
        model: nn.Module = timm.create_model(spec.name, **features, **options)
    except Exception as error:
        if indices is None and options.get("pretrained"):
            raise hub_error(spec, "backbone", error) from error
        raise EncoderError(f"timm cannot build '{spec.name}': {error}") from error
    return model


def _whole_state(given: State, whole: nn.Module) -> State:
    """Return a file's weights; the classifier, which no feature map needs, may be missing or another."""
    classifier = cast(dict[str, Any], whole.pretrained_cfg).get("classifier") or ()
    names = tuple(f"{each}." for each in ((classifier,) if isinstance(classifier, str) else classifier))
    own = {key: value for key, value in whole.state_dict().items() if key.startswith(names)}
    return {key: value for key, value in given.items() if not key.startswith(names)} | own


@contextmanager
def _without_unused_warning() -> Iterator[None]:
    """Silence timm's warning of weights that no feature map needs: the classifier's."""
    builder = logging.getLogger("timm.models._builder")
    level = builder.level
    builder.setLevel(logging.ERROR)
    try:
        yield
    finally:
        builder.setLevel(level)


def _check_taken(model: nn.Module, whole: nn.Module, spec: EncoderSpec) -> None:
    """timm loads weights into feature maps without insisting: every tensor must be one that was given."""

    def mark(value: Tensor) -> str:
        return hashlib.sha256(f"{tuple(value.shape)}".encode() + value.numpy().tobytes()).hexdigest()

    known = {mark(value) for value in whole.state_dict().values()}
    lost = [key for key, value in model.state_dict().items() if mark(value) not in known]
    if lost:
        raise EncoderError(
            f"{described(spec)}: timm did not load {len(lost)} tensors, the first is {lost[0]}"
        )


def _three_floats(values: Any) -> tuple[float, float, float]:
    red, green, blue = (float(value) for value in values)
    return red, green, blue
