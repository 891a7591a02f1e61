"""An articulated hand with forearm that closes around a grip, for exocentric views."""

from __future__ import annotations

import numpy as np

from selcon_tabletop.parts import Grip, Part, Rng
from selcon_tabletop.shapes import Points, box, merged, sweep

FINGER_RADIUS = 0.0085


def _curled(start: float, stop: float, radius: float, height: float, thick: float, rng: Rng) -> Points:
    """Return three finger joints and the tip on a circle of `radius` about z, angles from the palm's
    direction (+x)."""
    angle = np.linspace(start, stop, 4) + rng.normal(0, 0.06, 4)
    reach = (radius + thick) * (1 + rng.uniform(0, 0.06, 4))
    return np.stack([reach * np.cos(angle), reach * np.sin(angle), np.full(4, height)], -1)


def _capsules(joints: Points, thick: float) -> list[Points]:
    return [np.stack([joints[i], joints[i + 1]]) for i in range(len(joints) - 1)]


def hand(grip: Grip, rng: Rng) -> list[Part]:
    """Return the skin and the sleeve of a hand closed around `grip`: fingers side by side along its axis,
    palm towards `away`.

    The joint angles, the side the fingers close from, the forearm's direction and the sleeve's length vary
    with `rng`.
    """
    axis = grip.axis / np.linalg.norm(grip.axis)
    away = grip.away - np.dot(grip.away, axis) * axis
    away /= np.linalg.norm(away)
    local = np.stack(
        [away, np.cross(axis, away), axis], axis=1
    )  # columns: palm direction, tangent, grip axis
    if rng.random() < 0.5:
        local = local * [1, -1, -1]  # the other hand
    span = rng.uniform(0.9, 1.1)
    reach = np.clip(0.055 / (grip.radius + FINGER_RADIUS), 1.2, 2.9)
    skin = []
    for finger, height in enumerate((-0.027, -0.009, 0.009, 0.027)):
        thick = FINGER_RADIUS * (1.0 if finger < 3 else 0.88)
        joints = _curled(0.35, 0.35 + reach, grip.radius, height * span, thick, rng)
        skin += [
            sweep(segment, thick * np.array([1.0, 0.95]), around=8) for segment in _capsules(joints, thick)
        ]
    thumb = _curled(-0.3, -0.3 - 0.75 * reach, grip.radius, 0.03 * span, 1.2 * FINGER_RADIUS, rng)
    skin += [sweep(segment, 1.15 * FINGER_RADIUS, around=8) for segment in _capsules(thumb, FINGER_RADIUS)]
    palm_at = grip.radius + 0.014
    skin.append(box((0.026, 0.05, 0.078)).moved((palm_at, 0, 0)))
    wrist = np.array([palm_at + 0.012, 0, 0])
    direction = np.array([1.0, rng.uniform(-0.5, 0.5), rng.uniform(-0.9, 0.3)])
    direction /= np.linalg.norm(direction)
    elbow = wrist + rng.uniform(0.3, 0.4) * direction
    cuff = wrist + rng.uniform(0.06, 0.2) * direction
    skin.append(sweep(np.linspace(wrist, cuff, 4), np.array([0.026, 0.024, 0.027, 0.03]), around=12))
    sleeve = sweep(np.linspace(cuff - 0.01 * direction, elbow, 3), np.array([0.034, 0.037, 0.042]), around=12)
    return [
        Part("hand", merged(skin).moved(grip.point, local), "skin"),
        Part("hand", sleeve.moved(grip.point, local), "cloth"),
    ]
