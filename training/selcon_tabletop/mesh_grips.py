"""Where a hand closes around a mesh of a file, found from the shapes of its parts."""

from __future__ import annotations

import numpy as np

from selcon_tabletop.parts import Grip, Part, X, Z
from selcon_tabletop.shapes import Points

MAX_GRIP_RADIUS = 0.045
"""Metres: a hand of these views closes around no larger radius."""


def grips(parts: list[Part]) -> dict[str, Grip]:
    """Return where to hold, and where to open, the object in its pose: at its handle, else at its body."""
    found: dict[str, Grip] = {}
    for kinds in (("loop_handle", "ring"), ("rod_handle",), ("body",)):
        held = [part for part in parts if part.action == "hold" and part.kind in kinds]
        if held:
            found["hold"] = _grip(_points(held), kinds[0])
            break
    lids = [part for part in parts if part.action == "open"]
    if lids:
        points = _points(lids)
        middle = (points.min(0) + points.max(0)) / 2
        radius = min(float(np.ptp(points[:, :2], axis=0).min()) / 2, MAX_GRIP_RADIUS)
        found["open"] = Grip(middle, Z, radius, X)
    return found


def _points(parts: list[Part]) -> Points:
    """Return points spread over the parts' faces, the more the larger: corners alone crowd at details."""
    centres, areas = [], []
    for part in parts:
        corners = part.mesh.vertices[part.mesh.faces]
        centres.append(corners.mean(1))
        edges = corners[:, 1:] - corners[:, :1]
        areas.append(np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=1))
    weight = np.concatenate(areas)
    order = np.random.default_rng(0).choice(len(weight), 500, p=weight / weight.sum())
    return np.asarray(np.concatenate(centres)[order])


def _grip(points: Points, kind: str) -> Grip:
    low, high = np.quantile(points, 0.02, axis=0), np.quantile(points, 0.98, axis=0)
    if kind == "rod_handle":  # along x
        middle = np.abs(points[:, 0] - (low[0] + high[0]) / 2) < 0.25 * (high[0] - low[0])
        near = points[middle] if middle.sum() > 10 else points
        return Grip(np.array([near[:, 0].mean(), *near[:, 1:].mean(0)]), X, _radius(near[:, 1:]), Z)
    if kind == "loop_handle":  # the upright at the far side
        outer = points[points[:, 0] > high[0] - 0.35 * (high[0] - low[0])]
        return Grip(outer.mean(0), Z, _radius(outer[:, :2]), X)
    middle = (low + high) / 2
    return Grip(middle, Z, _radius(points[:, :2]), X)


def _radius(flat: Points) -> float:
    spread = np.ptp(flat, axis=0) / 2
    return float(np.clip(spread.mean(), 0.004, MAX_GRIP_RADIUS))
