"""Vectors of three numbers: for single ones Python's own arithmetic takes a tenth of numpy's time."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Vector = tuple[float, float, float]


def dot(a: Vector, b: Vector) -> float:
    """Return the scalar product."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def cross(a: Vector, b: Vector) -> Vector:
    """Return the cross product."""
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]


def scaled(a: Vector, factor: float) -> Vector:
    """Return a vector that is so many times as long."""
    return a[0] * factor, a[1] * factor, a[2] * factor


def unit(a: Vector) -> Vector:
    """Return the vector of length 1 with the same direction."""
    return scaled(a, 1 / math.sqrt(dot(a, a)))


def across(a: Vector, axis: Vector) -> Vector:
    """Return what of a vector is square to an axis of length 1."""
    share = dot(a, axis)
    return a[0] - share * axis[0], a[1] - share * axis[1], a[2] - share * axis[2]


@dataclass(frozen=True)
class Principal:
    """The mean of points, the axes along which they are spread, the widest first, and the sums of their
    squared distances along these."""

    centre: Vector
    axes: tuple[Vector, Vector, Vector]
    spread: tuple[float, float, float]


def principal(points: NDArray[np.float32]) -> Principal:
    """Return the principal axes of points [3, N]."""
    covariance, centre = cv2.calcCovarMatrix(points, np.empty(0), cv2.COVAR_NORMAL | cv2.COVAR_COLS)
    _, spread, axes = cv2.eigen(covariance)
    (x, y, z), (a, b, c), (u, v, w) = centre.ravel().tolist(), spread.ravel().tolist(), axes.tolist()
    return Principal((x, y, z), (tuple(u), tuple(v), tuple(w)), (a, b, c))
