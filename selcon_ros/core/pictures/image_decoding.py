"""Decode pictures of files and messages: the one place where their bytes are judged and handed to OpenCV.

What is decoded is decided by the header alone, before anything of the picture's size is allocated.
"""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from selcon_ros.core.errors import SelconError
from selcon_ros.core.pictures.image_formats.tiff import decoded_as_stored
from selcon_ros.core.pictures.image_header import FORMATS, ImageHeader, image_format, read_header
from selcon_ros.core.pictures.orientation import upright
from selcon_ros.core.pictures.pixel_limit import DEFAULT_LIMIT, PixelLimit

REDUCED_FLAGS = {8: cv2.IMREAD_REDUCED_COLOR_8, 4: cv2.IMREAD_REDUCED_COLOR_4, 2: cv2.IMREAD_REDUCED_COLOR_2}


def decode(
    content: bytes,
    name: str | Path,
    flags: int,
    fault: type[SelconError],
    at_least: tuple[int, int] | None = None,
    limit: PixelLimit = DEFAULT_LIMIT,
    turn: bool = True,
) -> NDArray[Any]:
    """Decode the content of an image file, which messages call `name`, and return [H, W] or [H, W, channels].

    Channels are in OpenCV's order (BGR). `flags` are `cv2.IMREAD_COLOR` or `IMREAD_GRAYSCALE`, both 8 bit (of
    16 the upper 8 are kept) unless with `IMREAD_ANYDEPTH`; or `IMREAD_UNCHANGED`, for the values as they
    stand in the file. With `at_least` (h, w) a JPEG in colour may be decoded at a half, a quarter or an
    eighth of its size, as long as its sides, however it is turned, stay that long. With `turn` the picture is
    turned as its EXIF orientation says, alike in every format. Raises `fault`, naming it, for what is empty,
    of another format, cut short, damaged, or over the `limit`.
    """
    header = judge(content, name, fault)
    limit.check(name, (header.width, header.height), header.weight, fault)
    if header.kind == "TIFF":
        content = decoded_as_stored(content)
    deep = header.bits > 8 and not flags & cv2.IMREAD_ANYDEPTH
    if at_least is not None and header.kind == "JPEG":
        flags = REDUCED_FLAGS.get(_reduction(header, at_least), flags)
    if flags != cv2.IMREAD_UNCHANGED:
        flags |= cv2.IMREAD_IGNORE_ORIENTATION | (cv2.IMREAD_ANYDEPTH if deep else 0)
    try:
        image: NDArray[Any] | None = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    except cv2.error:
        image = None
    if image is None:
        raise fault(f"{name} is damaged, or of a kind of {header.kind} that OpenCV {cv2.__version__} lacks")
    if header.most and flags != cv2.IMREAD_UNCHANGED:
        white = np.iinfo(image.dtype).max
        scaled = np.arange(white + 1).clip(max=header.most) * white // header.most
        image = scaled.astype(image.dtype)[image]
    if deep and image.dtype != np.uint8:
        if image.dtype != np.uint16:
            raise fault(f"{name} has values of type {image.dtype}; read are 8 and 16 bits: convert it")
        image = (image >> 8).astype(np.uint8)
    return upright(image, header.orientation) if turn else image


def judge(content: bytes, name: str | Path, fault: type[SelconError]) -> ImageHeader:
    """Return the header of a picture that is all there. Raises `fault` for any other content."""
    if not content:
        raise fault(f"{name} is empty")
    kind, known = image_format(content), f"read are {', '.join(FORMATS)}"
    if content.startswith(b"../"):  # as git for Windows does
        remedy = "set git config --global core.symlinks true, and clone again"
        raise fault(f"{name} is not an image but a symbolic link that git wrote as a file: {remedy}")
    if kind is None:
        raise fault(f"{name} is not an image: it begins with the bytes {content[:8].hex(' ')}; {known}")
    if kind not in FORMATS:
        raise fault(f"{name} has the format {kind}; {known}: convert it")
    header = read_header(content)
    if header is None:
        raise fault(
            f"{name} begins like a {kind} whose size cannot be found: it is damaged, or of a kind that is "
            "not read"
        )
    if not header.whole:
        raise fault(f"{name} is cut short or damaged: its {kind} data have no end")
    return header


def _reduction(header: ImageHeader, at_least: tuple[int, int]) -> int:
    # EXIF may swap the sides: the shorter one has to do for the longer need.
    short, needed = min(header.width, header.height), max(at_least)
    return next((factor for factor in REDUCED_FLAGS if short // factor >= needed), 1)
