"""Lens distortion: from the ray of a point to its place in the raw image, and back."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from selcon_ros.core.errors import CameraError
from selcon_ros.core.text import quoted

Floats = NDArray[np.float64]

COEFFICIENT_COUNTS = {"plumb_bob": (4, 5), "rational_polynomial": (8, 12, 14), "equidistant": (4,)}
"""The models that are known, and how many coefficients each may have."""
MODEL_BY_COUNT = {
    number: model for model in ("plumb_bob", "rational_polynomial") for number in COEFFICIENT_COUNTS[model]
}
"""OpenCV's pinhole models: a shorter list is the beginning of a longer one, so numbers tell them apart."""
ALIASES = {"fisheye": "equidistant"}
"""Other names in use for a model."""
# Radii of rays at which a lens is tabulated: evenly in angle, up to just under 90 degrees off the axis.
RAY_RADII = np.tan(np.linspace(0.0, math.radians(89.9), 2048))
# Newton steps at most, and how near a ray's image must come to its pixel, in units of the focal length.
MAX_NEWTON_STEPS = 12
NEWTON_TOLERANCE = 1e-8


@dataclass(frozen=True)
class Distortion:
    """How a lens bends rays, by a model of `sensor_msgs/distortion_models` and its coefficients.

    plumb_bob (k1 k2 p1 p2 [k3]) and rational_polynomial (k1 k2 p1 p2 k3 k4 k5 k6 [s1 s2 s3 s4 [tx ty]]) are
    OpenCV's pinhole models, equidistant (k1 k2 k3 k4) its fisheye model (OpenCV, "Camera Calibration and 3D
    Reconstruction"). A ray is x/z, y/z; its place in the image is (u - cx) / fx, (v - cy) / fy.
    Raises CameraError for another model, another number of coefficients, and ones that are not finite.
    """

    model: str
    coefficients: tuple[float, ...]

    def __post_init__(self) -> None:
        remedy = "calibrate the camera again with a known model, or use the rectified image"
        numbers = COEFFICIENT_COUNTS.get(self.model)
        if numbers is None:
            raise CameraError(
                f"the lens distortion model {quoted(self.model)} is not known, only "
                f"{', '.join(COEFFICIENT_COUNTS)}: {remedy}"
            )
        if len(self.coefficients) not in numbers:
            raise CameraError(
                f"the lens distortion model {self.model} has {len(self.coefficients)} coefficients, not "
                f"{' or '.join(str(number) for number in numbers)}: {remedy}"
            )
        for value in self.coefficients:
            if not math.isfinite(value):
                raise CameraError(f"a coefficient of the lens distortion {self.model} is {value}: {remedy}")
        for angle in self.coefficients[12:14]:
            if abs(angle) >= math.pi / 2:
                raise CameraError(
                    f"the lens distortion {self.model} tilts the sensor by {angle:g} radians, 90 degrees or "
                    f"more: {remedy}"
                )

    def distort(self, rays: Floats) -> Floats:
        """Return the places in the image [..., 2] of rays [..., 2]; NaN beyond what the lens images."""
        lens = _lens(self)
        x, y = rays[..., 0], rays[..., 1]
        with np.errstate(all="ignore"):
            radius = np.hypot(x, y)
            if self.model == "equidistant":
                stretch = _ratio(_fisheye(self.coefficients, radius), radius)
                image_x, image_y = stretch * x, stretch * y
            else:
                image_x, image_y = _homography(lens.tilt, *_brown(lens.brown, x, y))
            inside = radius <= lens.radii[-1]
            return np.where(inside[..., None], np.stack([image_x, image_y], axis=-1), np.nan)

    def undistort(self, image: Floats) -> Floats:
        """Return the rays [..., 2] of places in the image [..., 2].

        NaN where there is none: outside of what the lens images, or (nearly) 90 degrees off its axis.
        """
        lens = _lens(self)
        with np.errstate(all="ignore"):
            x, y = _homography(lens.untilt, image[..., 0], image[..., 1])
            # The lens's radial part alone gives the ray or nearly so.
            reach = np.hypot(x, y)
            radius = np.interp(reach, lens.reaches, lens.radii)
            if self.model == "equidistant":
                radius = _solve_fisheye(self.coefficients, reach, radius)
            stretch = _ratio(radius, reach)
            rays = np.stack([stretch * x, stretch * y], axis=-1)
            if self.model != "equidistant":
                rays = _solve_brown(lens.brown, x, y, rays)
            missed = np.abs(self.distort(rays) - image).max(axis=-1, keepdims=True)
            return np.where(missed < NEWTON_TOLERANCE, rays, np.nan)


