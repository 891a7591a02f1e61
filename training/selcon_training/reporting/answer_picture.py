"""An answer over its picture: heat, the outline of the true part, and the peak, coloured by whether it is
right."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from selcon_ros.core.outputs.overlay import tint
from selcon_training.data.images import F32, U8
from selcon_training.reporting.page import MAX_PANEL_WIDTH

Colour = tuple[int, int, int]
RIGHT, WRONG, UNKNOWN = (60, 200, 110), (240, 80, 80), (255, 255, 255)
"""Of a peak, by whether it is on the part."""


def answer_picture(
    image: U8, heat: F32, part: NDArray[np.bool_] | None = None, right: bool | None = None
) -> U8:
    """The picture, at most MAX_PANEL_WIDTH wide, with heat [h, w], outline of the part [h', w'], and peak."""
    scale = min(1.0, MAX_PANEL_WIDTH / image.shape[1])
    size = round(image.shape[1] * scale), max(1, round(image.shape[0] * scale))
    drawn = np.ascontiguousarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    draw_answer(drawn, heat, part, UNKNOWN if right is None else RIGHT if right else WRONG)
    return drawn


def draw_answer(drawn: U8, heat: F32, part: NDArray[np.bool_] | None, colour: Colour, unit: int = 1) -> None:
    """Draw into a picture: heat and part of any size are made as large; lines are `unit` pixels wide."""
    tint(drawn, np.asarray(cv2.resize(heat, drawn.shape[1::-1], interpolation=cv2.INTER_LINEAR), np.float32))
    if part is not None:
        outline(drawn, part, unit)
    row, column = np.unravel_index(int(heat.argmax()), heat.shape)
    at = (
        int((column + 0.5) * drawn.shape[1] / heat.shape[1]),
        int((row + 0.5) * drawn.shape[0] / heat.shape[0]),
    )
    for radius, fill in ((6, (0, 0, 0)), (5, (255, 255, 255)), (3, colour)):
        cv2.circle(drawn, at, radius * unit, fill, cv2.FILLED, cv2.LINE_AA)


def outline(drawn: U8, part: NDArray[np.bool_], unit: int = 1) -> None:
    """Draw a white line, `unit` pixels wide, around a part of any size, made as large as the picture."""
    inside = cv2.resize(part.astype(np.uint8), drawn.shape[1::-1], interpolation=cv2.INTER_AREA)
    outlines, _ = cv2.findContours(inside, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    cv2.drawContours(drawn, outlines, -1, (0, 0, 0), 2 * unit + 1, cv2.LINE_AA)
    cv2.drawContours(drawn, outlines, -1, (255, 255, 255), unit, cv2.LINE_AA)
