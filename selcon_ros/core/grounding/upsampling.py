"""From a small map to pixels: each pixel is a weighted sum of the few cells around it.

OpenCV's bilinear interpolation and its Gaussian blur are both sums along rows, then along columns. Their
weights are worked out once for a size; any box of the image is then a product of small matrices.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Span = tuple[int, int]
"""The first of some rows or columns, and the one after the last."""

# Columns of a tile, and multiplications of one product at most: OpenBLAS divides larger products among
# threads, which then wait for more and take the time of a core.
TILE_COLUMNS = 128
MAX_PRODUCT_SIZE = 1 << 17


@dataclass(frozen=True)
class Axis:
    """How the pixels along one side of an image are made of cells.

    weights: [pixels, cells], none negative; each row's sum is 1.
    cells: [pixels, 2] the first of the cells that a pixel is made of, and the one after the last.
    pixels: [cells, 2] the same for the pixels that a cell is in.
    mean: [cells] the weights of the mean of all pixels.
    best: [cells] the pixel that a cell counts most in.
    widest: the most cells that a pixel is made of.
    ends: without smoothing, the pixels that are the first or the last of those between two cells: the one
        cell, the other, and the first one's weight, each [n].
    """

    weights: Floats
    cells: NDArray[np.intp]
    pixels: NDArray[np.intp]
    mean: Floats
    best: NDArray[np.intp]
    widest: int
    ends: tuple[NDArray[np.intp], NDArray[np.intp], Floats]

    def cells_of(self, span: Span) -> Span:
        """Return the cells that some pixels are made of."""
        return int(self.cells[span[0], 0]), int(self.cells[span[1] - 1, 1])

    def pixels_of(self, span: Span) -> Span:
        """Return the pixels that some cells are in."""
        return int(self.pixels[span[0], 0]), int(self.pixels[span[1] - 1, 1])


@lru_cache(maxsize=16)
def axis(cells: int, pixels: int, smoothing: float = 0.0) -> Axis:
    """Return the weights of so many cells along a side of so many pixels.

    `smoothing` is the standard deviation in pixels of a Gaussian blur, 0 for none; see `blur`.
    """
    weights = np.empty((pixels, cells), np.float32)
    cv2.resize(np.eye(cells, dtype=np.float32), (cells, pixels), dst=weights, interpolation=cv2.INTER_LINEAR)
    first = (weights > 0).argmax(axis=1)
    steps = np.flatnonzero(np.diff(first))
    at = np.union1d([0, pixels - 1], np.concatenate([steps, steps + 1])).astype(np.intp)
    ends = first[at], np.minimum(first[at] + 1, cells - 1), weights[at, first[at]]
    if smoothing > 0:
        cv2.GaussianBlur(weights.copy(), (1, 2 * radius(smoothing) + 1), smoothing, dst=weights)
    used = weights > 0
    own = _spans(used)
    widest = int((own[:, 1] - own[:, 0]).max())
    mean, best = weights.mean(axis=0), weights.argmax(axis=0)
    return Axis(weights, own, _spans(used.T), mean, best, widest, ends)


def _spans(used: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return the first place in each row [n, m] that is used, and the one after the last; [n, 2].

    A row of which nothing is used (a cell between the pixels of a small image) adds nothing to others.
    """
    some, count = used.any(axis=1), used.shape[1]
    first = np.where(some, used.argmax(axis=1), count)
    last = np.where(some, count - used[:, ::-1].argmax(axis=1), 0)
    return np.stack([np.minimum.accumulate(first[::-1])[::-1], np.maximum.accumulate(last)], axis=1)


def blur(values: Floats, smoothing: float) -> Floats:
    """Return an image [H, W] blurred by a Gaussian of that standard deviation in pixels, 0 for none."""
    if smoothing == 0:
        return values
    heat = np.empty(values.shape, np.float32)
    side = 2 * radius(smoothing) + 1
    cv2.GaussianBlur(values, (side, side), smoothing, dst=heat)
    return heat


def radius(smoothing: float) -> int:
    """Return how far around a pixel `blur` looks."""
    return math.ceil(2 * smoothing)


def box_of(cells: Floats, rows: Axis, columns: Axis, v: Span, u: Span) -> Floats:
    """Return the pixels of rows `v` and columns `u` of the image that `cells` [gh, gw] make."""
    values = np.empty((v[1] - v[0], u[1] - u[0]), np.float32)
    for left in range(u[0], u[1], TILE_COLUMNS):
        right = min(left + TILE_COLUMNS, u[1])
        own = slice(*columns.cells_of((left, right)))
        across = np.ascontiguousarray(columns.weights[left:right, own].T)
        high = max(1, MAX_PRODUCT_SIZE // across.size)
        for top in range(v[0], v[1], high):
            bottom = min(top + high, v[1])
            beside = slice(*rows.cells_of((top, bottom)))
            np.matmul(
                rows.weights[top:bottom, beside] @ cells[beside, own],
                across,
                out=values[top - v[0] : bottom - v[0], left - u[0] : right - u[0]],
            )
    return values


def extremes(cells: Floats, height: int, width: int) -> tuple[float, float]:
    """Return the least and the largest value of the image [height, width] that `cells` [gh, gw] make.

    Between four cells both are at a corner of the pixels there, so that only these are worked out.
    """
    for along, size in ((1, width), (0, height)):
        first, second, share = axis(cells.shape[along], size).ends
        near, cells = cells.take(first, along), cells.take(second, along)
        near -= cells
        near *= share if along == 1 else share[:, None]
        cells += near
    low, high, _, _ = cv2.minMaxLoc(cells)
    return low, high
