"""Operations on maps that losses, part discovery and the network share; saliency (method.md §1)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

EPSILON = 1e-12


def minmax(maps: Tensor) -> Tensor:
    """Scale every map [..., h, w] to 0..1; a constant one becomes zero."""
    low = maps.amin(dim=(-2, -1), keepdim=True)
    span = maps.amax(dim=(-2, -1), keepdim=True) - low
    return (maps - low) / torch.where(span > EPSILON, span, torch.ones_like(span)) * (span > EPSILON)


def local_mean(maps: Tensor) -> Tensor:
    """Return the 3×3 mean of maps [B, h, w] over those neighbours that lie inside the map (method.md §2)."""
    return F.avg_pool2d(maps[:, None], 3, stride=1, padding=1, count_include_pad=False)[:, 0]


def onto_grid(patches: Tensor, grid: tuple[int, int]) -> Tensor:
    """Return L2-normalised features [B, d, h, w] on another grid, bilinear and normalised again.

    Normalised vectors are averaged, not raw ones, so that a patch counts by its place and not by its length.
    On their own grid they come back as they are.
    """
    if tuple(patches.shape[-2:]) == tuple(grid):
        return patches
    return F.normalize(F.interpolate(patches, grid, mode="bilinear", align_corners=False), dim=1)


def cosine_maps(patches: Tensor, text: Tensor) -> Tensor:
    """Return the cosine [B, C, h, w] of L2-normalised patches [B, d, h, w] with normalised text features [C,
    d].
    """
    return (text @ patches.flatten(2)).reshape(patches.shape[0], -1, *patches.shape[-2:])


def cosine_of(patches: Tensor, text: Tensor) -> Tensor:
    """Return the cosine [B, h, w] of L2-normalised patches [B, d, h, w] with one text feature [B, d] per
    image.
    """
    return torch.einsum("bdhw,bd->bhw", patches, text)


def unit(x: Tensor, dim: int) -> Tensor:
    """L2-normalise along `dim`; a zero vector stays zero and gets a zero gradient, not an infinite one."""
    length = torch.linalg.vector_norm(x, dim=dim, keepdim=True)
    there = length > 1e-8
    normalised: Tensor = x / torch.where(there, length, torch.ones_like(length)) * there
    return normalised


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
