"""Where on a hot part a hand closes: in its middle, or where it gets a better hold."""

import math
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from selcon_ros.core.cameras.camera import Intrinsics
from selcon_ros.core.grasps import region_geometry as geometry
from selcon_ros.core.grasps.hand_clearance import Way, best_way, standing
from selcon_ros.core.grasps.hand_hold import FINGER_WIDTH
from selcon_ros.core.grasps.region_geometry import Place, Surface
from selcon_ros.core.grasps.regions import Region, fourth_power
from selcon_ros.core.grasps.support import Plane
from selcon_ros.core.grasps.vectors import Vector
from selcon_ros.core.grounding.actions import is_held, is_lid

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

# A hold so good needs no other place.
GOOD_QUALITY = 0.25
# Places that are tried beside the middle at most.
MAX_OTHER_PLACES = 7
# The top of a lid: so far below the height that this share of it does not reach, in metres.
TOP_METRES, TOP_QUANTILE = 0.006, 0.995


@dataclass(frozen=True)
class GraspCandidate:
    """A place to close at: its `pixel` (u, v) in the image and `position` in metres (optical frame), the
    `axes` [3, 3] of the surface there as columns, and how a hand comes to it."""

    place: Place
    pixel: tuple[int, int]
    position: Vector
    axes: Doubles
    way: Way


@dataclass(frozen=True)
class SeenPart:
    """What is seen of a hot part: its `surface` in a region, and the `plane` that it stands on, if any.

    Where no hand closes for `action`, the middle is the point, whatever a hand can do there.
    `depth` [H, W] is in metres; of `window` pixels along a side the median depth is a place's.
    """

    region: Region
    action: str
    surface: Surface
    plane: Plane | None
    depth: Floats
    intrinsics: Intrinsics
    window: int


def best_candidate(view: SeenPart, opening: float) -> GraspCandidate:
    """Return where to close a hand that opens by so many metres: in the middle of the part if it can.

    If it gets no good hold there, the first of the other places where it does; if there is none, or no plane
    is seen that says where the hand may be, or nothing is held there, the middle. At a lid on a plane its top
    comes before all of them. Raises LinAlgError where the middle has no axes.
    """
    if view.plane is not None and is_lid(view.action):
        with suppress(np.linalg.LinAlgError):
            highest = _candidate(view, top(view.surface, view.plane), opening)
            if highest.way.quality >= GOOD_QUALITY:
                return highest
    first = _candidate(view, middle(view.surface), opening)
    if not is_held(view.action) or view.plane is None or first.way.quality >= GOOD_QUALITY:
        return first
    focal = view.intrinsics.focal_length_at(*first.pixel)
    apart = FINGER_WIDTH * focal / first.position[2] / view.region.step
    for place in others(view.surface, first.place, apart):
        try:
            tried = _candidate(view, place, opening)
        except np.linalg.LinAlgError:
            continue
        if tried.way.quality >= GOOD_QUALITY:
            return tried
    return first


def _candidate(view: SeenPart, place: Place, opening: float) -> GraspCandidate:
    surface, half = view.surface, view.window // 2
    pixel = pixel_of(view.region, surface, place)
    window = (
        slice(max(place.v - half, 0), place.v + half + 1),
        slice(max(place.u - half, 0), place.u + half + 1),
    )
    z = _median(surface.patch.depth[window][surface.body[window]])
    x, y = surface.patch.ray(place.v, place.u)
    position = (x * z, y * z, z)
    axes = geometry.grasp_axes(geometry.nearby(surface, place), position)
    if view.plane is None:
        return GraspCandidate(place, pixel, position, axes, Way(axes, math.inf))
    scene = standing(view.depth, view.intrinsics, pixel, z, view.plane)
    way = best_way(scene, view.plane, position, axes, opening, is_lid(view.action))
    return GraspCandidate(place, pixel, position, axes, way)


def pixel_of(region: Region, surface: Surface, place: Place) -> tuple[int, int]:
    """Return the image's pixel (u, v) of a place."""
    return region.pixel(surface.corner[0] + place.v, surface.corner[1] + place.u)