def distortion_from(model: str, coefficients: Sequence[float]) -> Distortion | None:
    """Return a lens's distortion, or None if it has none: no coefficients, or only zeros.

    Zeros of the equidistant model are refused: they are an ideal fisheye lens to OpenCV and no distortion to
    others (image_geometry), and the two are far apart. Zeros that fill a longer list than the model needs are
    left out. Of OpenCV's pinhole models the number of coefficients counts, as for image_geometry: drivers
    send the name of one with the list of another. Raises CameraError as Distortion does.
    """
    values = [float(value) for value in coefficients]
    name = ALIASES.get(model.strip().lower(), model.strip().lower())
    if not any(values):
        if values and name == "equidistant":
            raise CameraError(
                f"the lens distortion model {quoted(model)} has only zeros, which an ideal fisheye lens has "
                "and drivers send for an image without distortion: for a fisheye set the first one to "
                "1e-9, otherwise send the model plumb_bob or, for a rectified image, set rectified to true"
            )
        return None
    numbers = COEFFICIENT_COUNTS.get(name, (len(values),))
    if len(values) not in numbers:
        fitting = [number for number in numbers if number < len(values) and not any(values[number:])]
        values = values[: fitting[0]] if fitting else values
    if name in MODEL_BY_COUNT.values():
        name = MODEL_BY_COUNT.get(len(values), name)
    return Distortion(name, tuple(values))


def model_and_coefficients(distortion: Distortion | None) -> tuple[str, list[float]]:
    """Return how CameraInfo says a distortion, or that there is none."""
    if distortion is None:
        return "plumb_bob", [0.0] * 5
    return distortion.model, list(distortion.coefficients)


@dataclass(frozen=True)
class _Lens:
    """What is computed once from the coefficients.

    radii [N] of rays, rising as far as the lens images them one to one, and the reaches [N] of their images,
    both without what is not radial; the twelve coefficients of the pinhole models; the homography [3, 3] of a
    tilted sensor and its inverse.
    """

    radii: Floats
    reaches: Floats
    brown: tuple[float, ...]
    tilt: Floats
    untilt: Floats


@lru_cache(maxsize=8)
def _lens(distortion: Distortion) -> _Lens:
    values = distortion.coefficients
    tilt: Floats = np.eye(3)
    brown: tuple[float, ...] = ()
    with np.errstate(all="ignore"):
        if distortion.model == "equidistant":
            reaches = _fisheye(values, RAY_RADII)
        else:
            brown = (values + 12 * (0.0,))[:12]
            tilt = _tilt(*values[12:14]) if len(values) == 14 else tilt
            above, below = _radial(brown, RAY_RADII**2)
            # Past a pole of the rational model nothing is an image any more.
            reaches = np.where(np.minimum.accumulate(below) > 0, RAY_RADII * above / below, -np.inf)
        falling = np.flatnonzero(~(np.diff(reaches) > 0))
    last = int(falling[0]) + 1 if len(falling) else len(RAY_RADII)
    untilt = np.linalg.inv(tilt).astype(np.float64)
    return _Lens(RAY_RADII[:last], reaches[:last], brown, tilt, untilt)


def _fisheye(k: Sequence[float], radius: Floats) -> Floats:
    """Return the reach of the image of rays of a radius: theta (1 + k1 theta^2 + ... + k4 theta^8)."""
    theta = np.arctan(radius)
    t = theta * theta
    reach: Floats = theta * (1 + t * (k[0] + t * (k[1] + t * (k[2] + t * k[3]))))
    return reach


def _solve_fisheye(k: Sequence[float], reach: Floats, radius: Floats) -> Floats:
    """Return the radii of rays whose images have that reach, from radii near them, by Newton's method."""
    theta = np.arctan(radius)
    for _ in range(MAX_NEWTON_STEPS):
        t = theta * theta
        slope = 1 + t * (3 * k[0] + t * (5 * k[1] + t * (7 * k[2] + t * 9 * k[3])))
        step = (_fisheye(k, np.tan(theta)) - reach) / slope
        theta = theta - step
        if not np.any(np.abs(step) > 1e-14):
            break
    return np.tan(theta)


