"""The part of a heatmap that is looked at: where the smoothed heat is not far below its peak."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from selcon_ros.core.grounding.heatmap import CoarseHeatmap, Heatmap
from selcon_ros.core.grounding.upsampling import axis, blur, box_of, radius

AnyHeatmap = Heatmap | CoarseHeatmap


# More areas than this are taken as one.
MAX_AREAS = 16
_NEIGHBOURS = np.ones((3, 3), np.uint8)


@dataclass(frozen=True)
class WarmArea:
    """A box of a smoothed heatmap: `heat` [h, w], whose first pixel is in row `top` and column `left`."""

    heat: NDArray[np.float32]
    top: int
    left: int


@dataclass(frozen=True)
class WarmAreas:
    """Boxes with all that is warm in a smoothed heatmap of an image of `size` (H, W), without what is warm in
    another one of them. `peak` is the smoothed heatmap's, `mean` the heatmap's.
    """

    areas: list[WarmArea]
    size: tuple[int, int]
    peak: float
    mean: float


def size_of(heatmap: AnyHeatmap) -> tuple[int, int]:
    """Return the image's height and width."""
    if isinstance(heatmap, CoarseHeatmap):
        return heatmap.height, heatmap.width
    height, width = heatmap.values.shape
    return height, width


def warm_areas(heatmap: AnyHeatmap, smoothing: float, share: float) -> WarmAreas:
    """Return boxes with all pixels whose heat is at least `share` of its peak; what is connected is in one.

    The heat is smoothed by a Gaussian with a standard deviation of `smoothing` pixels.
    """
    if isinstance(heatmap, CoarseHeatmap):
        return _of_cells(heatmap, smoothing, share)
    return _of_pixels(heatmap.values, smoothing, share)


def _of_pixels(values: NDArray[np.float32], smoothing: float, share: float) -> WarmAreas:
    (rows, columns), mean = values.shape, cv2.mean(values)[0]
    if not math.isfinite(mean):
        return WarmAreas([], (rows, columns), math.nan, mean)
    _, most, _, (u, v) = cv2.minMaxLoc(values)
    around = radius(smoothing)
    # What is warm is near a pixel that is hot enough. The peak is at least as hot as the hottest, smoothed.
    top, left = max(v - around, 0), max(u - around, 0)
    some = blur(values[top : v + around + 1, left : u + around + 1], smoothing)[v - top, u - left]
    warm = (values >= min(share * float(some), most)).view(np.uint8)
    left, top, width, height = cv2.boundingRect(warm)
    v0, v1 = max(top - around, 0), min(top + height + around, rows)
    u0, u1 = max(left - around, 0), min(left + width + around, columns)
    # At the edge of a box that is not the image's the blur would mirror.
    top, left = max(v0 - around, 0), max(u0 - around, 0)
    heat = blur(values[top : v1 + around, left : u1 + around], smoothing)
    heat = heat[v0 - top : v1 - top, u0 - left : u1 - left]
    return WarmAreas([WarmArea(heat, v0, u0)], (rows, columns), float(heat.max()), mean)


def _of_cells(heatmap: CoarseHeatmap, smoothing: float, share: float) -> WarmAreas:
    cells, size = heatmap.cells, size_of(heatmap)
    rows, columns = (axis(n, pixels, smoothing) for n, pixels in zip(cells.shape, size, strict=True))
    mean = float(axis(len(cells), size[0]).mean @ cells @ axis(cells.shape[1], size[1]).mean)
    # A pixel is as hot as its hottest cell at most; the peak at least as hot as a pixel at the hottest cell.
    j, i = divmod(int(cells.argmax()), cells.shape[1])
    some = rows.weights[rows.best[j]] @ cells @ columns.weights[columns.best[i]]
    warm = (cells >= min(share * float(some), float(cells[j, i]))).view(np.uint8)
    # Warm pixels beside each other are made of cells that are not farther apart than those of one pixel.
    apart = max(rows.widest, columns.widest) // 2
    count, labels = cv2.connectedComponents(cv2.dilate(warm, _NEIGHBOURS, iterations=apart), connectivity=8)
    areas = []
    for label in range(1, count) if 2 < count <= MAX_AREAS else (0,):
        own = warm if label == 0 else warm * (labels == label)
        left, top, width, height = cv2.boundingRect(own)
        v, u = rows.pixels_of((top, top + height)), columns.pixels_of((left, left + width))
        some = cells if label == 0 else cells * (own >= warm)
        areas.append(WarmArea(box_of(some, rows, columns, v, u), v[0], u[0]))
    return WarmAreas(areas, size, max(float(area.heat.max()) for area in areas), mean)