def _median(values: Floats) -> float:
    values = np.sort(values)
    return (float(values[(len(values) - 1) // 2]) + float(values[len(values) // 2])) / 2


def middle(surface: Surface) -> Place:
    """Return the place to grasp in the hot part: hot, near the centre of heat, well inside the body.

    The body's outline, not the heat's, says where its middle is. The centre of heat itself may be outside: in
    the hole of a ring, or in the bend of a handle.
    """
    thickness = _thickness(surface)
    score = fourth_power(surface.heat)
    # A region's size is the root of its area; half of it is how far the point may wander.
    narrow = -2 / surface.count
    column = _nearness(cv2.reduce(score, 0, cv2.REDUCE_SUM), narrow)
    row = _nearness(cv2.reduce(score, 1, cv2.REDUCE_SUM), narrow)
    # Being thick counts less than being hot: the bottom of a mug is well inside it, its hot rim is not.
    score *= np.sqrt(thickness)
    score *= column
    score *= row[:, None]
    return _highest(surface, score, thickness)


def top(surface: Surface, plane: Plane) -> Place:
    """Return the middle of what is highest of the hot part above a plane: of a lid's knob, or of a cap."""
    (row, column), (height, width) = surface.hot, surface.heat.shape
    box = slice(row, row + height), slice(column, column + width)
    heights = surface.patch.along(plane.normal)[box]
    hot = (surface.heat > 0) & surface.patch.measured[box]
    if not hot.any():
        return middle(surface)
    # A few pixels are flying ones, or noise.
    high = hot & (heights >= np.quantile(heights[hot], TOP_QUANTILE) - TOP_METRES)
    thickness = cv2.distanceTransform(geometry.without_holes(high), cv2.DIST_L2, 3)[1:-1, 1:-1]
    rows, columns = np.nonzero(high)
    nearest = int(np.argmin((rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2))
    v, u = int(rows[nearest]), int(columns[nearest])
    return Place(column + u, row + v, float(thickness[v, u]))


def others(surface: Surface, first: Place, apart: float) -> Iterator[Place]:
    """Give other places in the hot part, hot ones well inside the body first, up to `MAX_OTHER_PLACES`.

    Each is at least `apart` pixels from the first and from those before, and half as far as the part is
    thick there: a body that is too wide is so beside its middle, too.
    """
    thickness = _thickness(surface)
    score = fourth_power(surface.heat)
    score *= np.sqrt(thickness)
    (top, left), (height, width) = surface.hot, surface.heat.shape
    v, u = np.ogrid[top : top + height, left : left + width]
    # Farther off there is nothing; the square of what a camera of an absurd focal length asks would overflow.
    apart = min(apart, height + width)
    place = first
    for _ in range(MAX_OTHER_PLACES):
        score[(v - place.v) ** 2 + (u - place.u) ** 2 < max(apart, place.thickness) ** 2] = 0
        place = _highest(surface, score, thickness)
        if score[place.v - top, place.u - left] <= 0:
            return
        yield place


def _thickness(surface: Surface) -> Floats:
    """Return half the body's thickness in pixels [a, b] in the box around the hot part."""
    (top, left), (height, width) = surface.hot, surface.heat.shape
    # Beyond the box nothing is of the body.
    thickness = np.asarray(cv2.distanceTransform(surface.closed, cv2.DIST_L2, 3), np.float32)
    return thickness[top + 1 : top + 1 + height, left + 1 : left + 1 + width]


def _highest(surface: Surface, score: Floats, thickness: Floats) -> Place:
    """Return the place in the hot part whose score [a, b] is the highest."""
    v, u = divmod(int(score.argmax()), score.shape[1])
    return Place(surface.hot[1] + u, surface.hot[0] + v, float(thickness[v, u]))


def _nearness(sums: NDArray[Any], narrow: float) -> Floats:
    """Return a Gaussian [n] around the centre of n weights: exp(`narrow` times the distance squared)."""
    weight = sums.ravel()
    distance = np.arange(len(weight), dtype=np.float32)
    distance -= float(weight @ distance) / float(weight.sum())
    distance *= distance
    distance *= narrow
    return np.exp(distance, out=distance)
