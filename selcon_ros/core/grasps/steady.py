"""Steady grasp points: averaged over the frames in which nothing moves, so that noise does not shake them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from selcon_ros.core.grasps.grasp_result import GraspPoint, GraspResult

Floats = NDArray[np.float64]

MAX_DISTANCE_METRES = 0.02
"""Metres between two places of one grasp point, at most: no answer is farther from what was seen."""
MAX_DISTANCE_SHARE = 0.02
"""The same for points without a pose, as a share of the image's longer side."""
MAX_ANGLE_DEGREES = 30.0
"""Degrees. Axes that are farther apart are not averaged: those of the newest frame are taken."""
CELLS_PER_SIDE = 80
"""The image is compared in cells, so many along its longer side."""
MOTION_RADIUS_CELLS = 8
"""Cells in each direction from a grasp point in which motion counts: not that of an arm elsewhere."""
MIN_CHANGE_LEVELS = 6.0
"""Grey levels, of 255, by which one of these cells must change for something to have moved."""
MAX_MISSES = 5
"""Frames in a row that a grasp point may be missing without being forgotten."""
_HALF_TURN = np.array([0.0, 0.0, 1.0, 0.0])


@dataclass(frozen=True)
class _Track:
    """A grasp point over `count` frames: the means, and the cells around it in the first of them."""

    point: GraspPoint
    place: Floats
    orientation: Floats | None
    count: int
    cells: NDArray[np.float32]
    box: tuple[slice, slice]
    misses: int = 0


class SteadyGrasps:
    """Averages the grasp points of a camera that stands still, frame by frame.

    A point of this frame and one of the frames before are the same if both are of one action, within
    `MAX_DISTANCE_METRES` of each other, and the image around them has not changed since the first of these
    frames. Where the camera or the object moves, for another object and for a new action the average so
    begins anew.
    Nothing is answered that this frame does not show: a point that is missing in it is left out.
    """

    def __init__(self) -> None:
        self._tracks: dict[str, list[_Track]] = {}
        self._size: tuple[int, ...] = ()

    def update(
        self, image: NDArray[np.uint8], results: Mapping[str, GraspResult], frames: int
    ) -> dict[str, GraspResult]:
        """Return the results of a frame by action, with averaged points, best average score first.

        image: [H, W, 3], RGB. results: what was found in it for each action that is asked for; others are
        forgotten. frames: how many the average is taken over: the plain mean of the first ones, from then on
        the newest one counts 1/frames. With 1 the results are returned as they are.
        """
        if frames <= 1 or image.shape != self._size:
            self._tracks, self._size = {}, image.shape
        if frames <= 1:
            return dict(results)
        cells = _cells(image)
        self._tracks = {action: self._still(action, cells) for action in results}
        return {
            action: self._update(action, result, cells, image, frames) for action, result in results.items()
        }

    def _still(self, action: str, cells: NDArray[np.float32]) -> list[_Track]:
        """The tracks around which nothing has moved, each missed until it is found."""
        return [
            replace(track, misses=track.misses + 1)
            for track in self._tracks.get(action, ())
            if track.misses < MAX_MISSES and not _moved(track.cells, cells[track.box])
        ]

    def _update(
        self,
        action: str,
        result: GraspResult,
        cells: NDArray[np.float32],
        image: NDArray[np.uint8],
        frames: int,
    ) -> GraspResult:
        missed, seen = self._tracks[action], list[_Track]()
        longer = max(image.shape[:2])
        for point in result.points:
            place = _place(point)
            fitting = [(_distance(track, point, longer), number) for number, track in enumerate(missed)]
            distance, number = min(fitting, default=(np.inf, 0))
            if distance <= 1:
                seen.append(_averaged(missed.pop(number), point, place, frames))
            else:
                box = _box(point, cells.shape, longer)
                seen.append(_Track(point, place, _orientation(point), 1, cells[box].copy(), box))
        # One point that is now here, now there: what it was elsewhere is left over.
        for number, point in enumerate(result.points):
            for track in [each for each in missed if _distance(each, point, longer) <= 1]:
                missed.remove(track)
                seen[number] = _merged(seen[number], track, frames)
        self._tracks[action] = missed + seen
        points = sorted((track.point for track in seen), key=lambda point: -point.score)
        return replace(result, points=tuple(points))


def _distance(track: _Track, point: GraspPoint, longer: int) -> float:
    """How far a point is from a track, as a share of how far it may be; infinite if one alone has a pose."""
    if (track.point.position is None) != (point.position is None):
        return float(np.inf)
    near = MAX_DISTANCE_METRES if point.position is not None else MAX_DISTANCE_SHARE * longer
    return float(np.linalg.norm(track.place - _place(point))) / near


