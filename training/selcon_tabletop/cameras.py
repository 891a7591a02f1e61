"""Cameras of a scene: around the table as in a survey, or near and oblique as pictures are taken by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from selcon_tabletop.parts import Rng
from selcon_tabletop.shapes import Points, rotation

MIN_CLEARANCE = 0.07
"""Metres that a camera keeps from everything: nearer than that no lens is sharp."""
TALL_METRES, LEVEL_SHARE = 0.06, 0.3
"""Of what is taller than this in metres, this share of the views is taken nearly level."""


@dataclass(frozen=True)
class CameraView:
    """A camera: `position` and 3×3 `rotation` (MuJoCo's convention: looks along −z, y up) in the world, and
    its vertical field of view in degrees."""

    position: Points
    rotation: Points
    fovy: float


def look_at(position: Points, target: Points, roll: float) -> Points:
    """Return the camera rotation that looks from `position` to `target`, rolled by `roll` radians."""
    back = position - target
    back = back / np.linalg.norm(back)
    right = np.cross([0, 0, 1.0], back)
    right /= np.linalg.norm(right)
    frame = np.stack([right, np.cross(back, right), back], axis=1)
    return np.asarray(frame @ rotation("z", roll))


def _direction(azimuth: float, elevation: float) -> Points:
    return np.array(
        [np.cos(azimuth) * np.cos(elevation), np.sin(azimuth) * np.cos(elevation), np.sin(elevation)]
    )


def around(
    rng: Rng, count: int, distance: tuple[float, float], spread: tuple[float, float], height: float
) -> list[CameraView]:
    """Return cameras around the table that look near its centre, from 28 to 80 degrees above it."""
    views = []
    for _ in range(count):
        azimuth, elevation = rng.uniform(0, 2 * np.pi), np.deg2rad(rng.uniform(28, 80))
        far = rng.uniform(*distance)
        target = np.array([rng.uniform(-spread[0], spread[0]), rng.uniform(-spread[1], spread[1]), height])
        position = target + far * _direction(azimuth, elevation)
        views.append(
            CameraView(position, look_at(position, target, rng.normal(0, 0.08)), rng.uniform(40, 52))
        )
    return views


def _frame(rng: Rng, subject: Points, aspect: float) -> CameraView:
    """Return a camera in which `subject` (N×3 points) spans an eighth to nine tenths of the image's width and
    lies anywhere, now and then cut by the image's edge."""
    fovy = rng.uniform(35, 65)
    tall = float(np.tan(np.deg2rad(fovy) / 2))
    wide = aspect * tall
    low, high = subject.min(0), subject.max(0)
    centre, extent = (low + high) / 2, float(np.linalg.norm(high - low))
    cover = np.exp(rng.uniform(np.log(0.12), np.log(0.9)))
    far = max(extent / (2 * cover * wide), 0.12 + extent / 2)
    # Views from above are as frequent as oblique ones: on the sphere they would be few.
    level = rng.random() < LEVEL_SHARE and high[2] - low[2] > TALL_METRES
    elevation = np.deg2rad(rng.uniform(1, 18) if level else rng.uniform(15, 85))
    position = centre + far * _direction(rng.uniform(0, 2 * np.pi), elevation)
    turned = look_at(position, centre, 0.0)
    room = max(0.9 - cover, 0.3)  # more than keeps all of it in the frame, if it is large
    aside = rng.uniform(-room, room, 2) * [wide * far, tall * far]
    target = centre - turned[:, 0] * aside[0] - turned[:, 1] * aside[1]
    return CameraView(position, look_at(position, target, rng.normal(0, 0.12)), fovy)


def by_hand(
    rng: Rng, count: int, subjects: Sequence[Points], bodies: Sequence[Points], aspect: float
) -> list[CameraView]:
    """Return `count` cameras as people hold them: near or far, from 15 to 85 degrees above, or nearly
    level at what is tall; each frames one of `subjects` (N×3 points each), none is inside one of `bodies`."""
    views: list[CameraView] = []
    for number in range(count):
        subject = subjects[(number + int(rng.integers(len(subjects)))) % len(subjects)]
        for _ in range(20):
            view = _frame(rng, subject, aspect)
            if all(_distance(view.position, body) > MIN_CLEARANCE for body in bodies):
                break
        views.append(view)
    return views


def _distance(point: Points, body: Points) -> float:
    """Return how far a point is from the box around a body."""
    return float(np.linalg.norm(np.maximum(np.maximum(body.min(0) - point, point - body.max(0)), 0)))
