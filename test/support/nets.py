"""Small random networks of the real kinds, and the specs under which they can be loaded by name."""

import json
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

# First: it makes torchvision importable before timm and open_clip.
from selcon_training.encoders import DenseClip, PartEncoder, load_clip, load_dino  # isort: skip

import open_clip
import torch
from open_clip.model import CLIP, CustomTextCLIP
from safetensors.torch import save_file
from timm import create_model
from timm.models.vision_transformer import VisionTransformer

from selcon_ros.core.pictures.picture_files import write_image
from selcon_training.export.bundle import export_bundle
from selcon_training.models.selcon_net import SelconNet
from support.engines import picture

ACTIONS = ["cut_with", "hold", "pour"]
TEXT = {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}
OPEN_CLIP_TOWER = {"image_size": 224, "layers": 3, "width": 64, "patch_size": 16, "head_width": 32}
TIMM_TOWER = {
    "timm_model_name": "test_vit",
    "timm_model_pretrained": False,
    "timm_pool": "avg",
    "timm_proj": "linear",
    "image_size": 160,
}


@lru_cache(maxsize=1)
def tokenizer() -> Any:
    """Return CLIP's own tokenizer."""
    return open_clip.get_tokenizer("ViT-B-16")


def clip_model(**options: Any) -> CLIP:
    """Return a small CLIP of the original architecture with QuickGELU; `options` are of its image tower."""
    return CLIP(24, OPEN_CLIP_TOWER | options, TEXT, quick_gelu=True).eval()


def timm_clip_model(pool: str = "avg") -> CustomTextCLIP:
    """Return a small CLIP whose image tower is a timm ViT."""
    return CustomTextCLIP(24, TIMM_TOWER | {"timm_pool": pool}, TEXT).eval()


def vit(**options: Any) -> VisionTransformer:
    """Return a small timm ViT of patch 16 at 224 pixels."""
    defaults: dict[str, Any] = {
        "img_size": 224,
        "embed_dim": 48,
        "depth": 3,
        "num_heads": 3,
        "num_classes": 0,
    }
    return VisionTransformer(**(defaults | options)).eval()


def named_vit() -> VisionTransformer:
    """Return timm's smallest ViT, which `load_dino` finds by the name "test_vit"."""
    return create_model("test_vit", num_classes=0).eval()


def shallow(name: str, **options: Any) -> Any:
    """Return a shallow, narrow timm model of the named architecture, 6 heads, with random weights.

    All of them are at work: timm starts scaled residuals and biases at nearly nothing.
    """
    defaults: dict[str, Any] = {"depth": 2, "embed_dim": 48, "num_heads": 6, "num_classes": 0}
    model = create_model(name, pretrained=False, **(defaults | options)).eval()
    with torch.no_grad():
        for value in model.parameters():
            value.add_(torch.randn_like(value) * 0.2)
    return model


def small_net(
    size: tuple[int, int] = (64, 96), *, timm_tower: bool = False, seed: int = 0, **options: Any
) -> SelconNet:
    """Return a small random network for images of (height, width)."""
    torch.manual_seed(seed)
    clip = DenseClip(timm_clip_model() if timm_tower else clip_model(), size, tokenizer=tokenizer())
    return SelconNet(clip, PartEncoder(vit(), size), ACTIONS, **options).eval()


def register_small_clip(folder: Path, name: str = "selcon-test-clip", quick_gelu: bool = True) -> str:
    """Register a small CLIP configuration with open_clip and return its name."""
    config = {"embed_dim": 24, "quick_gelu": quick_gelu, "vision_cfg": OPEN_CLIP_TOWER, "text_cfg": TEXT}
    (folder / f"{name}.json").write_text(json.dumps(config))
    open_clip.add_model_config(folder / f"{name}.json")
    return name


def loaded_net(folder: Path, random: bool = False, **options: Any) -> SelconNet:
    """A network whose encoders come by name, with weights from files unless random."""
    name = register_small_clip(folder)
    clip_file, dino_file = folder / "clip.safetensors", folder / "dino.safetensors"
    torch.manual_seed(1)
    save_file(clip_model().state_dict(), clip_file)
    save_file(named_vit().state_dict(), dino_file)
    clip = load_clip({"name": name, "weights": None if random else str(clip_file)}, (64, 96))
    dino = load_dino({"name": "test_vit", "weights": None if random else str(dino_file)}, (64, 96))
    return SelconNet(clip, dino, ACTIONS, **options).eval()


def vit_bundle(out: Path) -> Path:
    """Write a bundle of a ViT with two blocks of attention and eight samples to `out`, and return `out`.

    It has one output, probabilities that differ from place to place.
    """
    net = small_net(cam_activation="sigmoid")
    with torch.no_grad():
        net.heads.classifier.weight.mul_(20)
    words = {"name": out.name, "description": "random", "licence": "Apache-2.0"}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(8):
            write_image(Path(folder) / f"{number}.png", picture(number))
        export_bundle(net, out, **words, calibration="none", samples=Path(folder))
    return out
