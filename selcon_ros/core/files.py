"""Read and write pictures."""

import os
import stat
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from selcon_ros.core.errors import ImageError, SelconError
from selcon_ros.core.image_header import ImageHeader, read_header

MAX_PIXELS = 200_000_000
"""A larger picture is refused: decoded it would take over 600 MB, and a small file may claim any size."""
MAX_FILE_BYTES = 512 * 2**20
"""A larger file is refused: no picture within the limit of pixels has as many bytes."""
REDUCED = {8: cv2.IMREAD_REDUCED_COLOR_8, 4: cv2.IMREAD_REDUCED_COLOR_4, 2: cv2.IMREAD_REDUCED_COLOR_2}


def read_image(path: str | Path, at_least: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    """Return the picture [H, W, 3] uint8, RGB, turned as a JPEG's EXIF says.

    Grey becomes three equal channels, an alpha channel is dropped (as in the paper's code), 16 bit values
    are scaled to 8, CMYK and palettes are converted. With ``at_least`` (h, w) a JPEG may be decoded at a
    half, a quarter or an eighth of its size, as long as its sides, however it is turned, stay that long.
    Raises ImageError.
    """
    image = decode(read_bytes(path, ImageError), path, cv2.IMREAD_COLOR, ImageError, at_least)
    return np.ascontiguousarray(image[:, :, ::-1], np.uint8)


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
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.tobytes())
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
                content = file.read(limit + 1) if about.st_size <= limit else b""
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


def _kind(mode: int) -> str:
    if stat.S_ISDIR(mode):
        return "a directory"
    return "a pipe" if stat.S_ISFIFO(mode) else "a device"


def decode(
    content: bytes,
    name: str | Path,
    flags: int,
    fault: type[SelconError],
    at_least: tuple[int, int] | None = None,
) -> NDArray[np.generic]:
    """Decode an image file's content with OpenCV's ``flags``; ``at_least`` is as in `read_image`.

    Raises ``fault``, naming the file ``name``, for what is empty, cut short, over MAX_PIXELS or no image.
    """
    if not content:
        raise fault(f"{name} is empty: copy it again or remove it")
    header = read_header(content)
    if header is not None and not header.whole:
        raise fault(f"{name} is cut short: its {header.kind} data has no end; copy it again or remove it")
    if header is not None and header.pixels > MAX_PIXELS:
        raise fault(
            f"{name} has {header.width} x {header.height} pixels; at most {MAX_PIXELS // 10**6} million are "
            "read: shrink it first"
        )
    if at_least is not None and header is not None and header.kind == "JPEG":
        flags = REDUCED.get(_reduction(header, at_least), flags)
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    except cv2.error:
        image = None
    if image is None:
        raise fault(f"{name} is not an image that OpenCV reads, or it is damaged")
    return image


def _reduction(header: ImageHeader, at_least: tuple[int, int]) -> int:
    # EXIF may swap the sides: the shorter one has to do for the longer need.
    short, needed = min(header.width, header.height), max(at_least)
    return next((factor for factor in REDUCED if short // factor >= needed), 1)
