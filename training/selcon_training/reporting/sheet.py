"""The contact sheet of an evaluation: every query as a small picture with heat, peak and the outline of the
truth, framed green where the peak is right; and what is answered in negative pictures. One JPEG."""

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
from selcon_training.confidence.evidence import NEGATIVE_SPLITS
from selcon_training.data.agd20k import DataSet
from selcon_training.data.images import U8, read_picture
from selcon_training.data.ordering import spread
from selcon_training.evaluate.answers import NegativeRow, Row
from selcon_training.evaluate.evaluation import Evaluation, query_of
from selcon_training.evaluate.measures import part_of
from selcon_training.evaluate.predictors import Predictor
from selcon_training.evaluate.queries import Files, Picture, find_pictures
from selcon_training.reporting.answer_picture import RIGHT, WRONG, Colour, draw_answer

COLUMNS = 9
CELL = (172, 129)
"""Width and height of a picture's place; a picture of another shape stands in its middle, whole."""
FINER = 3
"""Pictures are drawn so many times larger, and then made small: thin lines stay smooth."""
LINE = 20
"""Height of a line of text."""
GAP = 6
FRAME = 3
MOST = 160
"""Queries that are shown, and negative pictures; of more, so many, evenly spread."""
GROUND, TEXT = (24, 26, 30), (226, 228, 232)


@dataclass(frozen=True)
class Tile:
    """A picture of CELL's size, what is written under it, and whether the answer is right."""

    picture: U8
    text: str
    right: bool


def write_sheet(
    path: Path, result: Evaluation, predictor: Predictor, data: DataSet, actions: Sequence[str]
) -> None:
    """Write the sheet as a JPEG; the predictor is asked again for what is shown."""
    tiles = _queries(result, predictor, data, actions)
    negatives = _negatives(result, predictor, data, actions)
    figures = result.tables()["overall"]
    right = _share(figures["right_part"], len(result.rows))
    title = f"{predictor.name} on {data.name}: right part in {right}"
    if len(tiles) < len(result.rows):
        title += f", {len(tiles)} shown"
    legend = "heat: the answer; circle: its peak; white line: the true part; green frame: the peak is right"
    rows = [_band([title, legend]), *_grid(tiles)]
    if negatives:
        share = _share(figures["nothing_without_grasp"], figures["nothing_queries"])
        rows += [_band([f"negative pictures: no grasp point in {share}; under them what is answered"])]
        rows += _grid(negatives)
    _, content = cv2.imencode(".jpg", np.concatenate(rows)[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 82])
    write_file(path, content.tobytes())


def _share(value: float | None, count: int) -> str:
    return "none of 0 queries" if value is None else f"{100 * value:.1f} % of {count} queries"


def _queries(result: Evaluation, predictor: Predictor, data: DataSet, actions: Sequence[str]) -> list[Tile]:
    """The tiles of what was measured, by action and object."""
    pictures, files = find_pictures(data, result.split, actions), Files(data, result.split)
    rows = spread(sorted(result.rows, key=lambda row: (row.action, row.objects, row.picture)), MOST)
    return [_query(row, predictor, pictures, files) for row in rows]


def _query(row: Row, predictor: Predictor, pictures: Sequence[Picture], files: Files) -> Tile:
    picture, query = query_of(pictures, row)
    image = read_picture(picture.path)
    predictor.look(image)
    values = predictor.answer(query).heatmap.values
    truth = files.truth(query)
    assert truth is not None  # a row was measured against it
    drawn = _enlarged(image)
    draw_answer(drawn, values, part_of(truth, files.mask(query)), RIGHT if row.right else WRONG, FINER)
    return Tile(_placed(drawn), f"{row.action}  {'+'.join(row.objects)}", row.right)


def _negatives(result: Evaluation, predictor: Predictor, data: DataSet, actions: Sequence[str]) -> list[Tile]:
    """The tiles of negative pictures: the actions that are answered, and the heat of the surest."""
    split = NEGATIVE_SPLITS.get(result.split)
    if not result.negatives or split is None:
        return []
    pictures = {picture.name: picture for picture in find_pictures(data, split, actions)}
    asked: dict[Path, list[NegativeRow]] = {}
    for row in result.negatives:
        # Links to one file are one picture that is asked several actions.
        asked.setdefault(pictures[row.picture].path.resolve(), []).append(row)
    tiles = []
    for path in spread(sorted(asked), MOST):
        drawn = _enlarged(image := read_picture(path))
        answered = [row for row in asked[path] if row.grasps]
        if answered:
            surest = max(answered, key=lambda row: row.confidence)
            predictor.look(image)
            values = predictor.answer(pictures[surest.picture].queries[surest.action]).heatmap.values
            draw_answer(drawn, values, None, WRONG, FINER)
        text = ", ".join(row.action for row in answered) or "nothing"
        tiles.append(Tile(_placed(drawn), text, not answered))
    return tiles


def _enlarged(image: U8) -> U8:
    """The picture scaled to fit FINER times a cell."""
    scale = FINER * min(CELL[0] / image.shape[1], CELL[1] / image.shape[0])
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.ascontiguousarray(cv2.resize(image, size, interpolation=how), np.uint8)


def _placed(drawn: U8) -> U8:
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


def _grid(tiles: Sequence[Tile]) -> list[U8]:
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


def _band(lines: Sequence[str]) -> U8:
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
