"""The small encoders of the tabletop world: a timm ViT with a convolutional stem, and an open_clip model
around another.

Importing this module makes `vit_tabletop_patch16` known to timm and `selcon-tabletop` to open_clip.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import selcon_training.encoders  # noqa: F401  isort: skip  (first: it makes torchvision importable)

import open_clip
from timm.layers.patch_embed import PatchEmbed
from timm.models import register_model
from timm.models.vision_transformer import VisionTransformer
from torch import nn

INPUT_SIZE = (288, 384)  # 4:3 as most cameras are; 18×24 patches of 27 pixels each in a 640×480 view
CLIP_NAME, DINO_NAME = "selcon-tabletop", "vit_tabletop_patch16"


class ConvStem(PatchEmbed):
    """Patch embedding by strided 3×3 convolutions, which learns from far fewer images than one large linear
    patch."""

    def __init__(self, *, embed_dim: int = 128, in_chans: int = 3, **kwargs: Any) -> None:
        super().__init__(embed_dim=embed_dim, in_chans=in_chans, **kwargs)
        layers: list[nn.Module] = [nn.Conv2d(in_chans, 48, 7, stride=4, padding=3, bias=False)]
        for before, after in ((48, 96), (96, embed_dim)):
            layers += [
                nn.BatchNorm2d(before),
                nn.ReLU(inplace=True),
                nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False),
            ]
        layers += [
            nn.BatchNorm2d(embed_dim),
            nn.ReLU(inplace=True),
            nn.Conv2d(embed_dim, embed_dim, 3, padding=1),
        ]
        self.proj = nn.Sequential(*layers)  # type: ignore[assignment]


@register_model
def vit_tabletop_patch16(pretrained: bool = False, **kwargs: Any) -> VisionTransformer:
    """Return a ViT of width 128, 4 heads and 3 blocks behind a convolutional stem of stride 16; there are no
    hub weights."""
    if pretrained:
        raise ValueError(
            "vit_tabletop_patch16 has no published weights; `selcon tabletop pretrain` makes them"
        )
    for ignored in ("pretrained_cfg", "pretrained_cfg_overlay", "cache_dir"):
        kwargs.pop(ignored, None)
    options = {
        "img_size": INPUT_SIZE,
        "patch_size": 16,
        "embed_dim": 128,
        "depth": 3,
        "num_heads": 4,
        "num_classes": 0,
    }
    model = VisionTransformer(embed_layer=ConvStem, **{**options, **kwargs})
    model.default_cfg = model.pretrained_cfg = {}  # type: ignore[assignment]  # open_clip asks for it
    return model


open_clip.add_model_config(Path(__file__).parent / f"{CLIP_NAME}.json")
