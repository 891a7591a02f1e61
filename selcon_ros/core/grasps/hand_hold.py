"""How good it is to close a parallel-jaw hand in a frame: what its fingers find between them and beside.

A hand is laid over the points that are seen, in several frames at a time. Its fingers need free space beside
the part down to where their tips end, and the palm above it; and the part's sides between them must be steep
enough to press on.
"""

from bisect import bisect_left
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from selcon_ros.core.grasps.vectors import Vector
from selcon_ros.core.grounding.upsampling import MAX_PRODUCT_SIZE

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

# The hand, in metres: width, free length and thickness of a finger, and half of the palm along its width.
FINGER_WIDTH, FINGER_LENGTH, FINGER_THICKNESS, HALF_PALM = 0.022, 0.06, 0.01, 0.025
# How far the tips go past the middle of a round part, past the surface at least, and to hold at all.
TIP_DEPTH, MIN_REACH, MIN_HOLD_DEPTH = 0.01, 0.015, 0.003
# What the palm keeps off the part, and a finger off the table.
PALM_CLEARANCE, TABLE_CLEARANCE = 0.005, 0.002
# What the fingers keep off the part, when they are open, for a way without a loss.
FINGER_CLEARANCE = 0.006
# Metres along the closing direction that are one step of a profile.
PROFILE_STEP = 0.005
# Metres before the tips' end at which a part must be nearly as wide, or its sides lean.
SLOPE_DEPTH = 0.008
# What a way loses that uses all of the opening.
WIDTH_PENALTY = 0.3


def room(frames: Doubles, height: float, up: Vector, opening: float) -> tuple[Doubles, Doubles]:
    """Return how far past a place a table lets the tips go [C], and how far until the palm meets it [C].

    `frames` [C, 3, 3] have the axes as rows; the place is `height` above the table, whose normal is `up`. In
    metres.
    """
    lean = frames @ up
    level, down = np.abs(lean), np.maximum(-lean[:, 2], 1e-6)
    # How much deeper the lower finger is than the place, and what that leaves.
    free = height - TABLE_CLEARANCE - (opening / 2 + FINGER_THICKNESS) * level[:, 0]
    tips = (free - FINGER_WIDTH / 2 * level[:, 1]) / down
    return tips, FINGER_LENGTH + (free - HALF_PALM * level[:, 1]) / down


@dataclass(frozen=True)
class Laid:
    """Points in C frames of a hand, from the place that it closes at, in metres.

    column: [C, N] x in steps of `depths`, from its first one on. aside, z: [C, N] y without its sign, and z.
    depths: [C, 2 M + 1] z of the nearest point between or beside the fingers, step by step along x; the place
    is in the middle. left, right: C lists of how deep tips must go to find all steps taken up to each one on
    that side of the middle, infinitely beyond the last.
    """

    column: Floats
    aside: Floats
    z: Floats
    depths: Floats
    left: list[list[float]]
    right: list[list[float]]

    def between(self, number: int, reach: float) -> tuple[float, float]:
        """Return the ends, low and high in metres, of the part between fingers that reach so deep."""
        low, high = bisect_left(self.left[number], reach), bisect_left(self.right[number], reach)
        return (0.5 - low) * PROFILE_STEP, (high - 0.5) * PROFILE_STEP

    def within(self, number: int, reach: float) -> int:
        """Return how many steps fingers that reach so deep meet, or have between them."""
        return int(np.count_nonzero(self.depths[number] < reach))

    def meets_palm(self, number: int, depth: float) -> bool:
        """Return whether a point before the palm is nearer than `depth`."""
        before = self.z[number] < depth
        before &= self.aside[number] <= HALF_PALM
        before &= self.column[number] >= 0
        before &= self.column[number] < self.depths.shape[1]
        return bool(before.any())


