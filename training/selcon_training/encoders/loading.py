"""Build encoders by name, with weights from the hub or from a local file."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import open_clip
import timm
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from selcon_training.encoders.clip import DenseClip
from selcon_training.encoders.dino import PartEncoder
from selcon_training.encoders.spec import EncoderSpec, weights_digest
from selcon_training.errors import EncoderError

_FILE_ENDINGS = (".safetensors", ".pt", ".pth", ".bin")


def load_dino(spec: EncoderSpec | Mapping[str, Any], input_size: tuple[int, int]) -> PartEncoder:
    """Return the part encoder that `spec` names, its `spec` attribute filled with the digest of its
    weights.
    """
    spec = _as_spec(spec)
    _register(spec.name)
    if not timm.is_model(spec.name.split(".")[0]):
        raise EncoderError(f"timm knows no model '{spec.name}'; timm.list_models('vit*') lists those it has")
    from_hub = spec.weights is not None and not _is_file(spec.weights)
    if from_hub and spec.weights != "pretrained":
        raise EncoderError(
            f"weights '{spec.weights}' of {spec.name}: give a file, 'pretrained', or null for random ones"
        )
    try:
        model = timm.create_model(spec.name, pretrained=from_hub, num_classes=0)
    except Exception as error:
        if from_hub:
            raise _hub_error(spec, error) from error
        raise EncoderError(f"timm cannot build '{spec.name}': {error}") from error
    if not from_hub:
        _load_file(model, spec)
    spec = _verified(model, spec)
    encoder = PartEncoder(model, input_size)
    encoder.name, encoder.spec = spec.name, spec
    return encoder


def bare_clip(name: str, tag: str | None = None) -> nn.Module:
    """Return an open_clip model, with random weights or those of one of its tags."""
    with warnings.catch_warnings(), _without_weights_warning():
        warnings.filterwarnings("error", message="QuickGELU mismatch")
        return open_clip.create_model(name, pretrained=tag, pretrained_image=False)


def load_clip(spec: EncoderSpec | Mapping[str, Any], input_size: tuple[int, int]) -> DenseClip:
    """Return the dense CLIP encoder that `spec` names, its `spec` attribute filled with the digest of its
    weights.
    """
    spec = _as_spec(spec)
    _register(spec.name)
    if spec.name not in open_clip.list_models():
        raise EncoderError(
            f"open_clip knows no model '{spec.name}'; open_clip.list_models() lists those it has"
        )
    tag = spec.weights if spec.weights is not None and not _is_file(spec.weights) else None
    if tag is not None and tag not in open_clip.list_pretrained_tags_by_model(spec.name):
        tags = ", ".join(open_clip.list_pretrained_tags_by_model(spec.name)) or "none"
        raise EncoderError(f"weights '{tag}' of {spec.name}: neither a file nor one of its tags ({tags})")
    try:
        model = bare_clip(spec.name, tag)
    except UserWarning as error:
        raise EncoderError(
            f"{spec.name} with '{tag}': {error}; use the name with or without '-quickgelu'"
        ) from error
    except Exception as error:
        if tag is not None:
            raise _hub_error(spec, error) from error
        raise EncoderError(f"open_clip cannot build '{spec.name}': {error}") from error
    if tag is None:
        _load_file(model, spec)
    spec = _verified(model, spec)
    encoder = DenseClip(model, input_size, name=spec.name)
    encoder.spec = spec
    return encoder


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Read a state dict from .safetensors, or from a torch file without running any code stored in it."""
    if not path.is_file():
        raise EncoderError(f"no such weights file: {path}")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise EncoderError(f"{path} is not a file of weights that can be read safely: {error}") from error
    if isinstance(state, dict) and isinstance(state.get("state_dict"), dict):
        state = state["state_dict"]
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise EncoderError(f"{path} holds no state dict (names to tensors)")
    return dict(state)


def load_strictly(model: nn.Module, state: Mapping[str, Tensor], what: str) -> None:
    """Load `state` into `model`; an EncoderError lists every missing, extra and misshapen key."""
    own = model.state_dict()
    problems = mismatches(
        {k: tuple(v.shape) for k, v in own.items()}, {k: tuple(v.shape) for k, v in state.items()}
    )
    if problems:
        raise EncoderError(f"{what} does not fit:\n" + "\n".join(problems))
    model.load_state_dict(state)


def mismatches(wanted: Mapping[str, tuple[int, ...]], given: Mapping[str, tuple[int, ...]]) -> list[str]:
    """Return one line per key that is missing, extra or of another shape."""
    lines = [f"  missing: {key} {list(wanted[key])}" for key in wanted if key not in given]
    lines += [f"  extra: {key} {list(given[key])}" for key in given if key not in wanted]
    lines += [
        f"  misshapen: {key} is {list(given[key])}, needed {list(wanted[key])}"
        for key in wanted
        if key in given and tuple(given[key]) != tuple(wanted[key])
    ]
    return lines


def _as_spec(spec: EncoderSpec | Mapping[str, Any]) -> EncoderSpec:
    if isinstance(spec, EncoderSpec):
        return spec
    unknown = set(spec) - {"name", "weights", "sha256"}
    if unknown or "name" not in spec:
        raise EncoderError(f"an encoder is given by name, weights and sha256, not by {sorted(spec)}")
    return EncoderSpec(**spec)


def _register(name: str) -> None:
    """Make the package's own small models known to timm and open_clip when one of them is asked for."""
    if name.startswith(("vit_tabletop", "selcon-tabletop")):
        import selcon_training.tabletop.encoders  # noqa: F401 - registers on import


@contextmanager
def _without_weights_warning() -> Iterator[None]:
    """Silence open_clip's warning of random weights: they are asked for, or a file's take their place."""

    def keep(record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith("No pretrained weights loaded")

    logging.getLogger().addFilter(keep)
    try:
        yield
    finally:
        logging.getLogger().removeFilter(keep)


def _is_file(weights: str) -> bool:
    return weights.endswith(_FILE_ENDINGS)


def _load_file(model: nn.Module, spec: EncoderSpec) -> None:
    if spec.weights is not None:
        load_strictly(
            model, read_state_dict(Path(spec.weights).expanduser()), f"{spec.weights} as {spec.name}"
        )


def _verified(model: nn.Module, spec: EncoderSpec) -> EncoderSpec:
    digest = weights_digest(model)
    if spec.sha256 is not None and spec.sha256 != digest and spec.weights is not None:
        raise EncoderError(
            f"{spec.name}: its weights ({spec.weights}) have the digest {digest}, expected was {spec.sha256}"
        )
    return EncoderSpec(spec.name, spec.weights, digest)


def _hub_error(spec: EncoderSpec, error: Exception) -> EncoderError:
    return EncoderError(
        f"cannot get the weights '{spec.weights}' of {spec.name} from the hub: {error}. "
        "Without a connection, download them elsewhere and give the local file (.safetensors or .pt) as its "
        "weights"
    )
