"""Contact sheets: small pictures side by side, each with its category."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from selcon_ros.core.pictures.image_decoding import decode
from selcon_tabletop.media.listing import MediaError

PICTURE_SIDE = 128
"""Pixels of a picture's longer side."""
COLUMNS = 12
_TEXT_HEIGHT = 16


def thumbnail(content: bytes, name: str) -> NDArray[np.uint8]:
    """Return a picture of at most PICTURE_SIDE a side, [H, W, 3] BGR, on white where it is transparent.

    Raises MediaError for what is no picture.
    """
    image: NDArray[Any] = decode(content, name, cv2.IMREAD_UNCHANGED, MediaError)
    if image.dtype == np.uint16:
        image = (image >> 8).astype(np.uint8)
    if image.ndim == 2:
        image = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
    scale = PICTURE_SIDE / max(image.shape[:2])
    size = [max(1, round(side * scale)) for side in image.shape[1::-1]]
    image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    if image.shape[2] == 4:
        share = image[..., 3:] / 255
        image = image[..., :3] * share + 255 * (1 - share)
    return np.ascontiguousarray(image[..., :3], dtype=np.uint8)


def contact_sheet(cells: Sequence[tuple[NDArray[np.uint8], str]]) -> bytes:
    """Return a JPEG of pictures with a line of text below each."""
    rows = -(-len(cells) // COLUMNS)
    sheet = np.full((rows * (PICTURE_SIDE + _TEXT_HEIGHT), COLUMNS * (PICTURE_SIDE + 4), 3), 255, np.uint8)
    for index, (image, text) in enumerate(cells):
        top, left = index // COLUMNS * (PICTURE_SIDE + _TEXT_HEIGHT), index % COLUMNS * (PICTURE_SIDE + 4)
        height, width = image.shape[:2]
        sheet[top : top + height, left : left + width] = image
        place = (left, top + PICTURE_SIDE + _TEXT_HEIGHT - 5)
        cv2.putText(sheet, text[:22], place, cv2.FONT_HERSHEY_SIMPLEX, 0.35, (0, 0, 0), 1, cv2.LINE_AA)
    done, encoded = cv2.imencode(".jpg", sheet, [cv2.IMWRITE_JPEG_QUALITY, 85])
    assert done
    return encoded.tobytes()
