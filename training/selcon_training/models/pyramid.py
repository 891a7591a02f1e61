"""A convolutional network beside the paper's: an ImageNet backbone and a decoder of its feature pyramid.

The decoder goes from the coarsest feature map to the finest, which is that of a feature pyramid network (Lin
et al. 2017), with depthwise convolutions. It learns from truth maps alone and has no affinity.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from selcon_training.encoders.backbone import MIN_STRIDE, Backbone
from selcon_training.encoders.spec import EncoderSpec
from selcon_training.errors import EncoderError
from selcon_training.models.network import Network, Size, TruthView, class_list
from selcon_training.models.presence import Presence

TRAINABLE = ("upper", "all")
"""What of a backbone can train: the last half of its stages, or all but its stem."""


class Decoder(nn.Module):
    """From feature maps (fine to coarse) to logits on the grid of the finest.

    1×1 convolutions bring every feature map to `width` channels; from coarse to fine the one before is
    enlarged twice and added, and a depthwise 5×5 convolution follows. A depthwise 3×3 and a 1×1 convolution
    give the cells, of which `classifier` makes one logit per action.
    """

    def __init__(self, widths: Sequence[int], classes: int, width: int) -> None:
        super().__init__()
        self.width = width
        self.laterals = nn.ModuleList(nn.Conv2d(each, width, 1) for each in widths)
        self.smooth = nn.ModuleList(nn.Conv2d(width, width, 5, padding=2, groups=width) for _ in widths)
        self.last = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, groups=width), nn.Conv2d(width, width, 1), nn.ReLU()
        )
        self.classifier = nn.Conv2d(width, classes, 1)

    def cells(self, features: Sequence[Tensor]) -> Tensor:
        """Return the features [B, width, h, w] that the logits are made of."""
        levels = list(zip(features, self.laterals, self.smooth, strict=True))
        coarser: Tensor | None = None
        for feature, lateral, smooth in reversed(levels):
            own = lateral(feature)
            if coarser is not None:
                enlarged = F.interpolate(coarser, scale_factor=2.0, mode="nearest")
                own = own + _cropped(enlarged, own)
            coarser = F.relu(smooth(own))
        cells: Tensor = self.last(coarser)
        return cells


def _cropped(enlarged: Tensor, like: Tensor) -> Tensor:
    """Return a tensor without the last row or column that another one of half an odd size lacks."""
    # Whole numbers: an exported graph has no layer for what cuts nothing.
    height, width = (int(side) for side in like.shape[-2:])
    if [int(side) for side in enlarged.shape[-2:]] == [height, width]:
        return enlarged
    return enlarged[..., :height, :width]


class PyramidNet(Network):
    """A timm backbone with a `Decoder`: maps at a quarter of the input's size, for images of `input_size`.

    The backbone's batch norms keep their statistics whatever trains (see `learn`). `forward` gives the CAM
    after a sigmoid. With `presence`, which is fitted to a finished network, the CAM of each action is
    multiplied by how likely the image affords it: the heatmap, scaled to its peak, stays the same, unless
    it is averaged over views. Raises EncoderError for an input size that does not fit the backbone.
    """

    presence: Presence | None

    def __init__(self, backbone: Backbone, actions: Sequence[str], input_size: Size, width: int = 96) -> None:
        super().__init__()
        self.actions = class_list(actions)
        self.normalisation = backbone.normalisation
        self.backbone = backbone
        self.heads = Decoder(backbone.widths, len(self.actions), width)
        self.presence = None
        self._set_size(input_size)
        self.learn(())

    @property
    def device(self) -> torch.device:
        device: torch.device = next(self.heads.parameters()).device
        return device

    @property
    def encoders(self) -> dict[str, tuple[str, EncoderSpec | None]]:
        return {"backbone": (self.backbone.name, self.backbone.spec)}

    @property
    def step(self) -> Size:
        coarsest = self.backbone.strides[-1]
        return coarsest, coarsest

    def learn(self, encoders: Sequence[str]) -> None:
        """Freeze the backbone, or let its last half of stages ("upper") or all but its stem ("all") train."""
        if len(encoders) > 1 or not set(encoders) <= set(TRAINABLE):
            raise EncoderError(f"of a backbone one of {', '.join(TRAINABLE)} trains, not {list(encoders)}")
        self.learning = tuple(encoders)
        self.backbone.requires_grad_(False)
        if "upper" in encoders:
            stages = self.backbone.stages(self.input_size)
            for parameter in itertools.chain(*stages[len(stages) // 2 :]):
                parameter.requires_grad_(True)
        if "all" in encoders:
            self.backbone.requires_grad_(True)
            for parameter in self.backbone.stem():
                parameter.requires_grad_(False)

    def learning_parts(self, encoders: Sequence[str]) -> list[str]:
        return ["heads", "backbone"] if encoders else ["heads"]

    def training_mode(self, encoders: Sequence[str]) -> None:
        self.train()

    def train(self, mode: bool = True) -> PyramidNet:
        """Set the mode of the decoder; the backbone stays in evaluation mode."""
        super().train(mode)
        self.backbone.eval()
        return self

    def to_channels_last(self) -> None:
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def cells(self, images: Tensor, frozen: bool = False) -> Tensor:
        """Return the decoder's features [B, width, h, w] of normalised RGB images [B, 3, H, W]; if `frozen`,
        no gradients flow into the backbone.
        """
        learning = bool(self.learning) and not frozen
        with torch.set_grad_enabled(torch.is_grad_enabled() and learning):
            features = self.backbone(images)
        cells: Tensor = self.heads.cells(features)
        return cells

    def logits(self, images: Tensor) -> Tensor:
        logits: Tensor = self.heads.classifier(self.cells(images))
        return logits

    def truth_view(self, images: Tensor, affinity: bool, frozen: bool = False) -> TruthView:
        cells = self.cells(images, frozen)
        return TruthView(self.heads.classifier(cells), None, cells)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return the CAM [B, C, h, w], 0..1, alone in a tuple."""
        features = self.backbone(images)
        cells = self.heads.cells(features)
        cam = self.heads.classifier(cells).sigmoid()
        if self.presence is not None:
            cam = cam * self.presence(cam, cells, features[-1]).sigmoid()
        return (cam,)

    @property
    def coarsest_stride(self) -> int:
        """How many cells of a row lie in one of the coarsest features'."""
        return self.backbone.strides[-1] // MIN_STRIDE

    def new_presence(self, record: Mapping[str, Any]) -> Presence:
        """Return a presence that is not fitted yet, for this network; see `Presence`."""
        sizes = (self.heads.width, self.backbone.widths[-1], self.coarsest_stride, len(self.actions))
        return Presence(*sizes, record)

    def at_size(self, size: Size) -> PyramidNet:
        shared = {id(tensor): tensor for tensor in itertools.chain(self.parameters(), self.buffers())}
        other = copy.deepcopy(self, shared)
        other._set_size(size)
        return other

    def description(self) -> dict[str, Any]:
        return {
            "network": "pyramid",
            "actions": self.actions,
            "input_size": list(self.input_size),
            "width": self.heads.width,
            "backbone": self.backbone.spec.as_dict(),
            "normalisation": {
                "mean": list(self.normalisation.mean),
                "std": list(self.normalisation.std),
            },
            "learning": list(self.learning),
            **({"earlier": dict(self.earlier)} if self.earlier else {}),
        }

    def stored(self) -> Mapping[str, Tensor]:
        return self.state_dict()

    def _set_size(self, size: Size) -> None:
        self.backbone.check_input_size(size)
        self.input_size = (int(size[0]), int(size[1]))
        self.map_grid = (self.input_size[0] // MIN_STRIDE, self.input_size[1] // MIN_STRIDE)


@torch.no_grad()
def between(first: PyramidNet, second: PyramidNet, share: float) -> PyramidNet:
    """Set the weights of `second` to first + share · (second - first), and return it.

    A network that was trained on keeps more of what it knew elsewhere part of the way back to where it began
    (Wortsman et al. 2022, "Robust fine-tuning of zero-shot models", WiSE-FT).
    """
    start = first.state_dict()
    for name, value in second.state_dict().items():
        if value.is_floating_point():
            value.copy_(torch.lerp(start[name], value, share))
    return second
