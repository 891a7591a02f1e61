"""Object saliency from the part encoder's class attention (method.md §1)."""

from __future__ import annotations

import torch
from torch import Tensor

from selcon_training.models.map_ops import minmax

_DINO_SMALL_HEADS = 6
_OBJECT_HEADS = [0, 1, 3]  # of DINO ViT-S/16: the heads that look at the object


def saliency_map(attention: Tensor, every_head: bool = False) -> Tensor:
    """Return the saliency S [B, h, w], 0..1, of class attention [B, heads, h, w].

    Each head is thresholded at its own mean; heads are averaged (0, 1 and 3 of the six of DINO ViT-S/16, for
    which the paper chose them; all of any other number) and the map min-max scaled. `every_head` is for other
    encoders that happen to have six, such as DINOv2 and DINOv3 ViT-S: their heads look at other things.
    """
    if attention.shape[1] == _DINO_SMALL_HEADS and not every_head:
        # Not attention[:, [0, 1, 3]]: that copies the list to the device and waits for it.
        attention = torch.stack([attention[:, head] for head in _OBJECT_HEADS], dim=1)
    above = attention > attention.mean(dim=(-2, -1), keepdim=True)
    return minmax(above.to(attention.dtype).mean(dim=1))


def saliency_mask(saliency: Tensor) -> Tensor:
    """Return the hard mask S > mean(S), boolean, of saliency maps [B, h, w]."""
    return saliency > saliency.mean(dim=(-2, -1), keepdim=True)
