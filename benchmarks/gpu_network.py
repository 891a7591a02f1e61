"""The paper's network from timm's encoders alone, with random weights: nothing else need be installed.

DINO ViT-S/16 and CLIP ViT-B/16 at 224×224 with 36 actions, as `paper_size` has it, or a tiny one of the same
kind, on which a CPU takes moments. The features of the actions' texts are random too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from selcon_training.models.selcon_net import SelconNet

CLIP, DINO = "vit_base_patch16_clip_quickgelu_224", "vit_small_patch16_224"


@dataclass(frozen=True)
class NetworkSize:
    """side: of the images, pixels; actions: how many; text: values of a text feature; vit: what replaces the
    encoders' own numbers."""

    side: int
    actions: int
    text: int
    vit: dict[str, Any]


SIZES = {
    "paper": NetworkSize(224, 36, 512, {}),
    "tiny": NetworkSize(64, 5, 16, {"embed_dim": 32, "depth": 2, "num_heads": 2}),
}


def timm_network(size: NetworkSize) -> SelconNet:
    """Return the network on the CPU, in evaluation mode, the same at each call."""
    import torch
    from torch import nn

    import selcon_training.encoders  # noqa: F401 - makes torchvision importable, which timm imports

    import timm  # isort: skip
    from selcon_training.encoders.clip import DenseClip
    from selcon_training.encoders.dino import PartEncoder
    from selcon_training.models.selcon_net import SelconNet, TextFeatures

    torch.manual_seed(0)
    sides = (size.side, size.side)
    # CLIP's image tower as open_clip wraps those of timm.
    clip, visual = nn.Module(), nn.Module()
    visual.trunk = timm.create_model(CLIP, num_classes=size.text, **size.vit)
    visual.head = nn.Identity()
    clip.visual = visual
    dino = timm.create_model(DINO, num_classes=0, **size.vit)
    text = nn.functional.normalize(torch.randn(2, size.actions, size.text), dim=-1)
    actions = [f"action_{number}" for number in range(size.actions)]
    encoders = DenseClip(clip, sides), PartEncoder(dino, sides, DINO)
    return SelconNet(*encoders, actions, TextFeatures(text[0], text[1])).eval()


def in_precision(net: SelconNet, dtype: Any) -> SelconNet:
    """Return a copy whose weights, and so whose layers, are of a type."""
    import copy

    made = copy.deepcopy(net).to(dtype)
    made.encoders_trainable = True  # frozen encoders give float32, whatever their weights are
    return made.eval()


def count_operations(net: SelconNet, image: Tensor) -> int:
    """Return the floating point operations (an addition and a multiplication are two) of one image."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        net(image)
    return int(counter.get_total_flops())
