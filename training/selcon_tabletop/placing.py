"""Where and how objects rest: lying, standing, on their side, leaning on a block, or upright in a holder."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from selcon_tabletop.parts import ObjectModel, Part, Rng
from selcon_tabletop.poses import settled
from selcon_tabletop.shapes import Points, box, lathe, rotation

Taken = list[tuple[float, float, float]]
"""Circles on the table that are occupied: x, y and radius in metres."""


def free_spot(
    rng: Rng, radius: float, taken: Taken, reach: tuple[float, float], apart: float = 0.82
) -> Points | None:
    """Return a free spot on the table for a circle of `radius`, or None after 40 misses; circles may overlap
    by 1 − `apart`."""
    for _ in range(40):
        x, y = rng.uniform(-reach[0], reach[0]), rng.uniform(-reach[1], reach[1])
        if all(np.hypot(x - tx, y - ty) > apart * (radius + tr) for tx, ty, tr in taken):
            taken.append((x, y, radius))
            return np.array([x, y, 0.0])
    return None


def vertices(parts: Sequence[Part], turn: Points) -> Points:
    """Return all vertices of parts, turned (N×3)."""
    turned: Points = np.concatenate([part.mesh.vertices for part in parts]) @ turn.T
    return turned


def resting(rng: Rng, model: ObjectModel, plain: bool = False) -> tuple[Points, list[Part]]:
    """Return how an object is turned, and what it rests on besides the table, in the object's place.

    Vessels stand, one in eight lies on its side. Tools lie on either side; one in four leans on a block,
    stands upright in a holder or on its edge. `plain`: only standing vessels and lying tools.
    """
    turn = rotation("z", rng.uniform(0, 2 * np.pi))
    if model.stands:
        if plain or rng.random() < 7 / 8:
            return turn, []
        return turn @ rotation("y", np.pi / 2) @ rotation("z", rng.uniform(0, 2 * np.pi)), []
    over = rotation("x", np.pi if rng.random() < 0.5 else 0.0)
    if plain or rng.random() < 0.75:
        return turn @ settled(model, over), []
    turn = turn @ over
    way = rng.random()
    if way < 0.5:
        return _leaning(rng, model, turn)
    if way < 0.75:
        return _in_holder(rng, model, turn)
    return turn @ settled(model, rotation("x", np.pi / 2)), []


def _leaning(rng: Rng, model: ObjectModel, turn: Points) -> tuple[Points, list[Part]]:
    """One end on the table, the other on a block."""
    side = rng.choice([-1.0, 1.0])
    turn = turn @ rotation("y", side * rng.uniform(0.1, 0.6))
    points = vertices(model.parts, turn)
    points = points - [0, 0, points[:, 2].min()]
    raised = points[np.argmax(points[:, 2])]
    at = raised[:2] * rng.uniform(0.5, 0.85)
    over = np.hypot(*(points[:, :2] - at).T) < 0.02
    height = float(points[over, 2].min()) if over.any() else 0.0
    if height < 0.004:
        return turn, []
    block = box((*rng.uniform(0.03, 0.08, 2), height)).moved((*at, height / 2))
    return turn, [Part("clutter", block, str(rng.choice(["wood", "plastic", "cloth"])))]


def _in_holder(rng: Rng, model: ObjectModel, turn: Points) -> tuple[Points, list[Part]]:
    """Upright, the handle (at −x) down in a cylinder."""
    tilt = rng.uniform(-0.12, 0.12)
    turn = turn @ rotation("y", -np.pi / 2 + tilt)
    points = vertices(model.parts, turn)
    tall = float(np.ptp(points[:, 2]))
    lower = points[points[:, 2] < points[:, 2].min() + 0.4 * tall]
    inner = float(np.hypot(*lower[:, :2].T).max()) + 0.006
    height, outer = 0.4 * tall, inner + 0.004
    wall = [(0.0, 0.0), (outer, 0.0), (outer, height), (inner, height), (inner, 0.003), (0.0, 0.003)]
    return turn, [Part("clutter", lathe(wall), str(rng.choice(["ceramic", "metal", "plastic"])))]
