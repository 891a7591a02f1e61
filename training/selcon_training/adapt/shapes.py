"""What people draw on a photo: polygons and bitmaps, and the mask that they make at any size."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from selcon_ros.core.text import quoted
from selcon_training.data.images import U8
from selcon_training.errors import DataError

Size = tuple[int, int]
"""(height, width)."""
RASTER_FACTOR = 4
"""Polygons are filled on a raster so many times finer: OpenCV takes in the pixels of their border whole."""
_SUBPIXEL_BITS = 4
MAX_POINTS = 100_000
MAX_CROSSINGS = 5e9
"""Of the squares of the numbers of lines that meet in a row, the sum over a picture's rows: the time to fill
a polygon grows with it, to some seconds here."""


class Shape(Protocol):
    """A region of a picture."""

    def raster(self, picture: Size, size: Size) -> NDArray[np.bool_]:
        """The region of a picture of (height, width) on a raster of `size`. Raises DataError."""


@dataclass(frozen=True)
class Polygon:
    """A closed polygon N x 2 (x, y) in the picture's pixels, whose corners have whole numbers."""

    points: NDArray[np.float64]

    def raster(self, picture: Size, size: Size) -> NDArray[np.bool_]:
        fine = np.zeros((RASTER_FACTOR * size[0], RASTER_FACTOR * size[1]), np.uint8)
        scale = np.array([fine.shape[1] / picture[1], fine.shape[0] / picture[0]])
        # Points are on the borders between pixels, OpenCV's are their middles.
        corners = np.rint((self.points * scale - 0.5) * (1 << _SUBPIXEL_BITS)).astype(np.int32)
        cv2.fillPoly(fine, [corners], 255, cv2.LINE_8, _SUBPIXEL_BITS)
        return cv2.resize(fine, size[::-1], interpolation=cv2.INTER_AREA) > 127


@dataclass(frozen=True)
class Bitmap:
    """A mask of the whole picture, above 127 where the region is; `load` makes it when it is asked for."""

    load: Callable[[], U8]
    name: str

    def raster(self, picture: Size, size: Size) -> NDArray[np.bool_]:
        mask = self.load()
        if mask.shape != picture:
            raise DataError(
                f"{self.name} is a mask of {mask.shape[1]} x {mask.shape[0]} pixels, its photo has "
                f"{picture[1]} x {picture[0]}: draw it anew on this photo"
            )
        filled = (mask > 127).astype(np.uint8) * np.uint8(255)
        kept: NDArray[np.bool_] = cv2.resize(filled, size[::-1], interpolation=cv2.INTER_AREA) > 127
        return kept


@dataclass(frozen=True)
class Labelled:
    """A photo and what is drawn on it by label.

    `complete`: a label that other photos have and this one lacks does not occur in it.
    `truths`: truth maps that were made already, by label.
    """

    path: Path
    shapes: Mapping[str, Sequence[Shape]]
    complete: bool = True
    truths: Mapping[str, Callable[[], U8]] | None = None


def polygon(points: Any, picture: Size, where: str) -> Polygon:
    """A polygon of points [x, y], checked; up to a pixel outside the picture is cut. Raises DataError."""
    try:
        found = np.asarray(points, np.float64)
    except (TypeError, ValueError):
        found = np.zeros(0)
    if found.ndim != 2 or found.shape[1] != 2 or not 3 <= len(found) <= MAX_POINTS:
        raise DataError(f"{where} must have 3 to {MAX_POINTS} points x, y: {quoted(points, 80)}")
    limit = np.array(picture[::-1], np.float64)
    if not (np.isfinite(found).all() and (found >= -1).all() and (found <= limit + 1).all()):
        raise DataError(
            f"{where} has points outside its photo of {picture[1]} x {picture[0]} pixels: draw it anew"
        )
    inside = np.clip(found, 0.0, limit)
    rows = np.stack([inside[:, 1], np.roll(inside[:, 1], 1)])
    # Where a line begins and ends to cross the middles of rows.
    begins, ends = (
        np.bincount(np.ceil(each - 0.5).astype(int), minlength=picture[0] + 2)
        for each in (rows.min(axis=0), rows.max(axis=0))
    )
    met = np.cumsum(begins - ends)
    if np.square(met, dtype=np.float64).sum() > MAX_CROSSINGS:
        raise DataError(
            f"{where} crosses itself too often, {met.max()} lines meet in one row of its photo: draw it anew"
        )
    return Polygon(inside)


def rectangle(corners: Any, picture: Size, where: str) -> Polygon:
    """The rectangle between two opposite corners [x, y]. Raises DataError."""
    try:
        (left, top), (right, bottom) = np.asarray(corners, np.float64)
    except (TypeError, ValueError):
        raise DataError(f"{where} must have two corners x, y: {quoted(corners, 80)}") from None
    return polygon([[left, top], [right, top], [right, bottom], [left, bottom]], picture, where)


def ellipse(centre: Any, radii: Any, picture: Size, where: str, degrees: float = 0.0) -> Polygon:
    """An ellipse as a polygon, cut at the picture's border. Raises DataError."""
    turns = np.linspace(0.0, 2.0 * np.pi, 65)[:-1]
    angle = np.radians(degrees)
    try:
        own = np.stack([float(radii[0]) * np.cos(turns), float(radii[1]) * np.sin(turns)], axis=1)
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        points = own @ turn + np.asarray(centre, np.float64)
    except (TypeError, ValueError, IndexError):
        raise DataError(f"{where} must have a centre and a radius: {quoted(centre, 80)}") from None
    return polygon(np.clip(points, 0.0, np.array(picture[::-1], np.float64)), picture, where)


def runs(counts: Sequence[int], size: Size, where: str) -> U8:
    """The mask h x w (0 or 255), row by row, of the lengths of its runs, the first of which is outside.

    Raises DataError for lengths that do not add up to its pixels.
    """
    lengths = np.asarray(counts, np.int64)
    total = size[0] * size[1]
    fit = lengths.ndim == 1 and 0 < len(lengths) <= 2 * total and 0 <= lengths.min() <= lengths.max() <= total
    if not fit or lengths.sum() != total:
        raise DataError(f"{where}: its runs do not add up to {size[1]} x {size[0]} pixels: export it again")
    values = np.zeros(len(lengths), np.uint8)
    values[1::2] = 255
    return np.repeat(values, lengths).reshape(size)
