"""The pinhole camera: intrinsics of a rectified image and points from depth."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from selcon_ros.core.errors import CameraError, DepthError


@dataclass(frozen=True)
class Intrinsics:
    """Focal lengths and principal point in pixels, for an image of `width` x `height`.

    Pixel (0, 0) is the centre of the upper left pixel, as in ROS and OpenCV.
    Raises CameraError for a camera that is not calibrated (ROS writes zeros then).
    """

    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int

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

    def scaled(self, width: int, height: int) -> "Intrinsics":
        """Return the intrinsics of the same view resized (stretched) to `width` x `height`.

        Resizing keeps the image's corners, which lie half a pixel outside the corner pixels'
        centres: cx' = (cx + 0.5) s - 0.5.
        """
        if (width, height) == (self.width, self.height):
            return self
        sx, sy = width / self.width, height / self.height
        return Intrinsics(
            self.fx * sx, self.fy * sy, (self.cx + 0.5) * sx - 0.5, (self.cy + 0.5) * sy - 0.5, width, height
        )

    def project(self, point: NDArray[np.floating]) -> tuple[float, float]:
        """Return the pixel (u, v) of a point (x, y, z) in metres, optical frame, z > 0."""
        x, y, z = (float(value) for value in point)
        return self.fx * x / z + self.cx, self.fy * y / z + self.cy


def valid_depth(depth: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return where a depth image [H, W] in metres has a measurement: finite and above zero (REP 118)."""
    return np.isfinite(depth) & (depth > 0)


def deproject(
    depth: NDArray[np.float32], intrinsics: Intrinsics, origin: tuple[int, int] = (0, 0), step: int = 1
) -> NDArray[np.float32]:
    """Return the points [H, W, 3] float32 in metres, optical frame (x right, y down, z forward).

    `depth` [H, W] is in metres along the optical axis; where it is 0, negative, NaN or infinite the
    point is NaN. When it is a crop of the image, `origin` is the (u, v) of its first pixel; when only every
    `step`-th pixel, that is told here too. Raises DepthError when it reaches beyond the camera's image.
    """
    if depth.ndim != 2:
        raise DepthError(f"depth has shape {depth.shape}: it must be [height, width]")
    u = origin[0] + step * np.arange(depth.shape[1])
    v = origin[1] + step * np.arange(depth.shape[0])
    fits = min(origin) >= 0 and u[-1:].sum() < intrinsics.width and v[-1:].sum() < intrinsics.height
    if not fits:
        raise DepthError(
            f"depth of {depth.shape[1]}x{depth.shape[0]} at {origin}, step {step}, does not fit the camera's "
            f"{intrinsics.width}x{intrinsics.height} image"
        )
    z = np.where(valid_depth(depth), depth, np.float32(np.nan)).astype(np.float32, copy=False)
    rays_x = ((u - intrinsics.cx) / intrinsics.fx).astype(np.float32)
    rays_y = ((v - intrinsics.cy) / intrinsics.fy).astype(np.float32)
    points = np.empty((*depth.shape, 3), np.float32)
    np.multiply(z, rays_x, out=points[..., 0])
    np.multiply(z, rays_y[:, None], out=points[..., 1])
    points[..., 2] = z
    return points
