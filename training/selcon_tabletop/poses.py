"""How a lying object comes to rest on the table."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from selcon_tabletop.parts import ObjectModel
from selcon_tabletop.shapes import Points, rotation

COLUMN_COUNT = 256
"""Of the points between as many upright lines the lowest one decides where an object touches the table."""


def _lowest(points: Points) -> Points:
    """Return the lowest of N×2 points in each column and those furthest left and right, sorted by the first
    coordinate."""
    x, low = points[:, 0], points[:, 0].min()
    column = ((x - low) * ((COLUMN_COUNT - 1) / max(float(np.ptp(x)), 1e-9))).astype(np.int64)
    order = np.lexsort((points[:, 1], column))
    first = np.r_[True, np.diff(column[order]) > 0]
    chosen = np.r_[order[first], x.argmin(), x.argmax()]
    found = points[chosen]
    return np.asarray(found[np.lexsort((found[:, 1], found[:, 0]))])


def settled(model: ObjectModel, turn: Points) -> Points:
    """Return `turn` (3×3, applied first) followed by the rotation about y that lays the object down.

    The object, turned, falls onto the edge of its lower hull (in the xz plane) below its middle: a ladle onto
    its bowl and the end of its handle.
    """
    vertices = np.concatenate([part.mesh.vertices for part in model.parts]) @ turn.T
    points = _lowest(vertices[:, [0, 2]])
    hull: list[Points] = []
    for point in points:  # the lower hull by Andrew's monotone chain
        while len(hull) > 1:
            first, second = hull[-1] - hull[-2], point - hull[-2]
            if first[0] * second[1] - first[1] * second[0] > 0:
                break
            hull.pop()
        hull.append(point)
    middle = 0.5 * (vertices[:, 0].min() + vertices[:, 0].max())
    for left, right in pairwise(hull):
        if left[0] <= middle <= right[0] and right[0] > left[0]:
            return rotation("y", float(np.arctan2(right[1] - left[1], right[0] - left[0]))) @ turn
    return turn
