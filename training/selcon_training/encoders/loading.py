"""Build encoders by name, with weights from the hub or from a local file."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import timm
from torch import nn

from selcon_ros.core.files.user_path import user_path
from selcon_ros.plugins import plugins
from selcon_training.encoders.clip import DenseClip, Tokenizer
from selcon_training.encoders.dino import PartEncoder
from selcon_training.encoders.sizes import check_input_size, patch_size
from selcon_training.encoders.spec import EncoderSpec, weights_digest
from selcon_training.encoders.weight_files import (
    State,
    clip_weights,
    dino_weights,
    first_not_finite,
    load_strictly,
    read_state_dict,
    stated_encoder,
)
from selcon_training.errors import EncoderError

ENTRY_POINT_GROUP = "selcon.encoders"
"""Group of entry points: an encoder's name, and the module that makes it known to timm or open_clip."""
GivenSpec = EncoderSpec | Mapping[str, Any]
_FILE_SUFFIXES = (".safetensors", ".pt", ".pth", ".bin", ".ckpt")


def load_encoders(
    clip: GivenSpec, dino: GivenSpec, input_size: tuple[int, int]
) -> tuple[DenseClip, PartEncoder]:
    """Return both encoders for images of (height, width) pixels, as `load_clip` and `load_dino` make them.

    An input size that does not fit both patches is refused with the nearest that does.
    """
    clip_model, clip_spec = clip_model_of(clip)
    dino_model, dino_spec = dino_model_of(dino)
    visual = clip_model.get_submodule("visual")
    patches = {clip_spec.name: patch_size(visual), dino_spec.name: patch_size(dino_model)}
    check_input_size(input_size, patches)
    return _dense_clip(clip_model, clip_spec, input_size), _part_encoder(dino_model, dino_spec, input_size)


def load_dino(spec: GivenSpec, input_size: tuple[int, int]) -> PartEncoder:
    """Return the part encoder that `spec` names, its `spec` attribute filled with the digest of its
    weights.
    """
    return _part_encoder(*dino_model_of(spec), input_size)


def load_clip(spec: GivenSpec, input_size: tuple[int, int]) -> DenseClip:
    """Return the dense CLIP encoder that `spec` names, its `spec` attribute filled with the digest of its
    weights.
    """
    return _dense_clip(*clip_model_of(spec), input_size)


def dino_model_of(spec: GivenSpec) -> tuple[nn.Module, EncoderSpec]:
    """Return the whole timm model that `spec` names, and the spec with the digest of its weights."""
    spec = as_spec(spec)
    _register(spec.name)
    if not timm.is_model(spec.name.split(".")[0]):
        raise EncoderError(f"timm knows no model '{spec.name}'; `selcon encoders list` names part encoders")
    from_hub = spec.weights is not None and not is_file(spec.weights)
    if from_hub and spec.weights != "pretrained":
        raise EncoderError(
            f"weights '{spec.weights}' of {spec.name}: give a file, 'pretrained', or null for random ones"
        )
    try:
        model = timm.create_model(spec.name, pretrained=from_hub, num_classes=0)
    except Exception as error:
        if from_hub:
            raise hub_error(spec, "dino", error) from error
        raise EncoderError(f"timm cannot build '{spec.name}': {error}") from error
    if spec.weights is not None and not from_hub:
        state = dino_weights(read_named(spec, spec.weights), model, spec.name)
        load_strictly(model, state, described(spec))
    return model, verified(model, spec)


def clip_model_of(spec: GivenSpec) -> tuple[nn.Module, EncoderSpec]:
    """Return the whole open_clip model that `spec` names, and the spec with the digest of its weights."""
    import open_clip

    spec = as_spec(spec)
    _register(spec.name)
    if spec.name not in open_clip.list_models():
        raise EncoderError(
            f"open_clip knows no model '{spec.name}'; `selcon encoders list` names CLIP encoders"
        )
    tag = spec.weights if spec.weights is not None and not is_file(spec.weights) else None
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
            raise hub_error(spec, "clip", error) from error
        raise EncoderError(f"open_clip cannot build '{spec.name}': {error}") from error
    if spec.weights is not None and tag is None:
        quick_gelu = bool((open_clip.get_model_config(spec.name) or {}).get("quick_gelu"))
        state = clip_weights(read_named(spec, spec.weights), model, spec.name, quick_gelu)
        load_strictly(model, state, described(spec))
    return model, verified(model, spec)