def lay(points: Floats, frames: Doubles, opening: float) -> Laid:
    """Lay points [3, N] in frames [C, 3, 3], whose rows are the axes x, y and z of a hand."""
    middle = int((opening / 2 + FINGER_THICKNESS) / PROFILE_STEP)
    steps, count = 2 * middle + 1, points.shape[1]
    column, aside, z = _coordinates(points, frames)
    column += middle + 0.5
    np.abs(aside, out=aside)
    near = aside <= FINGER_WIDTH / 2
    near &= column >= 0
    near &= column < steps
    at = np.flatnonzero(near)
    place = column.reshape(-1).take(at).astype(np.intp)
    place += at // count * steps
    depths = np.full((len(frames), steps), np.inf, np.float32)
    np.minimum.at(depths.reshape(-1), place, z.reshape(-1).take(at))
    # A single free step is a gap of the grid.
    filled = depths.copy()
    np.minimum(depths[:, 1:-1], np.maximum(depths[:, :-2], depths[:, 2:]), out=filled[:, 1:-1])
    sides = np.full((2, len(frames), middle + 2), np.inf, np.float32)
    sides[0, :, 1:-1], sides[1, :, 1:-1] = filled[:, middle - 1 :: -1], filled[:, middle + 1 :]
    sides[:, :, 0] = -np.inf
    left, right = np.maximum.accumulate(sides, axis=2, out=sides).tolist()
    return Laid(column, aside, z, depths, left, right)


def _coordinates(points: Floats, frames: Doubles) -> Floats:
    """Return the coordinates x in steps of a profile, y and z, [3, C, N], of points in frames."""
    axes = frames.transpose(1, 0, 2).astype(np.float32)
    axes[0] /= PROFILE_STEP
    axes = axes.reshape(-1, 3)
    count, some = points.shape[1], max(1, MAX_PRODUCT_SIZE // axes.size)
    local = np.empty((len(axes), count), np.float32)
    for first in range(0, count, some):
        np.matmul(axes, points[:, first : first + some], out=local[:, first : first + some])
    return local.reshape(3, len(frames), count)


def hold(
    laid: Laid, number: int, tips: float, palm: float, opening: float, least: float = 0.0
) -> tuple[float, float]:
    """Return how good it is to close in a frame, 0 (impossible) to 1, and how far the tips then reach.

    `tips` and `palm` are what `room` leaves for that. In metres past the place. It is 0, too, where it is no
    better than `least`: what settles that first and takes the least time is looked at first.
    """
    reach = min(MIN_REACH, tips)
    for _ in range(2):
        low, high = laid.between(number, reach)
        if max(-low, high) >= opening / 2:
            return 0.0, reach  # deeper down the part is no narrower
        reach = min(max((high - low) / 2 + TIP_DEPTH, MIN_REACH), FINGER_LENGTH - PALM_CLEARANCE, tips)
    low, high = laid.between(number, reach)
    spare = opening / 2 - max(-low, high)
    if not (MIN_HOLD_DEPTH < reach < palm and spare > 0):
        return 0.0, reach
    width = high - low
    beside = laid.within(number, reach) - width / PROFILE_STEP
    low_before, high_before = laid.between(number, reach - SLOPE_DEPTH)
    leaning = max(low_before - low + high - high_before - 2 * PROFILE_STEP, 0) / (2 * SLOPE_DEPTH)
    # From 0 to 1: how far the tips get, how free it is beside, what is left of the opening on the narrower
    # side, how even the part lies between the fingers, how steep its sides are, and how narrow it is.
    quality = (
        min(reach / min(width / 2 + 0.002, MIN_REACH), 1)
        * min(max(1 - 0.5 * beside, 0), 1)
        * min(spare / FINGER_CLEARANCE, 1)
        * (1 - abs(low + high) / opening)
        * min(max(1.5 - leaning, 0.1), 1)
        * (1 - WIDTH_PENALTY * width / opening)
    )
    if quality <= least or laid.meets_palm(number, reach - (FINGER_LENGTH - PALM_CLEARANCE / 2)):
        return 0.0, reach
    return quality, reach
