"""Read pictures, depth images and camera files from disk."""

import json
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from selcon_ros.core.camera import Intrinsics
from selcon_ros.core.errors import CameraError, DepthError, ImageError, SelconError
from selcon_ros.core.image_header import ImageHeader, read_header

MAX_PIXELS = 200_000_000
"""A larger picture is refused: decoded it would take over 600 MB, and a small file may claim any size."""
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


def read_depth(path: str | Path, scale: float) -> NDArray[np.float32]:
    """Return the depth [H, W] float32 in metres of a 16 bit grey PNG whose unit is `scale` metres.

    0 stays 0: not measured. Raises DepthError.
    """
    depth = decode(read_bytes(path, DepthError), path, cv2.IMREAD_UNCHANGED, DepthError)
    if depth.ndim != 2 or depth.dtype != np.uint16:
        raise DepthError(
            f"{path}: depth is {depth.dtype} with shape {depth.shape}: it must be a 16 bit grey image"
        )
    metres: NDArray[np.float32] = depth.astype(np.float32) * np.float32(scale)
    return metres


def read_camera(path: str | Path) -> tuple[Intrinsics, float]:
    """Return the intrinsics, and the depth scale in metres (0.001 if not given), of a camera file.

    It is JSON: {"width", "height", "fx", "fy", "cx", "cy", "depth_scale"}. Raises CameraError.
    """
    path = Path(path)
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CameraError(f"camera file {path} cannot be read: {error}") from None
    if not isinstance(record, dict):
        raise CameraError(f"camera file {path}: it must be a JSON object")
    record.setdefault("depth_scale", 0.001)
    numbers = {}
    for name in ("fx", "fy", "cx", "cy", "width", "height", "depth_scale"):
        value = record.get(name)
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise CameraError(f"camera file {path}: {name} must be a number, got {value!r}")
        numbers[name] = float(value)
    for name in ("width", "height"):
        if not numbers[name].is_integer():
            raise CameraError(f"camera file {path}: {name} must be a whole number, got {numbers[name]}")
    scale, width, height = numbers.pop("depth_scale"), int(numbers.pop("width")), int(numbers.pop("height"))
    if not 0 < scale < float("inf"):
        raise CameraError(f"camera file {path}: depth_scale must be above zero, got {scale}")
    try:
        return Intrinsics(**numbers, width=width, height=height), scale
    except CameraError as error:
        raise CameraError(f"camera file {path}: {error}") from None


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


def read_bytes(path: str | Path, fault: type[SelconError]) -> bytes:
    """Return the file's content. Raises ``fault``."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise fault(f"cannot read {path}: {error.strerror}") from None


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