def bare_clip(name: str, tag: str | None = None) -> nn.Module:
    """Return an open_clip model, with random weights or those of one of its tags."""
    import open_clip

    with warnings.catch_warnings(), _without_weights_warning():
        warnings.filterwarnings("error", message="QuickGELU mismatch")
        model: nn.Module = open_clip.create_model(name, pretrained=tag, pretrained_image=False)
    return model


def bare_dino(name: str) -> nn.Module:
    """Return a timm ViT with random weights."""
    model: nn.Module = timm.create_model(name, pretrained=False, num_classes=0)
    return model


def _part_encoder(model: nn.Module, spec: EncoderSpec, input_size: tuple[int, int]) -> PartEncoder:
    encoder = PartEncoder(model, input_size, spec.name)
    encoder.spec = spec
    return encoder


def _dense_clip(model: nn.Module, spec: EncoderSpec, input_size: tuple[int, int]) -> DenseClip:
    encoder = DenseClip(model, input_size, name=spec.name)
    encoder.spec = spec
    return encoder


def clip_tokenizer(name: str) -> Tokenizer:
    """Return CLIP's own tokenizer, with the context length of the open_clip model of this name; it needs no
    file but the library's. Raises EncoderError for a model that is not known or tokenises otherwise.
    """
    import open_clip

    _register(name)
    if name not in open_clip.list_models():
        raise EncoderError(f"open_clip knows no model '{name}'; open_clip.list_models() lists those it has")
    if "hf_tokenizer_name" in (open_clip.get_model_config(name) or {}).get("text_cfg", {}):
        raise EncoderError(f"the tokenizer of {name} comes from a hub; only CLIP's own one is supported here")
    tokenizer: Tokenizer = open_clip.get_tokenizer(name)
    return tokenizer


def as_spec(spec: GivenSpec) -> EncoderSpec:
    """Return the spec that a configuration's plain values stand for."""
    if isinstance(spec, EncoderSpec):
        return spec
    unknown = set(spec) - {"name", "weights", "sha256"}
    if unknown or "name" not in spec:
        raise EncoderError(f"an encoder is given by name, weights and sha256, not by {sorted(spec)}")
    return EncoderSpec(**spec)


def _register(name: str) -> None:
    """Make a package's model known to timm or open_clip, where one has an entry point of this name."""
    plugin = plugins(ENTRY_POINT_GROUP).get(name.partition(".")[0])
    if plugin is not None:
        plugin.load()  # a module that registers its models when it is imported


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


def is_file(weights: str) -> bool:
    """Whether weights are named by a file."""
    return weights.lower().endswith(_FILE_SUFFIXES) or "/" in weights


def described(spec: EncoderSpec) -> str:
    """Return what a message calls weights and encoder."""
    return f"{spec.weights} as {spec.name}"


def read_named(spec: EncoderSpec, weights: str) -> State:
    """Read a weights file; one that says it holds another encoder is refused."""
    path = user_path(weights, EncoderError)
    state = read_state_dict(path)
    held = stated_encoder(path)
    if held is not None and spec.name not in (held, held.split(".")[0]):
        raise EncoderError(f"{weights} holds {held}, not {spec.name}: set the encoder's name to {held}")
    return state


def verified(model: nn.Module, spec: EncoderSpec) -> EncoderSpec:
    """Return `spec` with the digest of the weights that `model` holds.

    Raises EncoderError for weights that are not finite, or not those of the digest in `spec`.
    """
    digest = weights_digest(model)
    if spec.weights is not None:
        damaged = first_not_finite(model.state_dict())
        if damaged is not None:
            raise EncoderError(f"{described(spec)}: {damaged} holds NaN or infinity; get the weights anew")
        if spec.sha256 not in (None, digest):
            raise EncoderError(
                f"{spec.name}: its weights ({spec.weights}) have the digest {digest}, "
                f"expected was {spec.sha256}"
            )
    return EncoderSpec(spec.name, spec.weights, digest)


def hub_error(spec: EncoderSpec, role: str, error: Exception) -> EncoderError:
    """Return what to say where a hub gives no weights; `role` is dino, clip or backbone."""
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    file = f"{spec.name}.{spec.weights}" if role == "clip" else spec.name
    tag = f" --weights {spec.weights}" if role == "clip" else ""
    section = "backbone" if role == "backbone" else f"encoders.{role}"
    return EncoderError(
        f"cannot get the weights '{spec.weights}' of {spec.name} from the hub: {reason}\n"
        "Without a connection, run this where there is one and bring the file here:\n"
        f"  selcon encoders fetch {spec.name}{tag} --out {file}.safetensors\n"
        "then name the local file in the configuration (or with --set):\n"
        f"  {section}.weights={file}.safetensors"
    )
