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

from selcon_ros.core.camera import Intrinsics
from selcon_ros.core.depth_patch import depth_patch
from selcon_ros.core.region_geometry import frame
from selcon_ros.core.support import Plane
from selcon_ros.core.vectors import Vector, across, cross, dot, unit

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

# The hand, in metres: width, free length and thickness of a finger, and half of the palm along its width.
FINGER_WIDTH, FINGER_LENGTH, FINGER_THICKNESS, HALF_PALM = 0.022, 0.06, 0.01, 0.025
# How far the tips go past the middle of a round part, and past the surface at least.
TIPS, LEAST_REACH = 0.01, 0.015
# What the palm keeps off the part, and a finger off the table.
SPARE, ABOVE = 0.005, 0.002
# What the fingers keep off the part, when they are open, for a way without a loss.
MARGIN = 0.006
# Closing directions over half a turn, and degrees from straight down, that are tried.
TURNS, TILTS = 6, (0.0, 45.0, 90.0)
# Half a side in metres, and points along it, of what is looked at around a point.
NEAR, SAMPLES = 0.085, 44
# A pixel that is nearer than all around it by so many metres is a flying one.
FLYING = 0.02
# Metres along the closing direction that are one step of a profile.
STEP = 0.005
# Metres before the tips' end at which a part must be nearly as wide, or its sides lean.
GRADE = 0.008
# What a way loses that uses all of the opening, or whose closing direction is square to the first one's.
NARROW, TURNED = 0.3, 0.6
# The first way is kept where it is as good as this share of the best.
KEPT = 0.8

# Points that are laid in all frames at a time: see `upsampling.PRODUCT`.
_AT_ONCE = 512
_RING = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], np.uint8)


