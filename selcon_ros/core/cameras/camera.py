"""The camera: intrinsics, with the lens's distortion where the image has it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from selcon_ros.core.cameras.distortion import Distortion
from selcon_ros.core.errors import CameraError

Floats = NDArray[np.float32]

MAX_SIDE_PIXELS = 16384
"""Pixels. A larger image is no camera's."""
MAX_RAY_SLOPE = 1000.0
"""Largest x/z or y/z of a pixel's ray: less than a thousandth short of 90 degrees off the optical axis."""
MAX_SKEW_PIXELS = 1.0
"""Pixels that are nothing to speak of: some calibrations have a trace of skew."""


@dataclass(frozen=True)
class Intrinsics:
    """Focal lengths and principal point in pixels, for an image of `width` x `height`.

    Pixel (0, 0) is the centre of the upper left pixel, as in ROS and OpenCV. An image that is not rectified
    has its lens's `distortion`.
    Raises CameraError for a camera that is not calibrated (ROS writes zeros then).
    """

    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int
    distortion: Distortion | None = None

    def __post_init__(self) -> None:
        for name in ("fx", "fy", "cx", "cy"):
            value = getattr(self, name)
            if not math.isfinite(value):
                raise CameraError(f"camera {name} is {value}: it must be finite; calibrate the camera")
        if self.fx <= 0 or self.fy <= 0:
            raise CameraError(
                f"the camera is not calibrated: fx = {self.fx:g}, fy = {self.fy:g} must be positive"
            )
        if self.width <= 0 or self.height <= 0:
            raise CameraError(f"camera size is {self.width}x{self.height}: both must be positive")
        for axis, focal, centre, size in (
            ("x", self.fx, self.cx, self.width),
            ("y", self.fy, self.cy, self.height),
        ):
            if not max(abs(centre), abs(size - centre)) <= MAX_RAY_SLOPE * focal:
                raise CameraError(
                    f"camera f{axis} = {focal:g} and c{axis} = {centre:g} do not belong to an image of "
                    f"{self.width}x{self.height}: it would look sideways; use the camera's own calibration"
                )

    def scaled(self, width: int, height: int) -> "Intrinsics":
        """Return the intrinsics of the same view resized (stretched) to `width` x `height`.

        Resizing keeps the image's corners, which lie half a pixel outside the corner pixels'
        centres: cx' = (cx + 0.5) s - 0.5.
        """
        if (width, height) == (self.width, self.height):
            return self
        sx, sy = width / self.width, height / self.height
        return replace(
            self,
            fx=self.fx * sx,
            fy=self.fy * sy,
            cx=(self.cx + 0.5) * sx - 0.5,
            cy=(self.cy + 0.5) * sy - 0.5,
            width=width,
            height=height,
        )

    def part(self, region: tuple[int, int, int, int], binning: tuple[int, int] = (1, 1)) -> "Intrinsics":
        """Return the intrinsics of a region (u, v, width, height) of the whole image, then binned (x, y).

        As in sensor_msgs/CameraInfo: a width or height of 0 is the whole image's, a binning of 0 is 1.
        Raises CameraError for a region that is not within the image.
        """
        u, v, width, height = region[0], region[1], region[2] or self.width, region[3] or self.height
        if min(u, v) < 0 or u + width > self.width or v + height > self.height:
            raise CameraError(
                f"the region of interest, {width} x {height} at ({u}, {v}), is not within the camera's "
                f"{self.width} x {self.height} image: width and height must be those of the whole image, "
                "before binning"
            )
        x, y = max(1, binning[0]), max(1, binning[1])
        # A pixel's centre has a whole number: binning moves the principal point by half a pixel's growth.
        # Distortion is a matter of rays, which both leave as they are.
        return replace(
            self,
            fx=self.fx / x,
            fy=self.fy / y,
            cx=(self.cx - u + 0.5) / x - 0.5,
            cy=(self.cy - v + 0.5) / y - 0.5,
            width=width // x,
            height=height // y,
        )

    def check_whole(self) -> None:
        """Raise CameraError if no camera's whole image, before binning or cropping, can have these numbers.

        Focal lengths are from a twentieth of the longer side (a fisheye has a third) to a hundred times
        that (a telescope). The principal point is in the image or at most five longer sides outside, for
        sensors that are cropped without saying so. It is not at (0, 0): there it was never set.
        """
        remedy = "calibrate the camera again, or use its own calibration"
        longer = max(self.width, self.height)
        if longer > MAX_SIDE_PIXELS:
            raise CameraError(
                f"the camera's size is {self.width}x{self.height}: at most {MAX_SIDE_PIXELS} are taken; "
                f"{remedy}"
            )
        for name, value in (("fx", self.fx), ("fy", self.fy)):
            if not longer / 20 <= value <= longer * 100:
                raise CameraError(
                    f"camera {name} is {value:g}: for an image of {self.width}x{self.height} it must be from "
                    f"{longer / 20:g} to {longer * 100}; {remedy}"
                )
        if self.cx == 0 and self.cy == 0:
            raise CameraError(f"camera cx and cy are 0, the image's corner: {remedy}")
        for name, value, size in (("cx", self.cx, self.width), ("cy", self.cy, self.height)):
            if not -5 * longer <= value <= size + 5 * longer:
                raise CameraError(
                    f"camera {name} is {value:g}: for an image of {self.width}x{self.height} it must be from "
                    f"{-5 * longer} to {size + 5 * longer}; {remedy}"
                )

    def rays(self, u: NDArray[np.integer], v: NDArray[np.integer]) -> tuple[Floats, Floats]:
        """Return x/z and y/z, float32, of the viewing rays of the pixels in columns u [W] and rows v [H].

        Without distortion they are [W] and [H, 1], otherwise [H, W], NaN where the lens images nothing.
        """
        if self.distortion is None:
            x, y = (u - self.cx) / self.fx, (v - self.cy) / self.fy
            return x.astype(np.float32), y.astype(np.float32)[:, None]
        rays = _ray_map(self).of(u, v)
        return rays[..., 0], rays[..., 1]

    def grid_rays(self, rows: slice, columns: slice) -> tuple[Floats, Floats]:
        """Return `rays` of some of the image's rows and columns, [1, W] and [H, 1] without distortion.

        The arrays may be shared: they are not to be written to.
        """
        if self.distortion is None:
            x, y = _pinhole_rays(self)
            return x[:, columns], y[rows]
        u, v = range(self.width)[columns], range(self.height)[rows]
        return self.rays(np.arange(u.start, u.stop, u.step), np.arange(v.start, v.stop, v.step))

    def focal_length_at(self, u: int, v: int) -> float:
        """Return the focal length in pixels at a pixel: at depth z its neighbours are up to z / f apart."""
        if self.distortion is None:
            return min(self.fx, self.fy)
        left, top = max(u - 1, 0), max(v - 1, 0)
        x, y = self.rays(np.arange(left, min(u + 2, self.width)), np.arange(top, min(v + 2, self.height)))
        across, down = (np.hypot(np.diff(x, axis=axis), np.diff(y, axis=axis)) for axis in (1, 0))
        spaces = np.concatenate([across[v - top], down[:, u - left]])
        spaces = spaces[np.isfinite(spaces) & (spaces > 0)]
        return 1 / float(spaces.max()) if len(spaces) else min(self.fx, self.fy)

    def project(self, point: Sequence[float] | NDArray[np.floating]) -> tuple[float, float]:
        """Return the pixel (u, v) of a point (x, y, z) in metres, optical frame, z > 0.

        NaN where the lens does not image it.
        """
        x, y, z = (float(value) for value in point)
        if self.distortion is None:
            return self.fx * x / z + self.cx, self.fy * y / z + self.cy
        x, y = (float(value) for value in self.distortion.distort(np.array([x / z, y / z])))
        return self.fx * x + self.cx, self.fy * y + self.cy


