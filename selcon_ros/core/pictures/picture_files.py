"""Read and write pictures."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from selcon_ros.core.errors import ImageError
from selcon_ros.core.files.atomic_write import write_file
from selcon_ros.core.files.plain_file import read_bytes
from selcon_ros.core.pictures.image_decoding import decode, judge
from selcon_ros.core.pictures.pixel_limit import DEFAULT_LIMIT, PixelLimit


def read_image(
    path: str | Path, at_least: tuple[int, int] | None = None, limit: PixelLimit = DEFAULT_LIMIT
) -> NDArray[np.uint8]:
    """Return the picture [H, W, 3] uint8, RGB, turned as its EXIF orientation says.

    Grey becomes three equal channels, an alpha channel is dropped (as in the paper's code), 16 bit values
    are scaled to 8, CMYK and palettes are converted. With `at_least` (h, w) a JPEG may be decoded at a
    half, a quarter or an eighth of its size, as long as its sides, however it is turned, stay that long.
    Raises ImageError.
    """
    content = read_bytes(path, ImageError)
    image = decode(content, path, cv2.IMREAD_COLOR, ImageError, at_least, limit)
    return np.ascontiguousarray(image[:, :, ::-1], np.uint8)


def read_stored(path: str | Path, limit: PixelLimit = DEFAULT_LIMIT) -> tuple[NDArray[np.uint8], int]:
    """Return the picture [H, W, 3] uint8, RGB, as stored, and its EXIF orientation 1..8.

    Raises ImageError.
    """
    content = read_bytes(path, ImageError)
    orientation = judge(content, path, ImageError).orientation
    image = decode(content, path, cv2.IMREAD_COLOR, ImageError, limit=limit, turn=False)
    return np.ascontiguousarray(image[:, :, ::-1], np.uint8), orientation


def write_image(path: str | Path, image: NDArray[np.uint8]) -> None:
    """Write an RGB picture [H, W, 3] uint8; the name's ending says the format. Raises ImageError."""
    path = Path(path)
    try:
        done, data = cv2.imencode(path.suffix or ".png", image[:, :, ::-1])
    except cv2.error:
        done = False
    if not done:
        raise ImageError(f"cannot write {path}: choose a name that ends in .png or .jpg")
    try:
        write_file(path, data.tobytes())
    except OSError as error:
        raise ImageError(f"cannot write {path}: {error.strerror}") from None
