"""Turned pictures: as they are stored (EXIF), with depth and calibration, or as a camera is mounted."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from selcon_ros.core.errors import ImageError

Size = tuple[int, int]
TURNS = (0, 90, 180, 270)
"""Degrees that `clockwise` turns by."""

_ROTATIONS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}


def clockwise(image: NDArray[np.uint8], degrees: int) -> NDArray[np.uint8]:
    """Turn an image [H, W, 3] clockwise by one of `TURNS`; by 0 it is returned itself."""
    if degrees == 0:
        return image
    return np.asarray(cv2.rotate(np.ascontiguousarray(image), _ROTATIONS[degrees]), np.uint8)


def turned_back(maps: NDArray[np.float32], degrees: int) -> NDArray[np.float32]:
    """Turn maps [C, h, w] of an image that was turned `clockwise` back to the image before."""
    return np.ascontiguousarray(np.rot90(maps, degrees // 90, axes=(1, 2))) if degrees else maps


def upright(image: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Turn a picture that is stored in EXIF `orientation` 1..8 (JEITA CP-3451, section 4.6.4)."""
    if orientation > 4:
        image = image.swapaxes(0, 1)
    down = -1 if orientation in (3, 4, 7, 8) else 1
    right = -1 if orientation in (2, 3, 6, 7) else 1
    return np.ascontiguousarray(image[::down, ::right])


def as_stored(image: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Turn an upright picture [H, W, ...] back to how one of that EXIF orientation, 1..8, is stored."""
    return upright(image, {6: 8, 8: 6}.get(orientation, orientation))


def check_stored(orientation: int, stored: Size, others: dict[str, Size]) -> None:
    """Raise ImageError unless depth and calibration have the picture's size and are known to be as it is
    stored.

    A depth image and a calibration are the sensor's, which EXIF does not turn. But a program may have turned
    them as it showed the picture: their sizes tell only where turning changes the size. `stored` is the
    picture's width and height as stored, of that EXIF orientation (1..8); `others` are names and sizes of
    depth image and calibration.
    """
    turned = stored[::-1] if orientation > 4 else stored
    for name, size in others.items():
        if size not in (stored, turned):
            raise ImageError(
                f"{name} is {size[0]} x {size[1]}, the picture {stored[0]} x {stored[1]}: take depth that is "
                "registered to the picture, and the calibration for pictures of its size"
            )
    if orientation == 1:
        return
    remedy = (
        "store picture, depth and calibration in one raster, the picture without EXIF orientation "
        "(exiftool -Orientation= takes it away)"
    )
    said = f"the picture has EXIF orientation {orientation}"
    for name, size in others.items():
        if size == turned != stored:
            raise ImageError(
                f"{said}, and {name} is {size[0]} x {size[1]}, as the picture is when turned, not as it is "
                f"stored: {remedy}"
            )
    if turned == stored:
        names = " and ".join(others)
        raise ImageError(
            f"{said}, which keeps its size {stored[0]} x {stored[1]}: whether {names} are turned like it "
            f"cannot be told: {remedy}"
        )