def _level_frames() -> tuple[Doubles, Doubles]:
    """Return the frames [2, T * TURNS, 3, 3] that close level with a table, and their headings [TURNS, 2].

    A frame's rows are its axes x, y and z, in the basis of two directions in the table and of the third, up.
    They come from straight above to level, first with the heading, then against it.
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
    return np.array(frames), np.array([[math.sin(turn), -math.cos(turn)] for turn in turns])


_LEVEL, _HEADINGS = _level_frames()
_EACH = np.arange(_LEVEL.shape[1])


def standing(depth: Floats, intrinsics: Intrinsics, pixel: tuple[int, int], z: float, plane: Plane) -> Floats:
    """Return points [3, N] of what stands on a plane around a pixel (u, v) at depth `z`, on a coarse grid."""
    half = max(1, min(int(NEAR / z * intrinsics.focal_length_at(*pixel)), max(depth.shape)))
    u0, v0 = max(pixel[0] - half, 0), max(pixel[1] - half, 0)
    step = max(1, 2 * half // SAMPLES)
    shape = -((v0 - pixel[1] - half - 1) // step), -((u0 - pixel[0] - half - 1) // step)
    patch = depth_patch(depth, intrinsics, (u0, v0), step, shape)
    seen = np.where(patch.measured, patch.depth, np.float32(np.inf))
    nearest = np.empty_like(seen)
    cv2.erode(seen, _RING, dst=nearest)
    seen += FLYING
    solid = seen > nearest
    solid &= patch.along(plane.normal) > plane.offset + plane.tolerance
    return patch.points(solid)


@dataclass(frozen=True)
class Way:
    """How to come to a place: `axes` [3, 3] as columns (x closes, z approaches), and the `reach` of the tips
    past it in metres, infinite where nothing limits it."""

    axes: Doubles
    reach: float


def best_way(points: Floats, plane: Plane, place: Vector, axes: Doubles, opening: float) -> Way:
    """Return the best way to close at a place.

    `points` [3, N] stand on `plane`. `axes` are the first way, that of the part's own surface: it is kept,
    with any reach, where it is nearly as good as the best one, or where none is possible.
    """
    ray = unit(place)
    up: Vector = tuple(plane.normal.tolist())
    frames = ways(axes, up, ray)
    relative = points - np.array(place, np.float32)[:, None]
    quality, reach = qualities(relative, dot(up, place) - plane.offset, up, frames, ray, opening)
    turn = frames[:, 0] @ axes[:, 0]
    quality *= 1 - TURNED + TURNED * (turn * turn)
    best = int(quality.argmax())
    if quality[0] >= KEPT * quality[best]:
        return Way(axes, math.inf)
    closing, _, approach = frames[best].tolist()
    return Way(frame(closing, approach), float(reach[best]))


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
    frames = np.empty((1 + len(_EACH), 3, 3))
    frames[0] = axes.T
    np.matmul(_LEVEL[np.tile(away, len(TILTS)).astype(np.intp), _EACH], (beside, along, up), out=frames[1:])
    return frames


def qualities(
    relative: Floats, height: float, up: Vector, frames: Doubles, ray: Vector, opening: float
) -> tuple[Floats, Floats]:
    """Return how good it is to close in each frame [C, 3, 3] at a place, 0 (impossible) to 1, and the reach
    of the tips [C] in metres past the place.

    `relative` [3, N] are points from the place, which is `height` above the table, whose normal is `up`; a
    frame's rows are its axes.
    """
    half = opening / 2 + FINGER_THICKNESS
    middle = int(half / STEP)
    axes = frames.astype(np.float32)
    column, aside, z = _laid(relative, axes)
    column *= 1 / STEP
    np.rint(column, out=column)
    np.abs(aside, out=aside)
    inside = np.abs(column) <= middle
    # The nearest point in each step along the closing direction, of those before the fingers.
    profile = np.full((len(frames), 2 * middle + 1), np.inf, np.float32)
    at = np.flatnonzero(inside & (aside <= FINGER_WIDTH / 2))
    column += (middle + profile.shape[1] * np.arange(len(frames), dtype=np.float32))[:, None]
    np.minimum.at(profile.reshape(-1), column.reshape(-1).take(at).astype(np.intp), z.reshape(-1).take(at))

    # How much each axis rises, and how much the view goes along the approach.
    lean = np.array((up, ray), np.float32) @ axes.reshape(-1, 3).T
    lean, seen = lean[0].reshape(-1, 3).T, lean[1, 2::3]
    level = np.abs(lean)
    down = np.maximum(-lean[2], 1e-6)
    sunk = half * level[0]  # how much deeper the lower finger is than the place
    room = (height - ABOVE - sunk - FINGER_WIDTH / 2 * level[1]) / down
    sides = _sides(profile)
    reach = np.full(len(frames), LEAST_REACH, np.float32)
    for _ in range(2):
        low, high = _between(sides, np.minimum(reach, room))
        reach = np.minimum(np.maximum((high - low) / 2 + TIPS, LEAST_REACH), FINGER_LENGTH - SPARE)
    reach = np.minimum(reach, room)
    low, high = _between(sides, reach)
    width = high - low
    beside = (profile < reach[:, None]).sum(axis=1) - width / STEP
    low_before, high_before = _between(sides, reach - GRADE)

    palm = height + (FINGER_LENGTH - reach) * down - HALF_PALM * level[1] - sunk
    inside &= aside <= HALF_PALM
    inside &= z < (reach - (FINGER_LENGTH - SPARE / 2))[:, None]
    possible = (reach > 0.003) & (palm > ABOVE) & ~inside.any(axis=1)
    leaning = np.maximum(low_before - low + high - high_before - 2 * STEP, 0) / (2 * GRADE)
    # From 0 to 1: how far the tips get, how free it is beside, what is left of the opening on the narrower
    # side, how even the part lies between the fingers, how steep its sides are, and whether it is approached
    # from where it is seen.
    quality = (
        possible
        * np.minimum(np.maximum(reach, 0) / np.minimum(width / 2 + 0.002, LEAST_REACH), 1)
        * np.minimum(np.maximum(1 - 0.5 * beside, 0), 1)
        * np.minimum(np.maximum(opening / 2 - np.maximum(-low, high), 0) / MARGIN, 1)
        * np.maximum(1 - np.abs(low + high) / opening, 0)
        * np.minimum(np.maximum(1.5 - leaning, 0.1), 1)
        * (1 - NARROW * width / opening)
        * np.minimum(np.maximum(0.5 + seen, 0), 1)
    )
    return quality, reach


def _laid(points: Floats, frames: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the coordinates x, y and z, each [C, N], of points [3, N] in frames [C, 3, 3]."""
    count = points.shape[1]
    axes = frames.transpose(1, 0, 2).reshape(-1, 3)
    local = np.empty((len(axes), count), np.float32)
    for first in range(0, count, _AT_ONCE):
        np.matmul(axes, points[:, first : first + _AT_ONCE], out=local[:, first : first + _AT_ONCE])
    x, y, z = local.reshape(3, len(frames), count)
    return x, y, z


def _sides(profile: Floats) -> Floats:
    """Return how deep [2, C, M + 2] tips must go to find all steps taken up to each one, to the left and to
    the right of the middle; infinitely beyond the last.

    `profile` [C, 2 M + 1] is the nearest point in each step along the closing direction; the place is in the
    middle. A single free step is a gap of the grid.
    """
    middle = profile.shape[1] // 2
    filled = profile.copy()
    np.minimum(profile[:, 1:-1], np.maximum(profile[:, :-2], profile[:, 2:]), out=filled[:, 1:-1])
    sides = np.full((2, len(profile), middle + 2), np.inf, np.float32)
    sides[0, :, 1:-1], sides[1, :, 1:-1] = filled[:, middle - 1 :: -1], filled[:, middle + 1 :]
    sides[:, :, 0] = -np.inf
    np.maximum.accumulate(sides, axis=2, out=sides)
    return sides


def _between(sides: Floats, reach: Floats) -> Floats:
    """Return the ends [2, C], low and high in metres, of the part between fingers that reach so deep [C]."""
    free = (sides < reach[:, None]).argmin(axis=2)
    ends: Floats = (free - np.float32(0.5)) * _OUTWARDS
    return ends


_OUTWARDS = np.array([[-STEP], [STEP]], np.float32)
