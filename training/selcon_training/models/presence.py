"""Whether an image affords an action at all: one number per action, from what lies under its heat."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LEAST_HEAT = 0.5
"""Cells count from this share of the map's peak on."""
TINY = 1e-6
"""What is divided by is at least this, which 16 bits still tell from 0."""


class Presence(nn.Module):
    """A logit per action, from the decoder's features and the backbone's coarsest ones under its heat.

    The coarsest features are those that ImageNet's classes are told by: of a thing as a whole, where the
    decoder's cells see a part of it. `record` is what a manifest says of the fit.
    """

    def __init__(
        self, width: int, coarsest: int, stride: int, classes: int, record: Mapping[str, Any]
    ) -> None:
        """`width`, `coarsest`: numbers of features. `stride`: how many cells of a row lie in one of the
        coarsest.
        """
        super().__init__()
        self.stride = stride
        self.cells = nn.Conv2d(width, classes, 1)
        self.coarsest = nn.Conv2d(coarsest, classes, 1)
        self.record = dict(record)

    def forward(self, cam: Tensor, cells: Tensor, coarsest: Tensor) -> Tensor:
        """Return logits [B, C, 1, 1] from the CAM [B, C, h, w], 0..1, features [B, width, h, w] of its cells
        and the coarsest ones [B, D, h', w'].
        """
        evidence: Tensor = self.cells(cells)
        evidence = evidence + _enlarged(self.coarsest(coarsest), evidence, self.stride)
        return (weights(cam) * evidence).sum((2, 3), keepdim=True)


def weights(cam: Tensor) -> Tensor:
    """Return how much each cell of a CAM [B, C, h, w] counts: by its heat above half of the peak."""
    peak = cam.amax((2, 3), keepdim=True).clamp(min=TINY)
    above = F.relu(cam / peak - LEAST_HEAT)
    return above / above.sum((2, 3), keepdim=True).clamp(min=TINY)


def averaged_features(cam: Tensor, cells: Tensor, coarsest: Tensor, stride: int) -> Tensor:
    """Return the features [B, C, width + D] that `Presence` weighs, averaged over the heat of each action."""
    counted = weights(cam)
    both = [cells, _enlarged(coarsest, cells, stride)]
    return torch.cat([torch.einsum("bchw,bdhw->bcd", counted, each) for each in both], 2)


def _enlarged(coarse: Tensor, like: Tensor, stride: int) -> Tensor:
    """Return a coarse map on the cells of a finer one; its last cells may reach beyond."""
    height, width = (int(side) for side in like.shape[-2:])
    enlarged = F.interpolate(coarse, scale_factor=float(stride), mode="nearest")
    return enlarged[..., :height, :width]
