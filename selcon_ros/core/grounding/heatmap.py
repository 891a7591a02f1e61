"""From the network's two maps to the heatmap of one action."""

import math
from dataclasses import dataclass, field
from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from selcon_ros.core.grounding.manifest import Calibration
from selcon_ros.core.grounding.upsampling import extremes
from selcon_ros.core.machine.reused_memory import ReusedMemory

_MEMORY = ReusedMemory()

# In quotes: at run time numpy takes subscripts from 1.22 on, and Humble has 1.21.
_Real = TypeVar("_Real", bound="np.floating[Any]")


@dataclass(frozen=True)
class Heatmap:
    """Where an image affords `action`.

    `values` [H, W] float32 is scaled to 0..1 whether or not the action is possible; `confidence` 0..1
    says whether it is (see `confidence.py`). A map without any contrast is all zero. `cells` [gh, gw] is
    what `values` was enlarged from, None where it was not: no pixel is hotter than the cells that it lies
    between. A copy with other values (`dataclasses.replace`) has none.
    """

    action: str
    values: NDArray[np.float32]
    confidence: float
    cells: NDArray[np.float32] | None = field(default=None, init=False, repr=False, compare=False)


@dataclass(frozen=True)
class CoarseHeatmap:
    """A heatmap before it is brought to the image's size: what grasp points are found in without that.

    `cells` [gh, gw] float32 are the map's cells that the image of `height` x `width` pixels covers: `scaled`.
    """

    action: str
    cells: NDArray[np.float32]
    height: int
    width: int
    confidence: float

    def upsampled(self) -> Heatmap:
        """Return the heatmap at the image's size (bilinear)."""
        values = _between_0_and_1(self.cells, self.height, self.width)
        heatmap = Heatmap(self.action, values, self.confidence)
        object.__setattr__(heatmap, "cells", self.cells)
        return heatmap


def minmax(maps: NDArray[_Real]) -> NDArray[_Real]:
    """Scale each map of [..., h, w] to 0..1 on its own; a constant map becomes 0."""
    low = maps.min(axis=(-2, -1), keepdims=True)
    span = maps.max(axis=(-2, -1), keepdims=True) - low
    scaled: NDArray[_Real] = (maps - low) / np.where(span > 0, span, maps.dtype.type(1))
    return scaled


def refine(
    cam: NDArray[np.float32], affinity: NDArray[np.float32] | None, calibration: Calibration, gamma: float
) -> NDArray[np.float32]:
    """Calibrate the class activation maps [..., h, w] with the object affinity maps (method.md §8).

    "continuous": minmax(affinity) * cam; "binarized": (minmax(affinity) > gamma) * cam; "none": cam, for
    which `affinity` may be None.
    """
    if calibration == "none":
        return cam
    assert affinity is not None
    weight = minmax(affinity)
    if calibration == "binarized":
        weight = (weight > gamma).astype(np.float32)
    return weight * cam


def soften(refined: NDArray[np.float32], smoothing: float, temperature: float) -> NDArray[np.float32]:
    """Blur and flatten refined maps [..., h, w] as `selcon tune` chose it; (0, 1) returns them as they are.

    `smoothing` is the standard deviation of a Gaussian in map cells, 0 for none; the blurred map is scaled
    to 0..1 and raised to the power 1 / `temperature`. The power keeps the order of the cells, so only
    the blur can move the peak.
    """
    if smoothing == 0 and temperature == 1:
        return refined
    soft = np.array(refined, np.float32)
    if smoothing > 0:
        side = 2 * math.ceil(3 * smoothing) + 1
        for each in soft.reshape(-1, *soft.shape[-2:]):
            # Mirrored at its border, the map loses no heat there.
            each[:] = cv2.GaussianBlur(each, (side, side), smoothing, borderType=cv2.BORDER_REFLECT)
    power: NDArray[np.float32] = minmax(soft) ** np.float32(1 / temperature)
    return power


def scaled(refined: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """Return one refined map [gh, gw] scaled so that its heatmap [height, width] reaches from 0 to 1.

    Where the image is less than twice as large as the map, the heatmap itself is returned: between its pixels
    a cell could be anything. A map without contrast becomes 0.
    """
    if min(height / refined.shape[0], width / refined.shape[1]) < 2:
        refined = _enlarged(refined, height, width)
    low, high = extremes(refined, height, width)
    if not high > low:
        return np.zeros(refined.shape, np.float32)
    cells: NDArray[np.float32] = (refined - np.float32(low)) / (np.float32(high) - np.float32(low))
    return cells


def upsample(refined: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """Return one refined map [gh, gw] as [height, width] float32 in 0..1 (bilinear, then min-max)."""
    return _between_0_and_1(scaled(refined, height, width), height, width)


def _between_0_and_1(cells: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """Return scaled cells at the image's size; a pixel is a sum of cells, which rounding may take too far."""
    values = _enlarged(cells, height, width)
    return np.clip(values, 0, 1, out=values)


def _enlarged(cells: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    values = _MEMORY.array(height, width)
    cv2.resize(
        np.ascontiguousarray(cells, np.float32), (width, height), dst=values, interpolation=cv2.INTER_LINEAR
    )
    return values
