"""A picture and its truth map: where the map lies on the picture as the picture is read, turned by EXIF."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from selcon_ros.core.files.plain_file import read_bytes
from selcon_ros.core.pictures.image_decoding import judge
from selcon_ros.core.pictures.orientation import upright
from selcon_training.data.images import U8, same_aspect
from selcon_training.data.truth_maps import TruthMap, decode_truth
from selcon_training.errors import DataError


class TurnError(DataError):
    """A picture is turned by EXIF, and nothing tells whether its truth map is of the turned raster."""


@dataclass(frozen=True)
class Stored:
    """How a picture is stored: (height, width) before turning, and its EXIF orientation 1..8."""

    size: tuple[int, int]
    orientation: int

    @property
    def upright(self) -> tuple[int, int]:
        """(height, width) of the picture as it is read."""
        return self.size[::-1] if self.orientation > 4 else self.size


def turn_of(truth: Stored, picture: Stored, name: str, picture_name: str) -> int:
    """Return the EXIF orientation by which a truth map has to be turned to lie on its picture as that is
    read: 1, or the picture's where the map is of the raster before turning.

    Their sizes tell where EXIF swaps the sides, and an orientation in the map itself does. Raises TurnError
    where nothing tells, and where only the map is turned.
    """
    if truth.orientation == picture.orientation:
        return picture.orientation
    if truth.orientation == 1:
        for fits in (tuple.__eq__, same_aspect):
            before, after = fits(truth.size, picture.size), fits(truth.size, picture.upright)
            if before != after:
                return picture.orientation if before else 1
        if not after:
            return 1  # of another shape than its picture, however that is turned
    if picture.orientation == 1:
        raise TurnError(
            f"truth map {name} is turned by EXIF (orientation {truth.orientation}), but its picture "
            f"{picture_name} is not: save the map without the orientation, as it lies on the picture"
        )
    raise TurnError(
        f"{picture_name} is turned by EXIF (orientation {picture.orientation}), and its truth map {name} may "
        "be of the picture before or after that: save the picture upright, without the orientation "
        "(ImageMagick: mogrify -auto-orient), and see that its map lies on it"
    )


def read_truth(paths: Sequence[Path], picture: Path) -> U8:
    """The union (maximum) of truth maps or masks of one picture and action, h x w uint8, 0..255, turned as
    the picture is read. Raises DataError for maps that are unclear or whose sizes differ."""
    try:
        return _union(paths, picture)
    except DataError as error:
        raise DataError(
            f"{error}. All such files of a data set are found by: selcon data check ROOT"
        ) from None


def _union(paths: Sequence[Path], picture: Path) -> U8:
    maps = [_turned(path, picture) for path in paths]
    for path, values in zip(paths, maps, strict=True):
        if values.shape != maps[0].shape:
            raise DataError(
                f"truth map {path} is {values.shape}, but {paths[0]} of the same picture {maps[0].shape}"
            )
    union: U8 = np.maximum.reduce(maps)
    return union


def fitting(paths: Sequence[Path], picture: Path) -> U8:
    """`read_truth`; the map may be larger or smaller than its picture, of its shape. Raises DataError."""
    truth, size = _union(paths, picture), stored_as(picture).upright
    if not same_aspect(size, (truth.shape[0], truth.shape[1])):
        raise DataError(
            f"truth map {paths[0]} is {truth.shape[1]} x {truth.shape[0]} pixels: not the shape of its image "
            f"{picture}, which is {size[1]} x {size[0]}: draw it on this image, or take both out"
        )
    return truth


def stored_as(picture: Path) -> Stored:
    """How an image file is stored, from its header. Raises DataError."""
    try:
        about = picture.stat()
    except OSError as error:
        raise DataError(f"cannot read {picture}: {error.strerror}") from None
    return _stored_as(picture, about.st_mtime_ns, about.st_size)


@lru_cache(maxsize=1 << 17)
def _stored_as(picture: Path, _time: int, _size: int) -> Stored:
    header = judge(read_bytes(picture, DataError), picture, DataError)
    return Stored((header.height, header.width), header.orientation)


def _turned(path: Path, picture: Path) -> U8:
    truth = decode_truth(read_bytes(path, DataError), path)
    turn = turn_of(stored_truth(truth), stored_as(picture), str(path), str(picture))
    return upright(truth.values, turn)


def stored_truth(truth: TruthMap) -> Stored:
    """How a truth map is stored."""
    return Stored((truth.values.shape[0], truth.values.shape[1]), truth.orientation)
