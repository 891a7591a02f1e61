"""Contact sheets: small framed pictures in rows, a line of text under each, and bands of text between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import matplotlib.font_manager
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from selcon_ros.core.files.atomic_write import write_file
from selcon_ros.core.text import one_line
from selcon_training.data.images import U8
from selcon_training.reporting.answer_picture import RIGHT, WRONG, Colour

COLUMNS = 9
CELL_SIZE = (172, 129)
"""Width and height of a picture's place; a picture of another shape stands in its middle, whole."""
DRAWING_FACTOR = 3
"""Pictures are drawn so many times larger, and then made small: thin lines stay smooth."""
LINE_HEIGHT = 20
"""Height of a line of text."""
GAP = 6
FRAME_WIDTH = 3
BACKGROUND_COLOUR, TEXT_COLOUR = (24, 26, 30), (226, 228, 232)


@dataclass(frozen=True)
class Tile:
    """A picture of CELL_SIZE's size, what is written under it, and whether the answer is right."""

    picture: U8
    text: str
    right: bool


def write_rows(path: Path, rows: Sequence[U8]) -> None:
    """Write rows under one another as a JPEG. Raises OSError."""
    _, content = cv2.imencode(".jpg", np.concatenate(rows)[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 82])
    write_file(path, content.tobytes())


def enlarged(
    image: U8, within: tuple[int, int] = (DRAWING_FACTOR * CELL_SIZE[0], DRAWING_FACTOR * CELL_SIZE[1])
) -> U8:
    """The picture scaled to fit a width and height: those of DRAWING_FACTOR times a cell."""
    scale = min(within[0] / image.shape[1], within[1] / image.shape[0])
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.ascontiguousarray(cv2.resize(image, size, interpolation=how), np.uint8)


def placed(drawn: U8) -> U8:
    """The picture made small, in the middle of a cell."""
    width, height = (max(1, side // DRAWING_FACTOR) for side in (drawn.shape[1], drawn.shape[0]))
    left, top = (CELL_SIZE[0] - width) // 2, (CELL_SIZE[1] - height) // 2
    cell = np.full((CELL_SIZE[1], CELL_SIZE[0], 3), BACKGROUND_COLOUR, np.uint8)
    cell[top : top + height, left : left + width] = cv2.resize(
        drawn, (width, height), interpolation=cv2.INTER_AREA
    )
    return cell


def _width() -> int:
    return COLUMNS * (CELL_SIZE[0] + 2 * FRAME_WIDTH + GAP) + GAP


def grid(tiles: Sequence[Tile]) -> list[U8]:
    """Rows of framed tiles with their texts."""
    rows = []
    width, height = CELL_SIZE[0] + 2 * FRAME_WIDTH, CELL_SIZE[1] + 2 * FRAME_WIDTH + LINE_HEIGHT
    for start in range(0, len(tiles), COLUMNS):
        row = np.full((height + GAP, _width(), 3), BACKGROUND_COLOUR, np.uint8)
        for column, tile in enumerate(tiles[start : start + COLUMNS]):
            left = GAP + column * (width + GAP)
            colour = RIGHT if tile.right else WRONG
            row[:height, left : left + width] = colour
            row[
                FRAME_WIDTH : FRAME_WIDTH + CELL_SIZE[1],
                left + FRAME_WIDTH : left + FRAME_WIDTH + CELL_SIZE[0],
            ] = tile.picture
            text = f"{'✓' if tile.right else '✗'} {tile.text}"
            label = _written(text, CELL_SIZE[0] + 2 * FRAME_WIDTH, 12, BACKGROUND_COLOUR, colour)
            row[height - LINE_HEIGHT : height, left : left + width] = label
        rows.append(row)
    return rows


def band(lines: Sequence[str]) -> U8:
    """Lines of text over the whole width."""
    top = np.full((GAP, _width(), 3), BACKGROUND_COLOUR, np.uint8)
    return np.concatenate(
        [top, *(_written(line, _width(), 14, TEXT_COLOUR, BACKGROUND_COLOUR) for line in lines), top]
    )


def _written(text: str, width: int, size: int, colour: Colour, ground: Colour) -> U8:
    """A line of text, made smaller where it is too long. LINE_HEIGHT x width x 3."""
    line = Image.new("RGB", (width, LINE_HEIGHT), ground)
    text = one_line(text, 200)
    while size > 6 and _font(size).getlength(text) > width - 2 * GAP:
        size -= 1
    ImageDraw.Draw(line).text((GAP, LINE_HEIGHT // 2), text, colour, _font(size), anchor="lm")
    return np.asarray(line)


@lru_cache
def _font(size: int) -> Any:
    """DejaVu Sans, which matplotlib brings along."""
    return ImageFont.truetype(matplotlib.font_manager.findfont("DejaVu Sans"), size)
