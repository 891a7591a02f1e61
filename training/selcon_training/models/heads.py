"""Trainable heads on the part descriptors (method.md §3)."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class HeadView(NamedTuple):
    """What the heads give for one view. `cam` [B, C, h, w] are logits (h and w times the heads' `upscale`);
    `prototype` and `pixel` [B, D, h, w] or None.
    """

    cam: Tensor
    prototype: Tensor | None
    pixel: Tensor | None


class TextClassifier(nn.Module):
    """A classifier whose weights are made of text features, so that it takes any action (not in the paper).

    The CAM of action c is scale · ⟨x, W t_c⟩ + bias with W, a positive scale and one bias for all actions
    learnt. t_c is the direction of text_c − mean(`text`), where `text` [C, d] are the frozen L2-normalised
    features of the class list's action prompts: what these have in common would add the same map to every
    action's CAM, which cross-entropy, comparing actions, does not see. With `cells` > 1 every patch gets that
    many values, each with a W of its own.
    """

    text: Tensor

    def __init__(self, text: Tensor, width: int, cells: int = 1) -> None:
        super().__init__()
        self.width, self.cells = width, cells
        # The network keeps the text features: they are in its state already.
        self.register_buffer("text", text.clone(), persistent=False)
        # As drawn by torch, ⟨x, W text⟩ starts about as small as a convolution's output.
        self.projection = nn.Linear(text.shape[1], width * cells, bias=False)
        self.log_scale = nn.Parameter(torch.zeros(()))
        self.bias = nn.Parameter(torch.zeros(1))

    def weights(self, text: Tensor) -> Tensor:
        """Return the rows [N * cells, D] of a 1×1 convolution for text features [N, d], action by action."""
        common = self.text.mean(0) if len(self.text) > 1 else torch.zeros_like(self.text[0])
        rows: Tensor = self.projection(F.normalize(text - common, dim=-1)) * self.log_scale.exp()
        return rows.reshape(-1, self.width)

    def forward(self, x: Tensor, text: Tensor | None = None) -> Tensor:
        """Return logits [B, N * cells, h, w] of features [B, D, h, w] for `text` [N, d], by default the class
        list's.
        """
        rows = self.weights(self.text if text is None else text)
        logits = rows @ x.flatten(2) + self.bias
        return logits.reshape(x.shape[0], -1, *x.shape[2:])

    def as_convolution(self) -> nn.Conv2d:
        """Return the ordinary 1×1 convolution that does the same for the class list."""
        with torch.no_grad():
            rows = self.weights(self.text)
            baked = nn.Conv2d(self.width, len(rows), 1)
            baked.weight.copy_(rows[:, :, None, None])
            assert baked.bias is not None
            baked.bias.copy_(self.bias.expand(len(rows)))
        return baked.to(rows.device)


class Heads(nn.Module):
    """Token-wise MLP, a projection per view, a shared classifier, and the two contrastive projections.

    `width` is the width D of the part descriptors, `classes` the number of actions C. `upscale` (1 in the
    paper) draws the CAM at that multiple of the patch grid: the classifier gives every patch upscale²
    cells (sub-pixel convolution, Shi et al. 2016). `shared_projection` (off in the paper) takes one
    projection for both views. With `text` [C, d] the classifier is a TextClassifier.
    """

    def __init__(
        self,
        width: int,
        classes: int,
        upscale: int = 1,
        shared_projection: bool = False,
        text: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.upscale = upscale
        self.norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, 4 * width)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(4 * width, width)
        self.ego_projection = _projection(width)
        self.exo_projection = None if shared_projection else _projection(width)
        self.classifier: nn.Conv2d | TextClassifier = (
            nn.Conv2d(width, classes * upscale**2, 1)
            if text is None
            else TextClassifier(text, width, upscale**2)
        )
        self.prototype_projection = nn.Conv2d(width, width, 1)
        self.pixel_projection = nn.Conv2d(width, width, 1)

    def ego(self, parts: Tensor) -> HeadView:
        """Return CAM, F̃ and F̂ of egocentric descriptors [B, D, h, w]."""
        x = self.ego_projection(self._mlp(parts))
        return HeadView(self._classify(x), self.prototype_projection(x), self.pixel_projection(x))

    def exo(self, parts: Tensor) -> HeadView:
        """Return CAM and F̃ of exocentric descriptors [B, D, h, w]; exocentric images have no pixel
        branch.
        """
        x = (self.exo_projection or self.ego_projection)(self._mlp(parts))
        return HeadView(self._classify(x), self.prototype_projection(x), None)

    def cam(self, parts: Tensor) -> Tensor:
        """Return the egocentric CAM logits alone, all that inference needs."""
        return self._classify(self.ego_projection(self._mlp(parts)))

    def cam_of(self, parts: Tensor, text: Tensor) -> Tensor:
        """Return the egocentric CAM logits [B, N, h, w] of the actions with text features `text` [N, d].

        Raises ValueError for a classifier that was not trained on text.
        """
        if not isinstance(self.classifier, TextClassifier):
            raise ValueError("a linear classifier knows its class list only")
        return self._shuffle(self.classifier(self.ego_projection(self._mlp(parts)), text))

    def _classify(self, x: Tensor) -> Tensor:
        return self._shuffle(self.classifier(x))

    def _shuffle(self, cells: Tensor) -> Tensor:
        return F.pixel_shuffle(cells, self.upscale) if self.upscale > 1 else cells

    def _mlp(self, parts: Tensor) -> Tensor:
        batch, width, height, columns = parts.shape
        x: Tensor = parts.flatten(2).transpose(1, 2)
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
