"""Depth images of simple solids with known surfaces, and heatmaps as blurred as a network's."""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import pytest

from selcon_ros.core.cameras.camera import Intrinsics
from selcon_ros.core.grounding.heatmap import Heatmap, upsample

CAMERA = Intrinsics(600.0, 600.0, 319.5, 239.5, 640, 480)
SHAPE = (480, 640)


@lru_cache(maxsize=4)
def rays(camera: Intrinsics = CAMERA) -> np.ndarray:
    """Return the viewing rays [H, W, 3] with z = 1; through a lens by OpenCV's undistortion."""
    u, v = np.meshgrid(np.arange(camera.width), np.arange(camera.height))
    if camera.distortion is not None:
        return undistorted(camera, np.stack([u, v], axis=-1))
    x, y = (u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy
    return np.stack([x, y, np.ones_like(x)], axis=-1)


def undistorted(camera: Intrinsics, pixels: np.ndarray) -> np.ndarray:
    """Return the viewing rays [..., 3] with z = 1 of pixels [..., 2] through a lens, by OpenCV, converged."""
    lens = camera.distortion
    if lens is None:
        plane = (pixels - [camera.cx, camera.cy]) / [camera.fx, camera.fy]
        return np.concatenate([plane, np.ones((*plane.shape[:-1], 1))], axis=-1)
    k = np.array([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]])
    flat = pixels.reshape(-1, 1, 2).astype(np.float64)
    many = (cv2.TERM_CRITERIA_COUNT + cv2.TERM_CRITERIA_EPS, 500, 1e-12)
    if lens.model == "equidistant":
        if "criteria" not in (cv2.fisheye.undistortPoints.__doc__ or ""):
            pytest.skip("this OpenCV gives up on a fisheye's rays too early to compare with")
        found = cv2.fisheye.undistortPoints(flat, k, np.array(lens.coefficients), criteria=many)
    else:
        # From 4.13 on undistortPoints takes the criteria, until then a function of its own.
        iterated = getattr(cv2, "undistortPointsIter", None)
        found = (
            iterated(flat, k, np.array(lens.coefficients), None, None, many)
            if iterated is not None
            else cv2.undistortPoints(flat, k, np.array(lens.coefficients), criteria=many)
        )
    return np.concatenate([found[:, 0], np.ones((len(found), 1))], axis=1).reshape(*pixels.shape[:-1], 3)


@dataclass
class Table:
    """A table seen at `tilt` radians from straight above, `distance` metres along the optical axis."""

    tilt: float = 0.7
    distance: float = 0.7

    @property
    def up(self) -> np.ndarray:
        return np.array([0.0, -np.sin(self.tilt), -np.cos(self.tilt)])

    @property
    def origin(self) -> np.ndarray:
        return np.array([0.0, 0.0, self.distance])

    def axes(self, yaw: float) -> np.ndarray:
        """Return columns [3, 3]: two directions in the table turned by `yaw`, and up."""
        right = np.array([1.0, 0.0, 0.0])
        away = np.cross(self.up, right)
        first = np.cos(yaw) * right + np.sin(yaw) * away
        return np.stack([first, np.cross(self.up, first), self.up], axis=1)

    def depth(self, camera: Intrinsics = CAMERA) -> np.ndarray:
        return (self.up @ self.origin) / (rays(camera) @ self.up)


def box_depth(
    centre: np.ndarray, axes: np.ndarray, size: np.ndarray, camera: Intrinsics = CAMERA
) -> np.ndarray:
    """Return the depth [H, W] of a box (infinite where the ray misses it)."""
    directions = rays(camera) @ axes
    start = -centre @ axes
    with np.errstate(divide="ignore", invalid="ignore"):
        first, second = (-size / 2 - start) / directions, (size / 2 - start) / directions
    enter = np.minimum(first, second).max(axis=-1)
    leave = np.maximum(first, second).min(axis=-1)
    return np.where((enter < leave) & (enter > 0), enter, np.inf)


def ring_depth(centre: np.ndarray, axes: np.ndarray, inner: float, outer: float) -> np.ndarray:
    """Return the depth [H, W] of a flat ring in the plane of the first two axes."""
    normal = axes[:, 2]
    depth = (normal @ centre) / (rays() @ normal)
    radius = np.linalg.norm(rays() * depth[..., None] - centre, axis=-1)
    return np.where((radius > inner) & (radius < outer) & (depth > 0), depth, np.inf)


def heat_of(mask: np.ndarray, confidence: float = 0.9, action: str = "hold") -> Heatmap:
    """Return a heatmap as coarse as a network's: the mask's share in each of 18 x 24 patches."""
    patches = cv2.resize(mask.astype(np.float32), (24, 18), interpolation=cv2.INTER_AREA)
    return Heatmap(action, upsample(patches, *mask.shape), confidence)


def matrix(orientation: tuple[float, float, float, float]) -> np.ndarray:
    """Return the rotation matrix [3, 3] of a quaternion (x, y, z, w)."""
    x, y, z, w = orientation
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def angle(first: np.ndarray, second: np.ndarray) -> float:
    """Return the angle between two lines in degrees, 0 to 90."""
    cosine = abs(first @ second) / np.linalg.norm(first) / np.linalg.norm(second)
    return float(np.degrees(np.arccos(min(1.0, cosine))))


def rectangle(u0: int, v0: int, u1: int, v1: int) -> np.ndarray:
    """Return the mask of a rectangle from pixel (u0, v0) to before (u1, v1)."""
    mask = np.zeros(SHAPE, bool)
    mask[v0:v1, u0:u1] = True
    return mask


def on(mask: np.ndarray, pixel: tuple[float, float]) -> bool:
    """Return whether the mask holds the pixel (u, v)."""
    return bool(mask[round(pixel[1]), round(pixel[0])])


def scene(
    table: Table, *solids: np.ndarray, camera: Intrinsics = CAMERA
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return the depth image of solids on a table, and where each is visible."""
    layers = np.stack([table.depth(camera), *solids])
    nearest = layers.argmin(axis=0)
    return layers.min(axis=0).astype(np.float32), [nearest == 1 + i for i in range(len(solids))]
