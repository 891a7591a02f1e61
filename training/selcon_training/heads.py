"""Trainable heads on the part descriptors (METHOD §3)."""

from __future__ import annotations

from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn


class View(NamedTuple):
    """What the heads give for one view. `cam` [B, C, h, w] are logits (h and w times the heads' `upscale`);
    `prototype` and `pixel` [B, D, h, w] or None.
    """

    cam: Tensor
    prototype: Tensor | None
    pixel: Tensor | None


class Heads(nn.Module):
    """Token-wise MLP, a projection per view, a shared classifier, and the two contrastive projections.

    `width` is the width D of the part descriptors, `classes` the number of actions C. `upscale` (1 in the
    paper) draws the CAM at that multiple of the patch grid: the classifier gives every patch upscale²
    cells (sub-pixel convolution, Shi et al. 2016). `shared_projection` (off in the paper) takes one
    projection for both views.
    """

    def __init__(self, width: int, classes: int, upscale: int = 1, shared_projection: bool = False) -> None:
        super().__init__()
        self.upscale = upscale
        self.norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, 4 * width)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(4 * width, width)
        self.ego_projection = _projection(width)
        self.exo_projection = None if shared_projection else _projection(width)
        self.classifier = nn.Conv2d(width, classes * upscale**2, 1)
        self.prototype_projection = nn.Conv2d(width, width, 1)
        self.pixel_projection = nn.Conv2d(width, width, 1)

    def ego(self, parts: Tensor) -> View:
        """Return CAM, F̃ and F̂ of egocentric descriptors [B, D, h, w]."""
        x = self.ego_projection(self._mlp(parts))
        return View(self._classify(x), self.prototype_projection(x), self.pixel_projection(x))

    def exo(self, parts: Tensor) -> View:
        """Return CAM and F̃ of exocentric descriptors [B, D, h, w]; exocentric images have no pixel
        branch.
        """
        x = (self.exo_projection or self.ego_projection)(self._mlp(parts))
        return View(self._classify(x), self.prototype_projection(x), None)

    def cam(self, parts: Tensor) -> Tensor:
        """Return the egocentric CAM logits alone, all that inference needs."""
        return self._classify(self.ego_projection(self._mlp(parts)))

    def _classify(self, x: Tensor) -> Tensor:
        cells: Tensor = self.classifier(x)
        return F.pixel_shuffle(cells, self.upscale) if self.upscale > 1 else cells

    def _mlp(self, parts: Tensor) -> Tensor:
        batch, width, height, columns = parts.shape
        x = parts.flatten(2).transpose(1, 2)
        x = self.fc2(self.act(self.fc1(self.norm(x))))
        return x.transpose(1, 2).reshape(batch, width, height, columns)


def _projection(width: int) -> nn.Sequential:
    """Two times 3×3 convolution, batch norm, ReLU; the layer indices are those of the authors'
    checkpoints.
    """
    return nn.Sequential(
        nn.Conv2d(width, width, 3, padding=1),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
        nn.Conv2d(width, width, 3, padding=1),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
    )