def _radial(c: tuple[float, ...], r2: Floats) -> tuple[Floats, Floats]:
    above = 1 + r2 * (c[0] + r2 * (c[1] + r2 * c[4]))
    below = 1 + r2 * (c[5] + r2 * (c[6] + r2 * c[7]))
    return above, below


def _brown(c: tuple[float, ...], x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Return the image of rays: radial (k), tangential (p) and thin prism (s) distortion."""
    r2, xy = x * x + y * y, x * y
    above, below = _radial(c, r2)
    radial = above / below
    return (
        x * radial + 2 * c[2] * xy + c[3] * (r2 + 2 * x * x) + r2 * (c[8] + r2 * c[9]),
        y * radial + 2 * c[3] * xy + c[2] * (r2 + 2 * y * y) + r2 * (c[10] + r2 * c[11]),
    )


def _solve_brown(c: tuple[float, ...], x: Floats, y: Floats, start: Floats) -> Floats:
    """Return the rays [..., 2] whose images are x, y [...], from rays near them, by Newton's method.

    NaN where the image is folded over (a Jacobian that is not positive).
    """
    a, b = start[..., 0], start[..., 1]
    for _ in range(MAX_NEWTON_STEPS):
        r2 = a * a + b * b
        above, below = _radial(c, r2)
        radial = above / below
        d_above = c[0] + r2 * (2 * c[1] + 3 * r2 * c[4])
        d_below = c[5] + r2 * (2 * c[6] + 3 * r2 * c[7])
        bend = 2 * (d_above - radial * d_below) / below  # twice the radial part's derivative by r2
        prism_x, prism_y = 2 * c[8] + 4 * r2 * c[9], 2 * c[10] + 4 * r2 * c[11]
        xx = radial + bend * a * a + 2 * c[2] * b + 6 * c[3] * a + prism_x * a
        xy = bend * a * b + 2 * c[2] * a + 2 * c[3] * b + prism_x * b
        yx = bend * a * b + 2 * c[3] * b + 2 * c[2] * a + prism_y * a
        yy = radial + bend * b * b + 6 * c[2] * b + 2 * c[3] * a + prism_y * b
        determinant = xx * yy - xy * yx
        image_x, image_y = _brown(c, a, b)
        miss_x, miss_y = image_x - x, image_y - y
        step_a = (yy * miss_x - xy * miss_y) / determinant
        step_b = (xx * miss_y - yx * miss_x) / determinant
        a, b = np.where(determinant > 0, a - step_a, np.nan), b - step_b
        if not np.any(np.maximum(np.abs(step_a), np.abs(step_b)) > 1e-13 * (1 + r2)):
            break
    return np.stack([a, b], axis=-1)


def _tilt(about_x: float, about_y: float) -> Floats:
    """Return the homography [3, 3] of a sensor that is tilted by two angles in radians."""
    sx, cx, sy, cy = math.sin(about_x), math.cos(about_x), math.sin(about_y), math.cos(about_y)
    about_first = np.array([[1, 0, 0], [0, cx, sx], [0, -sx, cx]])
    turned: Floats = np.array([[cy, 0, -sy], [0, 1, 0], [sy, 0, cy]]) @ about_first
    depth = turned[2, 2]
    onto = np.array([[depth, 0, -turned[0, 2]], [0, depth, -turned[1, 2]], [0, 0, 1]])
    tilted: Floats = onto @ turned
    return tilted


def _homography(matrix: Floats, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    if np.array_equal(matrix, np.eye(3)):
        return x, y
    scale = matrix[2, 0] * x + matrix[2, 1] * y + matrix[2, 2]
    scale = np.where(scale > 0, scale, np.nan)
    return (
        (matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2]) / scale,
        (matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2]) / scale,
    )


def _ratio(a: Floats, b: Floats) -> Floats:
    """Return a / b, and 1 where b is 0: all models keep rays near the axis as they are."""
    return np.where(b > 0, a / np.where(b > 0, b, 1), 1.0)
