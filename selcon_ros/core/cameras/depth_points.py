"""A depth image: what of it is measured, in metres, and its points in space."""

import numpy as np
from numpy.typing import NDArray

from selcon_ros.core.cameras.camera import Intrinsics
from selcon_ros.core.errors import DepthError

MIN_DEPTH, MAX_DEPTH = 0.005, 50.0
"""Depths in metres that are taken for measurements of what an arm could reach; others are not used."""
MIN_USABLE_SHARE = 0.05
"""Share of the measured depths that must be in that range, or their unit is another."""


def valid_depth(depth: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return where a depth image [H, W] in metres has a measurement that can be used (REP 118).

    Zero, negative, infinite and NaN are none; nor is what is nearer than MIN_DEPTH or farther than MAX_DEPTH.
    """
    measured: NDArray[np.bool_] = (depth >= MIN_DEPTH) & (depth <= MAX_DEPTH)
    return measured


def check_metres(depth: NDArray[np.float32], remedy: str) -> None:
    """Raise DepthError if a depth image [H, W] cannot be in metres: of what it measures, hardly any is valid.

    The `remedy` ends the message. An image that measures nothing passes.
    """
    measured = depth[:: max(1, depth.shape[0] // 64), :: max(1, depth.shape[1] // 64)]
    measured = measured[np.isfinite(measured) & (measured > 0)]
    if len(measured) == 0:
        measured = depth[np.isfinite(depth) & (depth > 0)]
    if np.count_nonzero(valid_depth(measured)) >= MIN_USABLE_SHARE * len(measured):
        return
    median = float(np.median(measured))
    guess = "millimetres read as metres?" if median > MAX_DEPTH else "metres read as a smaller unit?"
    raise DepthError(
        f"the median depth is {median:.3g} m, only {MIN_DEPTH} to {MAX_DEPTH:g} m are taken ({guess}): "
        f"{remedy}"
    )


def deproject(
    depth: NDArray[np.float32], intrinsics: Intrinsics, origin: tuple[int, int] = (0, 0), step: int = 1
) -> NDArray[np.float32]:
    """Return the points [H, W, 3] float32 in metres, optical frame (x right, y down, z forward).

    `depth` [H, W] is in metres along the optical axis; where it is no measurement (see `valid_depth`), or the
    lens images nothing, the point is NaN. When it is a crop of the image, `origin` is the (u, v) of its first
    pixel; when only every `step`-th pixel, that is told here too. Raises DepthError when it reaches beyond
    the camera's image.
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
    rays_x, rays_y = intrinsics.rays(u, v)
    points = np.empty((*depth.shape, 3), np.float32)
    np.multiply(z, rays_x, out=points[..., 0])
    np.multiply(z, rays_y, out=points[..., 1])
    points[..., 2] = z
    if intrinsics.distortion is not None:
        points[np.isnan(rays_x), 2] = np.nan
    return points
