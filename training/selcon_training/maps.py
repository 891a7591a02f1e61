"""Small operations on maps that losses, part discovery and the network share."""

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
    """Return the 3×3 mean of maps [B, h, w] over those neighbours that lie inside the map (METHOD §2)."""
    return F.avg_pool2d(maps[:, None], 3, stride=1, padding=1, count_include_pad=False)[:, 0]


def cosine_maps(patches: Tensor, text: Tensor) -> Tensor:
    """Return the cosine [B, C, h, w] of L2-normalised patches [B, d, h, w] with normalised text features [C, d]."""
    return (text @ patches.flatten(2)).reshape(len(patches), len(text), *patches.shape[-2:])
