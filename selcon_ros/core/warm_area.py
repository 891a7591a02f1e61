"""The part of a heatmap that is looked at: where the smoothed heat is not far below its peak."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from selcon_ros.core.heatmap import CoarseHeatmap, Heatmap
from selcon_ros.core.upsampling import axis, blur, box_of

AnyHeatmap = Heatmap | CoarseHeatmap


# More areas than this are taken as one.
MOST_AREAS = 16
_AROUND = np.ones((3, 3), np.uint8)


@dataclass(frozen=True)
class WarmArea:
    """A box of a smoothed heatmap: `heat` [h, w], whose first pixel is in row `top` and column `left`."""

    heat: NDArray[np.float32]
    top: int
    left: int


@dataclass(frozen=True)
class WarmAreas:
    """Boxes with all that is warm in a smoothed heatmap of an image of `size` (H, W), without what is warm in
    another one of them; `peak` and `mean` are the whole heatmap's.
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
    heat = blur(heatmap.values, smoothing)
    return WarmAreas([WarmArea(heat, 0, 0)], size_of(heatmap), float(heat.max()), cv2.mean(heat)[0])


def _of_cells(heatmap: CoarseHeatmap, smoothing: float, share: float) -> WarmAreas:
    cells, size = heatmap.cells, size_of(heatmap)
    rows, columns = (axis(n, pixels, smoothing) for n, pixels in zip(cells.shape, size, strict=True))
    mean = float(rows.mean @ cells @ columns.mean)
    # A pixel is as hot as its hottest cell at most; the peak at least as hot as a pixel at the hottest cell.
    j, i = divmod(int(cells.argmax()), cells.shape[1])
    some = rows.weights[rows.best[j]] @ cells @ columns.weights[columns.best[i]]
    warm = (cells >= min(share * float(some), float(cells[j, i]))).view(np.uint8)
    # Warm pixels beside each other are made of cells that are not farther apart than those of one pixel.
    apart = max(rows.widest, columns.widest) // 2
    count, labels = cv2.connectedComponents(cv2.dilate(warm, _AROUND, iterations=apart), connectivity=8)
    areas = []
    for label in range(1, count) if count <= MOST_AREAS else (0,):
        own = warm if label == 0 else warm * (labels == label)
        left, top, width, height = cv2.boundingRect(own)
        v, u = rows.pixels_of((top, top + height)), columns.pixels_of((left, left + width))
        areas.append(WarmArea(box_of(cells * (own >= warm), rows, columns, v, u), v[0], u[0]))
    return WarmAreas(areas, size, max(float(area.heat.max()) for area in areas), mean)
