"""Read and write pictures."""

import os
import stat
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from selcon_ros.core.atomic_write import write_file
from selcon_ros.core.errors import ImageError, SelconError
from selcon_ros.core.image_decoding import decode, judge
from selcon_ros.core.pixel_limit import ORDINARY, PixelLimit

MAX_FILE_BYTES = 512 * 2**20
"""A larger file is refused: no picture within the limit of pixels has as many bytes."""


def read_image(
    path: str | Path, at_least: tuple[int, int] | None = None, limit: PixelLimit = ORDINARY
) -> NDArray[np.uint8]:
    """Return the picture [H, W, 3] uint8, RGB, turned as its EXIF orientation says.

    Grey becomes three equal channels, an alpha channel is dropped (as in the paper's code), 16 bit values
    are scaled to 8, CMYK and palettes are converted. With ``at_least`` (h, w) a JPEG may be decoded at a
    half, a quarter or an eighth of its size, as long as its sides, however it is turned, stay that long.
    Raises ImageError.
    """
    content = read_bytes(path, ImageError)
    image = decode(content, path, cv2.IMREAD_COLOR, ImageError, at_least, limit)
    return np.ascontiguousarray(image[:, :, ::-1], np.uint8)


def read_stored(path: str | Path, limit: PixelLimit = ORDINARY) -> tuple[NDArray[np.uint8], int]:
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


def read_bytes(path: str | Path, fault: type[SelconError], limit: int = MAX_FILE_BYTES) -> bytes:
    """Return the content of a plain file of at most ``limit`` bytes.

    Raises ``fault`` for a file that is missing, unreadable or larger, and for what is no plain file (a
    directory, a pipe, a device): nothing waits for a writer, and nothing endless is read.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            about = os.fstat(handle)
            if not stat.S_ISREG(about.st_mode):
                raise fault(f"cannot read {path}: it is {_kind(about.st_mode)}, not a plain file")
            with open(handle, "rb", closefd=False) as file:
                # A read reserves what it is asked for, so it is asked for little more than there is.
                most = min(limit, max(about.st_size, 1 << 20))
                content = file.read(most + 1) if about.st_size <= limit else b""
        finally:
            os.close(handle)
    except (OSError, ValueError) as error:
        if isinstance(error, fault):
            raise
        reason = error.strerror if isinstance(error, OSError) else str(error)  # a name with a zero byte
        raise fault(f"cannot read {path}: {reason}") from None
    size = max(about.st_size, len(content))
    if size > limit:
        raise fault(f"cannot read {path}: it has {size} bytes, more than the {limit} that are read")
    return content


def require_plain_file(path: str | Path, fault: type[SelconError]) -> None:
    """Raise ``fault`` unless there is a plain file at `path`, for libraries that open it themselves."""
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise fault(f"cannot read {path}: {reason}") from None
    if not stat.S_ISREG(mode):
        raise fault(f"cannot read {path}: it is {_kind(mode)}, not a plain file")


def _kind(mode: int) -> str:
    if stat.S_ISDIR(mode):
        return "a directory"
    return "a pipe" if stat.S_ISFIFO(mode) else "a device"
