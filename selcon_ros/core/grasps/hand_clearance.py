"""Which way a parallel-jaw hand comes to a grasp point: clear of the table and of things, and with a hold.

Seen from one side only, a scene is taken as the surface that is seen and the plane that it stands on. A hand
is laid over it in several frames. Its fingers need free space beside the part down to where their tips end,
and the palm above it; and the part's sides between them must be steep enough to press on.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from selcon_ros.core.cameras.camera import Intrinsics
from selcon_ros.core.cameras.depth_patch import depth_patch
from selcon_ros.core.grasps.hand_hold import MIN_HOLD_DEPTH, hold, lay, room
from selcon_ros.core.grasps.region_geometry import frame
from selcon_ros.core.grasps.support import Plane
from selcon_ros.core.grasps.vectors import Vector, across, cross, dot, unit

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

# Closing directions over half a turn, and degrees from straight down, that are tried.
TURNS, TILTS = 6, (0.0, 45.0, 90.0)
# Half a side in metres, and points along it, of what is looked at around a point.
HALF_WINDOW_METRES, SAMPLES = 0.085, 44
# A pixel that is nearer than all around it by so many metres is a flying one.
FLYING_PIXEL_METRES = 0.02
# What a way loses whose closing direction is square to the first one's.
TURN_PENALTY = 0.6
# The first way is kept where it is as good as this share of the best.
KEEP_FIRST_SHARE = 0.8
# How far the tips go past the place at a lid, in metres, where deeper it is too wide: a knob is not higher.
LID_DEPTHS = (0.010, 0.006)

_RING = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], np.uint8)


def _level_frames() -> tuple[Doubles, Doubles]:
    """Return the frames [2, T, TURNS, 3, 3] that close level with a table, and their headings [TURNS, 2].

    A frame's rows are its axes x, y and z, in the basis of two directions in the table and of the third, up.
    First come those with the heading, then against it; of these, from straight above to level.
    """
    turns = [math.pi * turn / TURNS for turn in range(TURNS)]
    frames = [
        [
            [[math.cos(turn), math.sin(turn), 0.0],
             [-c * math.sin(turn), c * math.cos(turn), -side * s],
             [side * s * math.sin(turn), -side * s * math.cos(turn), -c]]
            for c, s in ((math.cos(math.radians(tilt)), math.sin(math.radians(tilt))) for tilt in TILTS)
            for turn in turns
        ]
        for side in (1, -1)
    ]  # fmt: skip
    levels = np.array(frames).reshape(2, len(TILTS), TURNS, 3, 3)
    return levels, np.array([[math.sin(turn), -math.cos(turn)] for turn in turns])


_LEVEL, _HEADINGS = _level_frames()


def standing(depth: Floats, intrinsics: Intrinsics, pixel: tuple[int, int], z: float, plane: Plane) -> Floats:
    """Return points [3, N] of what stands on a plane around a pixel (u, v) at depth `z`, on a coarse grid."""
    half = max(1, min(int(HALF_WINDOW_METRES / z * intrinsics.focal_length_at(*pixel)), max(depth.shape)))
    u0, v0 = max(pixel[0] - half, 0), max(pixel[1] - half, 0)
    step = max(1, 2 * half // SAMPLES)
    shape = -((v0 - pixel[1] - half - 1) // step), -((u0 - pixel[0] - half - 1) // step)
    patch = depth_patch(depth, intrinsics, (u0, v0), step, shape)
    seen = np.where(patch.measured, patch.depth, np.float32(np.inf))
    nearest = np.empty_like(seen)
    cv2.erode(seen, _RING, dst=nearest)
    seen += FLYING_PIXEL_METRES
    solid = seen > nearest
    solid &= patch.measured
    solid &= patch.along(plane.normal) > plane.offset + plane.tolerance
    return patch.points(solid)


@dataclass(frozen=True)
class Way:
    """How to come to a place: `axes` [3, 3] as columns (x closes, z approaches), and the `reach` of the tips
    past it in metres, infinite where nothing limits it. `quality`: how good a hold it is, 0 (none) to 1."""

    axes: Doubles
    reach: float
    quality: float = 0.0


def best_way(
    points: Floats, plane: Plane, place: Vector, axes: Doubles, opening: float, lid: bool = False
) -> Way:
    """Return the best way to close at a place.

    `points` [3, N] stand on `plane`. `axes` are the first way, that of the part's own surface: it is kept,
    with any reach, where it is nearly as good as the best one, or where none is possible. At a `lid` the tips
    may also stop on it, beside what rises from it.
    """
    ray = unit(place)
    up: Vector = tuple(plane.normal.tolist())
    frames = ways(axes, up, ray)
    tips, palm = room(frames, dot(up, place) - plane.offset, up, opening)
    # What a way is worth at most: its closing direction may be another one, and it comes from another side
    # than the one that is seen.
    turn, seen = frames[:, 0] @ axes[:, 0], frames[:, 2] @ ray
    worth = (1 - TURN_PENALTY + TURN_PENALTY * (turn * turn)) * np.minimum(np.maximum(0.5 + seen, 0), 1)
    worth *= np.minimum(tips, palm) > MIN_HOLD_DEPTH
    tips, palm, most = tips.tolist(), palm.tolist(), worth.tolist()
    # The first way, then the most promising ones. Those that cannot be better are not looked at.
    order = sorted(range(1, len(most)), key=most.__getitem__, reverse=True)
    numbers = [number for number in (0, *order) if most[number] > 0]
    best, least = Way(axes, math.inf), 0.0
    if not numbers:
        return best
    laid = lay(points - np.array(place, np.float32)[:, None], frames[numbers], opening)
    for at, number in enumerate(numbers):
        if most[number] <= least:
            break
        quality, reach = hold(laid, at, tips[number], palm[number], opening, least / most[number])
        for depth in LID_DEPTHS if lid else ():
            shallow = hold(laid, at, min(depth, tips[number]), palm[number], opening, least / most[number])
            quality, reach = max((quality, reach), shallow)
        if number == 0:
            kept = reach if lid and quality > 0 else math.inf
            best, least = Way(axes, kept, most[0] * quality), most[0] * quality / KEEP_FIRST_SHARE
        elif quality > 0:
            closing, _, approach = frames[number].tolist()
            least = most[number] * quality
            best = Way(frame(closing, approach), reach, least)
    return best


def ways(axes: Doubles, up: Vector, ray: Vector) -> Doubles:
    """Return frames [C, 3, 3] whose rows are the axes x, y, z of a grasp: `axes` (columns) first, then those
    that close level with a table, whose normal is `up`, and come from straight above to level, from the
    camera's side.

    The first direction is square to the part's long axis, y of `axes`; where that stands upright, to its
    approach. `ray` is the direction of view.
    """
    _, long_axis, approach = axes.T.tolist()
    along = across(long_axis, up)
    if dot(along, along) < 0.25:
        along = across(approach, up)
    along = unit(along)
    beside = cross(up, along)
    away = _HEADINGS @ (dot(beside, ray), dot(along, ray)) < 0
    towards, against = _LEVEL
    level = np.where(away[:, None, None], against, towards).reshape(-1, 3) @ (beside, along, up)
    return np.concatenate([axes.T[None], level.reshape(-1, 3, 3)])
