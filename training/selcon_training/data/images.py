"""Reading pictures for training, truth maps, masks and label maps."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from selcon_ros.core.errors import ImageError
from selcon_ros.core.files.plain_file import read_bytes
from selcon_ros.core.pictures.image_decoding import decode
from selcon_ros.core.pictures.picture_files import read_image
from selcon_ros.core.pictures.pixel_limit import PixelLimit
from selcon_training.errors import DataError

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]

PIXEL_LIMIT = PixelLimit(200_000_000)
"""Of the pictures of data sets, which come from phones with such sensors too."""


def read_picture(path: Path, at_least: tuple[int, int] | None = None) -> U8:
    """Read a picture as `selcon_ros.core.pictures.picture_files.read_image` does. Raises DataError."""
    try:
        return read_image(path, at_least, PIXEL_LIMIT)
    except ImageError as error:
        raise _hinting(error) from None


def read_labels(path: Path) -> U8:
    """Read a label map as H x W uint8 ids, without any conversion. Raises DataError for anything but 8-bit
    grey."""
    labels = _read(path, cv2.IMREAD_UNCHANGED)
    if labels.ndim != 2 or labels.dtype != np.uint8:
        raise DataError(
            f"label map {path} is {labels.dtype} {labels.shape}: it must be an 8-bit single-channel image"
        )
    return labels


def same_aspect(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether a size (h, w) is the other one scaled, to the rounding of a pixel."""
    down, right = one[0] / other[0], one[1] / other[1]
    return abs(one[0] - right * other[0]) <= max(1, right) or abs(one[1] - down * other[1]) <= max(1, down)


def _read(path: Path, flags: int) -> U8:
    try:
        return decode(read_bytes(path, ImageError), path, flags, ImageError, None, PIXEL_LIMIT)
    except ImageError as error:
        raise _hinting(error) from None


def _hinting(error: ImageError) -> DataError:
    return DataError(f"{error}. All such files of a data set are found by: selcon data check ROOT")
