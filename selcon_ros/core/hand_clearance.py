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

from selcon_ros.core.camera import Intrinsics, deproject
from selcon_ros.core.region_geometry import Plane, cross, forward

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

_COS, _SIN = (wave(np.pi / TURNS * np.arange(TURNS))[:, None] for wave in (np.cos, np.sin))
_TILTS = np.deg2rad(TILTS)[:, None, None]


def standing(depth: Floats, intrinsics: Intrinsics, pixel: tuple[int, int], z: float, plane: Plane) -> Floats:
    """Return points [N, 3] of what stands on a plane around a pixel (u, v) at depth `z`, on a coarse grid."""
    half = max(1, min(int(NEAR / z * intrinsics.focal_length_at(*pixel)), max(depth.shape)))
    u0, v0 = max(pixel[0] - half, 0), max(pixel[1] - half, 0)
    step = max(1, 2 * half // SAMPLES)
    box = depth[v0 : pixel[1] + half + 1 : step, u0 : pixel[0] + half + 1 : step]
    points = deproject(box, intrinsics, (u0, v0), step)
    ring = np.ones((3, 3), np.uint8)
    ring[1, 1] = 0
    nearest = np.empty_like(box)
    cv2.erode(np.where(np.isfinite(points[..., 2]), box, np.float32(np.inf)), ring, dst=nearest)
    solid = (box > nearest - FLYING) & (
        points @ plane.normal.astype(np.float32) > plane.offset + plane.tolerance
    )
    found: Floats = points[solid]
    return found


@dataclass(frozen=True)
class Way:
    """How to come to a place: `axes` [3, 3] as columns (x closes, z approaches), and the `reach` of the tips
    past it in metres, infinite where nothing limits it."""

    axes: Doubles
    reach: float


def best_way(points: Floats, plane: Plane, place: Floats, axes: Doubles, opening: float) -> Way:
    """Return the best way to close at a place [3].

    `points` [N, 3] stand on `plane`. `axes` are the first way, that of the part's own surface: it is kept,
    with any reach, where it is nearly as good as the best one, or where none is possible.
    """
    ray = place.astype(np.float64) / np.linalg.norm(place)
    height = float(plane.normal @ place) - plane.offset
    frames = ways(axes, plane.normal, ray)
    quality, reach = qualities(points - place, height, plane.normal, frames, ray, opening)
    quality *= 1 - TURNED * (1 - (axes[:, 0] @ frames[:, :, 0].T) ** 2)
    best = int(quality.argmax())
    if quality[0] >= KEPT * quality[best]:
        return Way(axes, math.inf)
    closing, approach = forward(frames[best, :, 0]), frames[best, :, 2]
    level = np.stack([closing, cross(approach, closing), approach], axis=1)
    return Way(level, float(reach[best]))


def ways(axes: Doubles, normal: Doubles, ray: Doubles) -> Doubles:
    """Return frames [C, 3, 3] (columns x, y, z as a grasp's axes): `axes` first, then those that close level
    with a table, whose normal is given, and come from straight above to level, from the camera's side.

    The first direction is square to the part's long axis, y of `axes`; where that stands upright, to its
    approach. `ray` [3] is the direction of view.
    """
    along = axes[:, 1] - (axes[:, 1] @ normal) * normal
    if along @ along < 0.25:
        along = axes[:, 2] - (axes[:, 2] @ normal) * normal
    along = along / math.sqrt(along @ along)
    across = cross(normal, along)
    closing = _COS * across + _SIN * along  # [T, 3]
    ahead = _SIN * across - _COS * along
    ahead = np.where((ahead @ ray < 0)[:, None], -ahead, ahead)
    frames = np.empty((1 + len(_TILTS) * TURNS, 3, 3))
    frames[0] = axes
    level = frames[1:].reshape(len(_TILTS), TURNS, 3, 3)
    level[..., 0] = closing
    level[..., 2] = np.sin(_TILTS) * ahead - np.cos(_TILTS) * normal
    level[..., 1] = cross(level[..., 2].T, level[..., 0].T).T
    return frames


def qualities(
    relative: Floats, height: float, normal: Doubles, frames: Doubles, ray: Doubles, opening: float
) -> tuple[Doubles, Doubles]:
    """Return how good it is to close in each frame [C, 3, 3] at a place, 0 (impossible) to 1, and the reach
    of the tips [C] in metres past the place.

    `relative` [N, 3] are points from the place, which is `height` above the table.
    """
    count = len(frames)
    local = relative @ frames.astype(np.float32).transpose(1, 0, 2).reshape(3, -1)
    local = local.reshape(-1, count, 3)
    half = opening / 2 + FINGER_THICKNESS
    middle = int(half / STEP)
    column = np.rint(local[..., 0] * np.float32(1 / STEP)).astype(np.int32) + middle
    aside, z = np.abs(local[..., 1]), local[..., 2]
    inside = (column >= 0) & (column <= 2 * middle)
    slab = inside & (aside <= FINGER_WIDTH / 2)
    # The nearest point in each step along the closing direction, of those before the fingers.
    profile = np.full((count, 2 * middle + 1), np.inf, np.float32)
    np.minimum.at(
        profile.reshape(-1), (column + profile.shape[1] * np.arange(count, dtype=np.int32))[slab], z[slab]
    )
    top = np.where(inside & (aside <= HALF_PALM), z, np.float32(np.inf)).min(axis=0, initial=np.inf)

    lean = normal @ frames  # how much each axis rises [C, 3]
    down = np.maximum(-lean[:, 2], 1e-6)
    sunk = half * np.abs(lean[:, 0])  # how much deeper the lower finger is than the place
    room = (height - ABOVE - sunk - FINGER_WIDTH / 2 * np.abs(lean[:, 1])) / down
    reach = np.full(count, LEAST_REACH)
    for _ in range(2):
        low, high = _between(profile < np.minimum(reach, room)[:, None])
        reach = np.minimum(np.maximum((high - low) / 2 + TIPS, LEAST_REACH), FINGER_LENGTH - SPARE)
    reach = np.minimum(reach, room)
    taken = profile < reach[:, None]
    low, high = _between(taken)
    beside = taken.sum(axis=1) - (high - low) / STEP
    low_before, high_before = _between(profile < (reach - GRADE)[:, None])
    width = high - low

    palm = height + (FINGER_LENGTH - reach) * down - HALF_PALM * np.abs(lean[:, 1]) - sunk
    possible = (reach > 0.003) & (palm > ABOVE) & (top >= reach - FINGER_LENGTH + SPARE / 2)
    leaning = np.maximum(low_before - low + high - high_before - 2 * STEP, 0) / (2 * GRADE)
    # From 0 to 1: how far the tips get, how free it is beside, what is left of the opening on the narrower
    # side, how even the part lies between the fingers, how steep its sides are, and whether it is approached
    # from where it is seen.
    quality = (
        possible
        * np.minimum(np.maximum(reach, 0) / np.minimum(width / 2 + 0.002, LEAST_REACH), 1)
        * np.clip(1 - 0.5 * beside, 0, 1)
        * np.minimum(np.maximum(opening / 2 - np.maximum(-low, high), 0) / MARGIN, 1)
        * np.maximum(1 - np.abs(low + high) / opening, 0)
        * np.minimum(np.maximum(1.5 - leaning, 0.1), 1)
        * (1 - NARROW * width / opening)
        * np.minimum(np.maximum(0.5 + ray @ frames[:, :, 2].T, 0), 1)
    )
    return quality, reach


def _between(taken: NDArray[np.bool_]) -> tuple[Doubles, Doubles]:
    """Return the ends [C], low and high in metres, of the part between the fingers.

    `taken` [C, 2 M + 1] is where there is something in each step along the closing direction; the place is in
    the middle. A single free step is a gap of the grid.
    """
    middle = taken.shape[1] // 2
    solid = np.zeros((len(taken), taken.shape[1] + 2), np.bool_)
    solid[:, 1:-1] = taken
    solid[:, 2:-2] |= taken[:, :-2] & taken[:, 2:]
    solid[:, middle + 1] = True
    right = solid[:, middle + 1 :].argmin(axis=1)
    left = solid[:, middle + 1 :: -1].argmin(axis=1)
    return STEP * (0.5 - left), STEP * (right - 0.5)
