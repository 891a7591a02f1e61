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

from selcon_ros.core.atomic_write import write_file
from selcon_ros.core.text import one_line
from selcon_training.data.images import U8
from selcon_training.reporting.answer_picture import RIGHT, WRONG, Colour

COLUMNS = 9
CELL = (172, 129)
"""Width and height of a picture's place; a picture of another shape stands in its middle, whole."""
FINER = 3
"""Pictures are drawn so many times larger, and then made small: thin lines stay smooth."""
LINE = 20
"""Height of a line of text."""
GAP = 6
FRAME = 3
GROUND, TEXT = (24, 26, 30), (226, 228, 232)


@dataclass(frozen=True)
class Tile:
    """A picture of CELL's size, what is written under it, and whether the answer is right."""

    picture: U8
    text: str
    right: bool


def write_rows(path: Path, rows: Sequence[U8]) -> None:
    """Write rows under one another as a JPEG. Raises OSError."""
    _, content = cv2.imencode(".jpg", np.concatenate(rows)[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 82])
    write_file(path, content.tobytes())


def enlarged(image: U8, within: tuple[int, int] = (FINER * CELL[0], FINER * CELL[1])) -> U8:
    """The picture scaled to fit a width and height: those of FINER times a cell."""
    scale = min(within[0] / image.shape[1], within[1] / image.shape[0])
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.ascontiguousarray(cv2.resize(image, size, interpolation=how), np.uint8)


def placed(drawn: U8) -> U8:
    """The picture made small, in the middle of a cell."""
    width, height = (max(1, side // FINER) for side in (drawn.shape[1], drawn.shape[0]))
    left, top = (CELL[0] - width) // 2, (CELL[1] - height) // 2
    cell = np.full((CELL[1], CELL[0], 3), GROUND, np.uint8)
    cell[top : top + height, left : left + width] = cv2.resize(
        drawn, (width, height), interpolation=cv2.INTER_AREA
    )
    return cell


def _width() -> int:
    return COLUMNS * (CELL[0] + 2 * FRAME + GAP) + GAP


def grid(tiles: Sequence[Tile]) -> list[U8]:
    """Rows of framed tiles with their texts."""
    rows = []
    width, height = CELL[0] + 2 * FRAME, CELL[1] + 2 * FRAME + LINE
    for start in range(0, len(tiles), COLUMNS):
        row = np.full((height + GAP, _width(), 3), GROUND, np.uint8)
        for column, tile in enumerate(tiles[start : start + COLUMNS]):
            left = GAP + column * (width + GAP)
            colour = RIGHT if tile.right else WRONG
            row[:height, left : left + width] = colour
            row[FRAME : FRAME + CELL[1], left + FRAME : left + FRAME + CELL[0]] = tile.picture
            text = f"{'✓' if tile.right else '✗'} {tile.text}"
            label = _written(text, CELL[0] + 2 * FRAME, 12, GROUND, colour)
            row[height - LINE : height, left : left + width] = label
        rows.append(row)
    return rows


def band(lines: Sequence[str]) -> U8:
    """Lines of text over the whole width."""
    top = np.full((GAP, _width(), 3), GROUND, np.uint8)
    return np.concatenate([top, *(_written(line, _width(), 14, TEXT, GROUND) for line in lines), top])


def _written(text: str, width: int, size: int, colour: Colour, ground: Colour) -> U8:
    """A line of text, made smaller where it is too long. LINE x width x 3."""
    line = Image.new("RGB", (width, LINE), ground)
    text = one_line(text, 200)
    while size > 6 and _font(size).getlength(text) > width - 2 * GAP:
        size -= 1
    ImageDraw.Draw(line).text((GAP, LINE // 2), text, colour, _font(size), anchor="lm")
    return np.asarray(line)


@lru_cache
def _font(size: int) -> Any:
    """DejaVu Sans, which matplotlib brings along."""
    return ImageFont.truetype(matplotlib.font_manager.findfont("DejaVu Sans"), size)
