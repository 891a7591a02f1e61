"""How a lying object comes to rest on the table."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from selcon_training.tabletop.parts import ObjectModel
from selcon_training.tabletop.shapes import Points, rotation


def settled(model: ObjectModel, turn: Points) -> Points:
    """Return `turn` (3×3, applied first) followed by the rotation about y that lays the object down.

    The object, turned, falls onto the edge of its lower hull (in the xz plane) below its middle: a ladle onto
    its bowl and the end of its handle.
    """
    vertices = np.concatenate([part.mesh.vertices for part in model.parts]) @ turn.T
    points = np.unique(np.round(vertices[:, [0, 2]], 5), axis=0)
    hull: list[Points] = []
    for point in points:  # sorted by x, then z: the lower hull by Andrew's monotone chain
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
