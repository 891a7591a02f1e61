"""Which encoders the hubs have, and how to bring one to a machine without a connection."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import open_clip
import timm
from safetensors.torch import save
from torch import nn

from selcon_ros.core.files.atomic_write import check_destination, write_file
from selcon_training.encoders.backbone import backbone_of, whole_model
from selcon_training.encoders.clip import DenseClip
from selcon_training.encoders.dino import PartEncoder
from selcon_training.encoders.loading import clip_model_of, dino_model_of
from selcon_training.encoders.packages import PACKAGES, PREFIX
from selcon_training.encoders.sizes import patch_size
from selcon_training.encoders.spec import EncoderSpec
from selcon_training.errors import EncoderError

_FOREIGN_TEXT_KEYS = {"hf_model_name", "hf_tokenizer_name"}  # text that needs another library
_PART_MODELS = ("vit_*.dino", "vit_*dinov2*", "vit_*dinov3*")
_BACKBONES = ("tf_efficientnet_lite*", "mobilenetv[34]*", "efficientnet_b*", "resnet*", "convnext_*")


class HubEncoder(NamedTuple):
    """An encoder that a hub has: its place in the configuration (dino, clip or backbone), name and weights
    there.
    """

    role: str
    name: str
    weights: str


def published() -> list[HubEncoder]:
    """Return the DINO family of timm and the CLIPs of open_clip that the paper's network can use, as far as
    the names and configurations of the installed libraries tell, and well-known backbones of timm.

    Other timm ViTs, and CLIPs around one, may work too, and so do other convolutional backbones: building
    them tells.
    """
    parts = sorted({name for pattern in _PART_MODELS for name in timm.list_pretrained(pattern)})
    backbones = sorted({name for pattern in _BACKBONES for name in timm.list_pretrained(pattern)})
    carried = [HubEncoder("backbone", each.model, PREFIX + name) for name, each in PACKAGES.items()]
    clips = [(name, tag) for name, tag in open_clip.list_pretrained() if _is_plain(name, tag)]
    return (
        [HubEncoder("dino", name, "pretrained") for name in parts]
        + [HubEncoder("clip", name, tag) for name, tag in clips]
        + carried
        + [HubEncoder("backbone", name, "pretrained") for name in backbones]
    )


def fetch(name: str, weights: str | None, out: Path) -> tuple[EncoderSpec, str]:
    """Get an encoder from its hub, write its weights to `out` (.safetensors), and return what was loaded and
    its role: dino, clip or backbone.

    `weights` is an open_clip tag; None for a timm name. The file names the encoder, so that it is not taken
    for another. Raises EncoderError where the hub cannot be reached or the network cannot use the encoder;
    then nothing is written.
    """
    if out.suffix != ".safetensors":
        raise EncoderError(f"--out {out}: the file's name must end in .safetensors")
    try:
        check_destination(out)
    except OSError as error:
        raise EncoderError(f"cannot write {out}: {error.strerror}") from error
    is_clip = name in open_clip.list_models()
    if is_clip and weights is None:
        tags = ", ".join(open_clip.list_pretrained_tags_by_model(name)) or "none"
        raise EncoderError(f"{name} has several weights: say which with --weights ({tags})")
    model: nn.Module
    if is_clip:
        role = "clip"
        model, spec = clip_model_of(EncoderSpec(name, weights))
    elif _is_backbone(name):
        role = "backbone"
        given = EncoderSpec(name, weights or "pretrained")
        model = whole_model(given)
        spec = backbone_of(given, model).spec
    else:
        role = "dino"
        model, spec = dino_model_of(EncoderSpec(name, weights or "pretrained"))
    state = {key: value.detach().clone().contiguous() for key, value in model.state_dict().items()}
    patch = patch_size(model.get_submodule("visual") if is_clip else model) or (1, 1)
    usable = (4 * patch[0], 4 * patch[1])
    if is_clip:
        DenseClip(model, usable, name=name)
    elif role == "dino":
        PartEncoder(model, usable, name)
    about = {"encoder": name, "weights": str(spec.weights), "digest": str(spec.sha256)}
    try:
        write_file(out, save(state, about))
    except OSError as error:
        raise EncoderError(f"cannot write {out}: {error.strerror}") from error
    return spec, role


def _is_backbone(name: str) -> bool:
    """Whether a timm model is none of the transformers that give part descriptors."""
    base = name.split(".")[0]
    if name.startswith("vit_") or not timm.is_model(base):
        return False
    return timm.model_entrypoint(base).__module__.rpartition(".")[2] not in ("vision_transformer", "eva")


def _is_plain(name: str, tag: str) -> bool:
    """Whether an open_clip configuration is the original ViT with its own text encoder and activation."""
    config = open_clip.get_model_config(name) or {}
    vision, text = config.get("vision_cfg", {}), config.get("text_cfg", {})
    plain = isinstance(vision.get("layers"), int) and "timm_model_name" not in vision
    pooled = vision.get("attentional_pool") or text.keys() & _FOREIGN_TEXT_KEYS or "multimodal_cfg" in config
    activation = bool(open_clip.get_pretrained_cfg(name, tag).get("quick_gelu", False))
    return plain and not pooled and activation == bool(config.get("quick_gelu", False))
