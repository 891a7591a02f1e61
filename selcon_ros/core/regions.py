"""The hot regions of a heatmap: where grasp points are sought."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from selcon_ros.core import region_geometry as geometry
from selcon_ros.core.grasp_result import Reason, Refusal

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


def hot_regions(
    values: NDArray[np.float32], threshold: float, smoothing: float, min_contrast: float, min_points: int
) -> tuple[list[Region], list[Refusal]]:
    """Return a heatmap's regions above the threshold by falling mass, and why there are none.

    The arguments are those of `selcon_ros.core.grasp.GraspParameters`.
    """
    heat = values
    if smoothing > 0:
        side = 2 * math.ceil(2 * smoothing) + 1
        heat = np.empty_like(values)
        cv2.GaussianBlur(values, (side, side), smoothing, dst=heat)
    peak = float(heat.max())
    if not 0 < peak < math.inf:
        return [], [Refusal(Reason.FLAT, "the heatmap is flat")]
    contrast = 1 - cv2.mean(heat)[0] / peak
    if contrast < min_contrast:
        text = f"contrast {contrast:.2f} is below {min_contrast:.2f}"
        return [], [Refusal(Reason.LOW_CONTRAST, text)]
    warm = (heat >= BRIDGE * threshold * peak).view(np.uint8)
    left, top, width, height = cv2.boundingRect(warm)
    box = warm[top : top + height, left : left + width]
    _, labels = cv2.connectedComponents(box, connectivity=8)
    labels[heat[top : top + height, left : left + width] < threshold * peak] = 0
    areas = np.bincount(labels.ravel())
    areas[0] = 0
    order = np.argsort(-areas, kind="stable")[:MAX_REGIONS]
    regions = []
    for label in order:
        if areas[label] < min_points:
            break
        x, y, width, height = cv2.boundingRect((labels == label).view(np.uint8))
        clipped = min(x + left, y + top) == 0 or (
            x + left + width == values.shape[1] or y + top + height == values.shape[0]
        )
        margin = max(width, height) // 2 + 8
        u0, v0 = max(x + left - margin, 0), max(y + top - margin, 0)
        u1 = min(x + left + width + margin, values.shape[1])
        v1 = min(y + top + height + margin, values.shape[0])
        step = max(1, round(math.sqrt((u1 - u0) * (v1 - v0) / FULL_DETAIL)))
        warmth = heat[v0:v1:step, u0:u1:step]
        mask = np.zeros(values.shape, np.bool_)
        mask[top : top + box.shape[0], left : left + box.shape[1]] = labels == label
        mask = mask[v0:v1:step, u0:u1:step]
        mass = step**2 * float(np.sum(geometry.fourth_power(warmth[mask] / peak)))
        regions.append(Region((u0, v0), step, warmth, mask, mass, clipped))
    if not regions:
        largest = int(areas[order[0]])
        text = f"the largest hot region has {largest} pixels, fewer than {min_points}"
        return [], [Refusal(Reason.TOO_SMALL, text)]
    return sorted(regions, key=lambda region: -region.mass), []