def _cells(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The image's grey levels in cells [h, w]: noise is averaged away in each, motion at an edge is not."""
    height, width = image.shape[:2]
    scale = CELLS_PER_SIDE / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    # Rows and columns are few enough then for the rest to cost nothing.
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    grey: NDArray[np.float32] = small.mean(axis=2)
    return grey


def _moved(before: NDArray[np.float32], now: NDArray[np.float32]) -> bool:
    """Whether one cell has changed more than all of them together, as they do in another light."""
    if before.shape != now.shape:
        return True
    change = now - before
    return bool(np.abs(change - np.median(change)).max() > MIN_CHANGE_LEVELS)


def _box(point: GraspPoint, shape: tuple[int, ...], longer: int) -> tuple[slice, slice]:
    """The cells around a point."""
    u, v = (int(value * CELLS_PER_SIDE / longer) for value in point.pixel)
    v, u = min(max(v, 0), shape[0] - 1), min(max(u, 0), shape[1] - 1)
    return slice(max(v - MOTION_RADIUS_CELLS, 0), v + MOTION_RADIUS_CELLS + 1), slice(
        max(u - MOTION_RADIUS_CELLS, 0), u + MOTION_RADIUS_CELLS + 1
    )


def _place(point: GraspPoint) -> Floats:
    return np.array(point.pixel if point.position is None else point.position, np.float64)


def _orientation(point: GraspPoint) -> Floats | None:
    return None if point.orientation is None else np.array(point.orientation, np.float64)


def _averaged(track: _Track, point: GraspPoint, place: Floats, frames: int) -> _Track:
    """The track with one more frame."""
    count = min(track.count + 1, frames)
    share = 1 / count
    before, jaws = track.point, point.jaws
    orientation, turned = _orientation(point), False
    if orientation is not None and track.orientation is not None:
        orientation, turned = _alike(orientation, track.orientation)
        angle = np.degrees(2 * np.arccos(min(float(orientation @ track.orientation), 1.0)))
        if angle <= MAX_ANGLE_DEGREES:
            orientation = track.orientation + share * (orientation - track.orientation)
            orientation = orientation / np.linalg.norm(orientation)
        if turned and jaws is not None:
            jaws = (jaws[1], jaws[0])
    place = track.place + share * (place - track.place)
    mean = replace(
        point,
        pixel=_mean(before.pixel, point.pixel, share),
        score=before.score + share * (point.score - before.score),
        position=None if point.position is None else _position(place),
        orientation=None if orientation is None else _quaternion(orientation),
        width=_mean_of(before.width, point.width, share),
        jaws=jaws
        if jaws is None or before.jaws is None
        else (_mean(before.jaws[0], jaws[0], share), _mean(before.jaws[1], jaws[1], share)),
    )
    return replace(track, point=mean, place=place, orientation=orientation, count=count, misses=0)


def _merged(track: _Track, other: _Track, frames: int) -> _Track:
    """The track at the mean place of two. A ball is convex: it is near enough if both are."""
    share = other.count / (track.count + other.count)
    place = track.place + share * (other.place - track.place)
    point = replace(
        track.point,
        pixel=_mean(track.point.pixel, other.point.pixel, share),
        position=None if track.point.position is None else _position(place),
    )
    return replace(track, point=point, place=place, count=min(track.count + other.count, frames))


def _alike(orientation: Floats, other: Floats) -> tuple[Floats, bool]:
    """The quaternion of the same grasp that is nearest to another, and whether it is turned by half a turn.

    A gripper has no right and left jaw: turned by 180 degrees about its approach it grasps the same.
    """
    half = _product(orientation, _HALF_TURN)
    turned = bool(abs(half @ other) > abs(orientation @ other))
    found = half if turned else orientation
    return (found if found @ other >= 0 else -found), turned


def _product(first: Floats, second: Floats) -> Floats:
    """The Hamilton product of two quaternions (x, y, z, w)."""
    a, b = first[:3], second[:3]
    vector = first[3] * b + second[3] * a + np.cross(a, b)
    return np.array([*vector, first[3] * second[3] - a @ b])


def _quaternion(values: Floats) -> tuple[float, float, float, float]:
    x, y, z, w = (float(value) for value in values)
    return x, y, z, w


def _position(place: Floats) -> tuple[float, float, float]:
    return float(place[0]), float(place[1]), float(place[2])


def _mean(before: tuple[float, float], now: tuple[float, float], share: float) -> tuple[float, float]:
    return before[0] + share * (now[0] - before[0]), before[1] + share * (now[1] - before[1])


def _mean_of(before: float | None, now: float | None, share: float) -> float | None:
    return now if before is None or now is None else before + share * (now - before)
