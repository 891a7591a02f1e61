"""The hot regions of a heatmap: where grasp points are sought."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from selcon_ros.core.grasps.grasp_result import PartMask, Refusal
from selcon_ros.core.grasps.warm_area import AnyHeatmap, WarmArea, WarmAreas, size_of, warm_areas
from selcon_ros.core.reason import Reason

# Regions looked at, largest first: a noisy map breaks into hundreds of specks.
MAX_REGIONS = 16
# A region's box with more than about this many pixels is looked at with fewer.
MAX_FULL_DETAIL_PIXELS = 20_000
# Hot pixels belong together if the heat between them stays above this share of the threshold: on a coarse
# map a slanting bar is a string of beads.
BRIDGE_SHARE = 0.8
# Share of the peak's heat above which a pixel belongs to the region's core.
CORE_SHARE = 0.8


@dataclass(frozen=True)
class Region:
    """A hot region, and a box around it with room for what the part belongs to.

    The box has `shape` (h, w) pixels, the first at `origin` (u, v): every `step`-th row and column, more than
    1 for a large one. `heat`, as a share of the peak, and `mask` [hi, wi] are of the `inner` rows and columns
    alone, outside of which there is nothing hot. `clipped`: the region touches the image border.
    """

    origin: tuple[int, int]
    step: int
    shape: tuple[int, int]
    inner: tuple[slice, slice]
    heat: NDArray[np.float32]
    mask: NDArray[np.bool_]
    mass: float
    clipped: bool

    @property
    def count(self) -> int:
        """How many pixels of the image it has, about."""
        return int(np.count_nonzero(self.mask)) * self.step**2

    def core(self, hot: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return the hottest of some hot pixels [hi, wi]."""
        heat = self.heat * hot
        core: NDArray[np.bool_] = heat >= CORE_SHARE * float(heat.max())
        return core

    def spread(self, hot: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return hot pixels [hi, wi] in the whole box [h, w]."""
        box = np.zeros(self.shape, np.bool_)
        box[self.inner] = hot
        return box

    def pixel(self, v: int, u: int) -> tuple[int, int]:
        """Return the image's pixel (u, v) of a row and a column of the box."""
        return self.origin[0] + self.step * u, self.origin[1] + self.step * v

    def part(self) -> PartMask:
        """Return the mask, and where it is in the image."""
        origin = self.pixel(self.inner[0].start, self.inner[1].start)
        return PartMask(origin, self.step, self.mask.copy())


def fourth_power(heat: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return heat to the power of four: so weighted, a region's peak and not its blurred skirt leads."""
    square = heat * heat
    return square * square


@dataclass(frozen=True)
class _Hot:
    """The pixels `mask` [h, w] above the threshold in a part of a warm area that are connected."""

    area: WarmArea
    mask: NDArray[np.bool_]
    count: int


def hot_mask(
    heatmap: AnyHeatmap, threshold: float, smoothing: float, min_contrast: float, min_points: int
) -> NDArray[np.bool_]:
    """Return the pixels [H, W] of the regions that `hot_regions` returns; none where it returns none."""
    mask = np.zeros(size_of(heatmap), np.bool_)
    found = _hot(heatmap, threshold, smoothing, min_contrast, min_points)
    for hot, _ in [] if isinstance(found, Refusal) else found:
        (height, width), top, left = hot.mask.shape, hot.area.top, hot.area.left
        mask[top : top + height, left : left + width] |= hot.mask
    return mask


def hot_regions(
    heatmap: AnyHeatmap, threshold: float, smoothing: float, min_contrast: float, min_points: int
) -> tuple[list[Region], list[Refusal]]:
    """Return a heatmap's regions above the threshold by falling mass, and why there are none.

    The arguments are those of `selcon_ros.core.grasps.grasp.GraspParameters`.
    """
    found = _hot(heatmap, threshold, smoothing, min_contrast, min_points)
    if isinstance(found, Refusal):
        return [], [found]
    return sorted((region for _, region in found), key=lambda region: -region.mass), []


def _hot(
    heatmap: AnyHeatmap, threshold: float, smoothing: float, min_contrast: float, min_points: int
) -> list[tuple[_Hot, Region]] | Refusal:
    """Return the hot regions, or why there are none."""
    warm = warm_areas(heatmap, smoothing, BRIDGE_SHARE * threshold)
    if not 0 < warm.peak < math.inf:
        return Refusal(Reason.FLAT, "the heatmap is flat")
    contrast = 1 - warm.mean / warm.peak
    if contrast < min_contrast:
        return Refusal(Reason.LOW_CONTRAST, f"contrast {contrast:.2f} is below {min_contrast:.2f}")
    found = [hot for area in warm.areas for hot in _connected(area, threshold * warm.peak)]
    found = sorted(found, key=lambda hot: -hot.count)[:MAX_REGIONS]
    regions = [(hot, _region(hot, warm)) for hot in found if hot.count >= min_points]
    # Between the rows and columns that are looked at a thin one may be missed.
    regions = [(hot, region) for hot, region in regions if region.count >= min_points]
    if not regions:
        largest = found[0].count
        why = "too thin to be looked at" if largest >= min_points else f"fewer than {min_points}"
        return Refusal(Reason.TOO_SMALL, f"the largest hot region has {largest} pixels, {why}")
    return regions


def _connected(area: WarmArea, threshold: float) -> list[_Hot]:
    """Return what is hotter than the threshold in a warm area, by what is connected by warm pixels."""
    warm = (area.heat >= BRIDGE_SHARE * threshold).view(np.uint8)
    left, top, width, height = cv2.boundingRect(warm)
    if width == 0:
        return []
    box = slice(top, top + height), slice(left, left + width)
    area = WarmArea(area.heat[box], area.top + top, area.left + left)
    count, labels = cv2.connectedComponents(warm[box], connectivity=8)
    mask = area.heat >= threshold
    if count == 2:
        return [_Hot(area, mask, int(np.count_nonzero(mask)))]
    labels *= mask
    counts = np.bincount(labels.ravel(), minlength=count)
    # A noisy map has hundreds.
    largest = (1 + np.argsort(-counts[1:], kind="stable")[:MAX_REGIONS]).tolist()
    return [_Hot(area, labels == label, int(counts[label])) for label in largest]


def _region(hot: _Hot, warm: WarmAreas) -> Region:
    """Return a hot region with room around it."""
    area, own = hot.area, hot.mask
    x, y, width, height = cv2.boundingRect(own.view(np.uint8))
    rows, columns = warm.size
    left, top = area.left + x, area.top + y
    clipped = min(left, top) == 0 or left + width == columns or top + height == rows
    margin = max(width, height) // 2 + 8
    u0, v0 = max(left - margin, 0), max(top - margin, 0)
    u1, v1 = min(left + width + margin, columns), min(top + height + margin, rows)
    step = max(1, round(math.sqrt((u1 - u0) * (v1 - v0) / MAX_FULL_DETAIL_PIXELS)))
    # The first column and row of the box that have something hot.
    i, j = -((u0 - left) // step), -((v0 - top) // step)
    inside = (
        slice(v0 + j * step - area.top, y + height, step),
        slice(u0 + i * step - area.left, x + width, step),
    )
    mask = own[inside]
    heat = area.heat[inside] / np.float32(warm.peak)
    inner = slice(j, j + mask.shape[0]), slice(i, i + mask.shape[1])
    # The sum of the fourth power, in one pass.
    square = heat * mask
    square *= square
    mass = step**2 * cv2.norm(square, cv2.NORM_L2SQR)
    shape = -((v0 - v1) // step), -((u0 - u1) // step)
    return Region((u0, v0), step, shape, inner, heat, mask, mass, clipped)
