"""A part of a depth image as a surface: coordinates of its points, without a list of all points."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from selcon_ros.core.cameras.camera import Intrinsics
from selcon_ros.core.cameras.depth_points import valid_depth

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class DepthPatch:
    """Every `step`-th row and column of a depth image from a first pixel on.

    depth: [h, w] float32 in metres along the optical axis; it may be anything where it is not measured.
    measured: [h, w] where it is.
    x, y: x/z and y/z of the pixels' rays; [1, w] and [h, 1], or [h, w] where the lens distorts.
    """

    depth: Floats
    measured: Mask
    x: Floats
    y: Floats

    def along(self, direction: NDArray[np.floating]) -> Floats:
        """Return how far each point is from the camera along a direction [3]: [h, w] in metres."""
        dx, dy, dz = direction.tolist()
        reach: Floats = self.x * dx + (self.y * dy + dz)
        reach *= self.depth
        return reach

    def points(self, where: Mask) -> Floats:
        """Return the points [3, N] in metres, optical frame, of the pixels of a mask [h, w]."""
        at = where.ravel().nonzero()[0]
        v = at // where.shape[1]
        u = at - v * where.shape[1]
        z = self.depth.ravel().take(at)
        points = np.empty((3, len(z)), np.float32)
        np.multiply(z, self.x[0].take(u) if len(self.x) == 1 else self.x[v, u], out=points[0])
        np.multiply(z, self.y[:, 0].take(v) if self.y.shape[1] == 1 else self.y[v, u], out=points[1])
        points[2] = z
        return points

    def ray(self, v: int, u: int) -> tuple[float, float]:
        """Return x/z and y/z of the pixel in row v and column u."""
        x, y = self.x[min(v, len(self.x) - 1), u], self.y[v, min(u, self.y.shape[1] - 1)]
        return float(x), float(y)

    def box(self, rows: slice, columns: slice) -> "DepthPatch":
        """Return a part of it."""
        return DepthPatch(
            self.depth[rows, columns],
            self.measured[rows, columns],
            self.x[:, columns] if len(self.x) == 1 else self.x[rows, columns],
            self.y[rows] if self.y.shape[1] == 1 else self.y[rows, columns],
        )


def depth_patch(
    depth: Floats, intrinsics: Intrinsics, origin: tuple[int, int], step: int, shape: tuple[int, int]
) -> DepthPatch:
    """Return a part of a depth image [H, W] in metres, of `shape` (h, w) or less at the image's border.

    `origin` is its first pixel (u, v), of which every `step`-th row and column is kept.
    """
    (u, v), (height, width) = origin, shape
    rows, columns = slice(v, v + height * step, step), slice(u, u + width * step, step)
    # A float64 that is too large for a float32 is no measurement either.
    z = depth[rows, columns].astype(np.float32)
    x, y = intrinsics.grid_rays(rows, columns)
    measured = valid_depth(z)
    if intrinsics.distortion is not None:
        measured &= x == x
    return DepthPatch(z, measured, x, y)