def pinhole(matrix: Sequence[float], name: str, order: str = "row by row") -> tuple[float, ...]:
    """Return fx, fy, cx, cy of a camera matrix, K [9] or P [12], row by row; P's last column does not count.

    Raises CameraError, naming it and the `order` in which its source has it, for one with skew, and for one
    in the other order: the principal point then stands in the last row.
    """
    columns = len(matrix) // 3
    (fx, skew, cx), (low, fy, cy), last = (matrix[row * columns : row * columns + 3] for row in range(3))
    if not (abs(skew) <= MAX_SKEW_PIXELS and np.allclose((low, *last[:2]), 0, atol=1e-6)):
        raise CameraError(
            f"{name} is {[f'{value:g}' for value in matrix]}: it must be fx 0 cx, 0 fy cy, 0 0 1, {order}, "
            "without skew"
        )
    return fx, fy, cx, cy


class _RayMap:
    """The rays of a camera with distortion [H, W, 2], worked out once, tile by tile as they are asked for."""

    TILE = 64
    # Tiles that are worked out at a time: a large image must not wait for all of them.
    AT_ONCE = 32

    def __init__(self, camera: Intrinsics) -> None:
        self._camera = camera
        self._rays = np.empty((camera.height, camera.width, 2), np.float32)
        self._done = np.zeros((-(-camera.height // self.TILE), -(-camera.width // self.TILE)), np.bool_)

    def of(self, u: NDArray[np.integer], v: NDArray[np.integer]) -> Floats:
        """Return the rays [h, w, 2] of columns u [w] and rows v [h]."""
        if len(u) == 0 or len(v) == 0:
            return np.empty((len(v), len(u), 2), np.float32)
        top, left = int(v[0]) // self.TILE, int(u[0]) // self.TILE
        asked = self._done[top : int(v[-1]) // self.TILE + 1, left : int(u[-1]) // self.TILE + 1]
        missing = np.argwhere(~asked)
        for row, column in missing[: self.AT_ONCE]:
            v0, u0 = (top + int(row)) * self.TILE, (left + int(column)) * self.TILE
            v1, u1 = min(v0 + self.TILE, self._camera.height), min(u0 + self.TILE, self._camera.width)
            self._rays[v0:v1, u0:u1] = self._work_out(np.arange(u0, u1), np.arange(v0, v1))
            self._done[v0 // self.TILE, u0 // self.TILE] = True
        if len(missing) > self.AT_ONCE:
            return self._work_out(u, v)
        rays: Floats = self._rays[v[:, None], u]
        return rays

    def _work_out(self, u: NDArray[np.integer], v: NDArray[np.integer]) -> Floats:
        camera = self._camera
        assert camera.distortion is not None
        plane = np.meshgrid((u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy)
        return camera.distortion.undistort(np.stack(plane, axis=-1)).astype(np.float32)


@lru_cache(maxsize=2)
def _ray_map(camera: Intrinsics) -> _RayMap:
    return _RayMap(camera)


@lru_cache(maxsize=4)
def _pinhole_rays(camera: Intrinsics) -> tuple[Floats, Floats]:
    """Return x/z [1, W] and y/z [H, 1] of all columns and rows of a camera without distortion."""
    x, y = camera.rays(np.arange(camera.width), np.arange(camera.height))
    x.flags.writeable = y.flags.writeable = False
    return x[None], y
