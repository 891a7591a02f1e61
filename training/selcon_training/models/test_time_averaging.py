"""Test-time averaging: the maps of the mirrored picture and of the picture at other sizes, in one network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from selcon_training.errors import EncoderError
from selcon_training.models.network import Network

MIN_SCALE, MAX_SCALE = 0.25, 4.0
NetworkT = TypeVar("NetworkT", bound=Network)


@dataclass(frozen=True)
class Averaging:
    """What CAM and affinity are averaged over; the default is the picture as it is.

    `flip`: the picture and its mirror image. `scales`: factors of the input size, each rounded to whole
    patches; time and memory grow with the sum of their squares. Raises EncoderError for bad scales.
    """

    flip: bool = False
    scales: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        object.__setattr__(self, "scales", tuple(float(scale) for scale in self.scales))
        if not self.scales or not all(MIN_SCALE <= scale <= MAX_SCALE for scale in self.scales):
            raise EncoderError(
                f"averaging scales must be factors of the input size from {MIN_SCALE} to {MAX_SCALE}, "
                f"for example 1.0 and 1.5, got {list(self.scales)}"
            )

    def changed(self, flip: bool | None, scales: Sequence[float] | None) -> Averaging:
        """Return it with these in place of its own, where they are not None; no scales change nothing."""
        return Averaging(self.flip if flip is None else flip, tuple(scales or self.scales))

    def record(self) -> dict[str, Any]:
        """Return the plain values that `Averaging(**values)` takes back."""
        return {"flip": self.flip, "scales": list(self.scales)}


NO_AVERAGING = Averaging()
"""The picture as it is."""


def averaged(net: Network, averaging: Averaging) -> nn.Module:
    """Return `net`, or a network around it that averages; its forward takes and gives what `net`'s does."""
    return net if averaging == NO_AVERAGING else Averaged(net, averaging)


class Averaged(nn.Module):
    """`net` seen through an averaging: CAM (after its activation) and affinity [B, C, h, w] on `net`'s map
    grid.

    All weights are shared with `net`; only position embeddings are resampled, once per scale, from those
    of its input size. Make it anew when `net` has learnt. Raises EncoderError where two scales come to the
    same size in whole patches.
    """

    def __init__(self, net: Network, averaging: Averaging) -> None:
        super().__init__()
        self.flip = averaging.flip
        self.map_grid, self.input_size = net.map_grid, net.input_size
        sizes = [_scaled_size(net, scale) for scale in averaging.scales]
        if len(set(sizes)) < len(sizes):
            raise EncoderError(
                f"averaging scales {list(averaging.scales)} of the input {net.input_size} come to the sizes "
                f"{sizes}: each must be another one, in whole patches"
            )
        self.nets = nn.ModuleList(net if size == net.input_size else resized(net, size) for size in sizes)
        self.sizes = sizes

    def forward(self, images: Tensor, text: Tensor | None = None) -> tuple[Tensor, ...]:
        """Return averaged maps [B, C, h, w] of normalised RGB images [B, 3, H, W], as many as `net` has."""
        views = zip(self.nets, self.sizes, strict=True)
        found = [self._seen_at(net, size, images, text) for net, size in views]
        return tuple(sum(maps) / len(maps) for maps in zip(*found, strict=True))

    def _seen_at(
        self, net: nn.Module, size: tuple[int, int], images: Tensor, text: Tensor | None
    ) -> list[Tensor]:
        asked = () if text is None else (text,)
        if size != self.input_size:
            images = F.interpolate(images, size, mode="bilinear", align_corners=False)
        if not self.flip:
            maps = list(net(images, *asked))
        else:
            found = net(torch.cat([images, images.flip(-1)]), *asked)
            # Not `chunk`: traced, it would keep the size of the example's batch.
            pairs = [each.reshape(2, -1, *each.shape[1:]) for each in found]
            maps = [(plain + mirrored.flip(-1)) / 2 for plain, mirrored in pairs]
        if size == self.input_size:
            return maps
        return [F.interpolate(each, self.map_grid, mode="bilinear", align_corners=False) for each in maps]


def resized(net: NetworkT, size: tuple[int, int]) -> NetworkT:
    """Return `net` for images of another (height, width), weights shared; raises as its `at_size`."""
    return cast(NetworkT, net.at_size(size))


def _scaled_size(net: Network, scale: float) -> tuple[int, int]:
    """Return the input size times `scale`, in whole steps of the network's (patches of both encoders)."""

    def side(axis: int) -> int:
        return max(1, round(net.input_size[axis] * scale / net.step[axis])) * net.step[axis]

    # A size between two steps, which some networks take, is as good as scale 1.
    return net.input_size if scale == 1.0 else (side(0), side(1))
