"""The hot regions of a heatmap: where grasp points are sought."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from selcon_ros.core import region_geometry as geometry
from selcon_ros.core.grasp_result import PartMask, Refusal
from selcon_ros.core.reason import Reason

# Regions looked at, largest first: a noisy map breaks into hundreds of specks.
MAX_REGIONS = 16
# A region's box with more than about this many pixels is looked at with fewer.
FULL_DETAIL = 20_000
# Hot pixels belong together if the heat between them stays above this share of the threshold: on a coarse
# map a slanting bar is a string of beads.
BRIDGE = 0.8


@dataclass(frozen=True)
class Region:
    """A hot region: `heat` [h, w] and `mask` [h, w] bool of a box around it with first pixel `origin` (u, v).

    The box leaves room for what the part belongs to. Of a large one only every `step`-th row and column
    is kept. `clipped`: the region touches the image border.
    """

    origin: tuple[int, int]
    step: int
    heat: NDArray[np.float32]
    mask: NDArray[np.bool_]
    mass: float
    clipped: bool

    def crop(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the region's pixels [h, w] of an image [H, W]."""
        (u0, v0), (height, width) = self.origin, self.mask.shape
        return image[v0 : v0 + height * self.step : self.step, u0 : u0 + width * self.step : self.step]

    def pixel(self, place: geometry.Place) -> tuple[int, int]:
        """Return the image's pixel (u, v) of a place of the region."""
        return self.origin[0] + self.step * place.u, self.origin[1] + self.step * place.v

    def part(self) -> PartMask:
        """Return the mask without the room around it."""
        left, top, width, height = cv2.boundingRect(self.mask.view(np.uint8))
        origin = (self.origin[0] + self.step * left, self.origin[1] + self.step * top)
        return PartMask(origin, self.step, self.mask[top : top + height, left : left + width].copy())


@dataclass(frozen=True)
class _Hot:
    """The smoothed `heat` [H, W], its `peak`, and the regions above the threshold: `labels` [h, w] in a box.

    The box begins at row `top` and column `left`; `order` has the labels of the regions that are large
    enough, largest first.
    """

    heat: NDArray[np.float32]
    peak: float
    labels: NDArray[np.int32]
    top: int
    left: int
    order: tuple[int, ...]


def hot_mask(
    values: NDArray[np.float32], threshold: float, smoothing: float, min_contrast: float, min_points: int
) -> NDArray[np.bool_]:
    """Return the pixels [H, W] of the regions that `hot_regions` returns; none where it returns none."""
    mask = np.zeros(values.shape, np.bool_)
    hot = _hot(values, threshold, smoothing, min_contrast, min_points)
    if isinstance(hot, _Hot):
        height, width = hot.labels.shape
        box = mask[hot.top : hot.top + height, hot.left : hot.left + width]
        box[:] = np.isin(hot.labels, hot.order)
    return mask


def hot_regions(
    values: NDArray[np.float32], threshold: float, smoothing: float, min_contrast: float, min_points: int
) -> tuple[list[Region], list[Refusal]]:
    """Return a heatmap's regions above the threshold by falling mass, and why there are none.

    The arguments are those of `selcon_ros.core.grasp.GraspParameters`.
    """
    hot = _hot(values, threshold, smoothing, min_contrast, min_points)
    if isinstance(hot, Refusal):
        return [], [hot]
    regions = [_region(hot, label) for label in hot.order]
    return sorted(regions, key=lambda region: -region.mass), []


def _hot(
    values: NDArray[np.float32], threshold: float, smoothing: float, min_contrast: float, min_points: int
) -> _Hot | Refusal:
    """Return the hot regions, or why there are none."""
    heat = values
    if smoothing > 0:
        side = 2 * math.ceil(2 * smoothing) + 1
        heat = np.empty_like(values)
        cv2.GaussianBlur(values, (side, side), smoothing, dst=heat)
    peak = float(heat.max())
    if not 0 < peak < math.inf:
        return Refusal(Reason.FLAT, "the heatmap is flat")
    contrast = 1 - cv2.mean(heat)[0] / peak
    if contrast < min_contrast:
        return Refusal(Reason.LOW_CONTRAST, f"contrast {contrast:.2f} is below {min_contrast:.2f}")
    warm = (heat >= BRIDGE * threshold * peak).view(np.uint8)
    left, top, width, height = cv2.boundingRect(warm)
    _, labels = cv2.connectedComponents(warm[top : top + height, left : left + width], connectivity=8)
    labels[heat[top : top + height, left : left + width] < threshold * peak] = 0
    areas = np.bincount(labels.ravel())
    areas[0] = 0
    largest = np.argsort(-areas, kind="stable")[:MAX_REGIONS]
    order = tuple(int(label) for label in largest if areas[label] >= min_points)
    if not order:
        text = f"the largest hot region has {int(areas[largest[0]])} pixels, fewer than {min_points}"
        return Refusal(Reason.TOO_SMALL, text)
    return _Hot(heat, peak, np.asarray(labels, np.int32), top, left, order)


def _region(hot: _Hot, label: int) -> Region:
    """Return one of the hot regions, with room around it."""
    all_rows, all_columns = hot.heat.shape
    own = hot.labels == label
    x, y, width, height = cv2.boundingRect(own.view(np.uint8))
    left, top = x + hot.left, y + hot.top
    clipped = min(left, top) == 0 or left + width == all_columns or top + height == all_rows
    margin = max(width, height) // 2 + 8
    u0, v0 = max(left - margin, 0), max(top - margin, 0)
    u1, v1 = min(left + width + margin, all_columns), min(top + height + margin, all_rows)
    step = max(1, round(math.sqrt((u1 - u0) * (v1 - v0) / FULL_DETAIL)))
    warmth = hot.heat[v0:v1:step, u0:u1:step]
    mask = np.zeros(hot.heat.shape, np.bool_)
    mask[hot.top : hot.top + own.shape[0], hot.left : hot.left + own.shape[1]] = own
    mask = mask[v0:v1:step, u0:u1:step]
    mass = step**2 * float(np.sum(geometry.fourth_power(warmth[mask] / hot.peak)))
    return Region((u0, v0), step, warmth, mask, mass, clipped)
