"""The plane (a table, a wall) that a part stands on, and what rises from it."""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from selcon_ros.core.cameras.camera import Intrinsics
from selcon_ros.core.cameras.depth_patch import DepthPatch, depth_patch
from selcon_ros.core.grasps.regions import Region
from selcon_ros.core.grasps.vectors import dot, principal

Mask = NDArray[np.bool_]
Floats = NDArray[np.float32]

# Share of the core that must rise above the table for the table to be cut away.
MIN_RISING_SHARE = 0.2
# Pixels along a side that the table's plane is sought in, and planes tried.
SAMPLES = 24
TRIALS = 48
# Fewest points that a plane is sought in.
MIN_POINTS = 10
# Pixels around a region's box that are looked at for the table, too.
MARGIN_PIXELS = 10
# Share of the samples that must lie on a plane for it to be called a table.
MIN_SUPPORT_SHARE = 0.3
# Most points that a product with all trial planes takes: see `upsampling.MAX_PRODUCT_SIZE`.
POINTS_AT_ONCE = 512

_NEXT, _LAST = np.array([1, 2, 0]), np.array([2, 0, 1])


@dataclass(frozen=True)
class Plane:
    """The points p with `normal` · p = `offset` in metres, `normal` [3] towards the camera; a point within
    `tolerance` metres of it belongs to it."""

    normal: NDArray[np.float64]
    offset: float
    tolerance: float


def surroundings(depth: Floats, intrinsics: Intrinsics, region: Region) -> Floats:
    """Return points [3, N] on a coarse grid over a region's box in the depth image [H, W] and around it."""
    height, width = region.shape[0] * region.step, region.shape[1] * region.step
    u0, v0 = max(region.origin[0] - MARGIN_PIXELS, 0), max(region.origin[1] - MARGIN_PIXELS, 0)
    u1, v1 = region.origin[0] + width + MARGIN_PIXELS, region.origin[1] + height + MARGIN_PIXELS
    sparse = max(1, max(width, height) // SAMPLES)
    shape = -((v0 - v1) // sparse), -((u0 - u1) // sparse)
    patch = depth_patch(depth, intrinsics, (u0, v0), sparse, shape)
    return patch.points(patch.measured)


def support(points: Floats, height: float) -> Plane | None:
    """Return the plane most points [3, N] lie on, or None; things rise from it by `height` metres.

    RANSAC with a fixed seed, so that equal images give equal answers, then least squares.
    """
    count = points.shape[1]
    if count < MIN_POINTS:
        return None
    # Half of the way up: the median, or the upper one of two.
    tolerance = height * max(1.0, float(np.partition(points[2], count // 2)[count // 2])) ** 2
    votes, near = _most_votes(points, _triples(count), tolerance)
    if votes < max(MIN_SUPPORT_SHARE * count, 3):
        return None
    found = principal(points.compress(near, axis=1))
    # The camera is at the origin: a normal that points to it makes the plane's offset negative.
    offset = dot(found.axes[2], found.centre)
    side = 1 if offset < 0 else -1
    return Plane(np.array(found.axes[2]) * side, offset * side, tolerance)


def _most_votes(points: Floats, triples: NDArray[np.int64], tolerance: float) -> tuple[int, Mask]:
    """Return how many points [3, N] are near the best of the planes through `triples`, and which."""
    a, b, c = points.take(triples, axis=1).transpose(1, 0, 2)
    b -= a
    c -= a
    normals = b[_NEXT] * c[_LAST] - b[_LAST] * c[_NEXT]
    # How far points near a plane are from it, times the length of its normal: 0 where three points are on a
    # line and have no plane, so that no point is near it.
    limits = tolerance * np.sqrt((normals * normals).sum(axis=0))
    distances = np.empty((TRIALS, points.shape[1]), np.float32)
    for first in range(0, points.shape[1], POINTS_AT_ONCE):
        some = slice(first, first + POINTS_AT_ONCE)
        np.matmul(normals.T, points[:, some], out=distances[:, some])
    distances -= (normals * a).sum(axis=0)[:, None]
    near = np.abs(distances, out=distances) < limits[:, None]
    votes = cv2.reduce(near.view(np.uint8), 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S)
    best = int(votes.argmax())
    return int(votes[best, 0]), near[best]


@lru_cache(maxsize=1024)
def _triples(count: int) -> NDArray[np.int64]:
    """Return the indices [3, TRIALS] of points, of `count`, that planes are laid through."""
    triples: NDArray[np.int64] = np.random.default_rng(0).integers(0, count, (TRIALS, 3)).T
    return triples


def above_support(patch: DepthPatch, region: Region, hot: Mask, plane: Plane | None) -> Mask | None:
    """Return the pixels [h, w] of what rises above the plane that the hot part of a region's box lies on.

    None if there is no plane, or if the core of the heat, where `hot` [hi, wi] is true, does not rise above
    it: the part may itself be flat.
    """
    if plane is None:
        return None
    rising: Mask = patch.along(plane.normal) > plane.offset + plane.tolerance
    rising &= patch.measured
    core = region.core(hot)
    if np.count_nonzero(rising[region.inner] & core) < MIN_RISING_SHARE * np.count_nonzero(core):
        return None
    return rising
