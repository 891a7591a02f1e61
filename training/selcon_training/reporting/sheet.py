"""The contact sheet of an evaluation: every query as a small picture with heat, peak and the outline of the
truth, framed green where the peak is right; and what is answered in negative pictures and scenes of clutter.
One JPEG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from selcon_training.confidence.evidence import CLUTTER_SPLITS, NEGATIVE_SPLITS
from selcon_training.data.agd20k import DataSet
from selcon_training.data.images import read_picture
from selcon_training.data.ordering import spread
from selcon_training.evaluate.answers import NegativeRow, QueryRow
from selcon_training.evaluate.evaluation import Evaluation, query_of
from selcon_training.evaluate.measures import part_of
from selcon_training.evaluate.predictors import Predictor
from selcon_training.evaluate.queries import QueriedPicture, QueryFiles, find_pictures
from selcon_training.reporting.answer_picture import RIGHT, WRONG, draw_answer
from selcon_training.reporting.tiles import DRAWING_FACTOR, Tile, band, enlarged, grid, placed, write_rows

MAX_TILES = 160
"""Queries that are shown, negative pictures, and scenes of clutter; of more, so many, evenly spread."""


def write_sheet(
    path: Path, result: Evaluation, predictor: Predictor, data: DataSet, actions: Sequence[str]
) -> None:
    """Write the sheet as a JPEG; the predictor is asked again for what is shown."""
    tiles = _queries(result, predictor, data, actions)
    figures = result.tables()["overall"]
    right = _share(figures["right_part"], len(result.rows))
    title = f"{predictor.name} on {data.name}: right part in {right}"
    if len(tiles) < len(result.rows):
        title += f", {len(tiles)} shown"
    legend = "heat: the answer; circle: its peak; white line: the true part; green frame: the peak is right"
    rows = [band([title, legend]), *grid(tiles)]
    other, clutter = (splits.get(result.split, "") for splits in (NEGATIVE_SPLITS, CLUTTER_SPLITS))
    for title, split, asked in (
        ("negative pictures", other, result.negatives),
        ("clutter", clutter, result.other_negatives.get(clutter, [])),
    ):
        if asked:
            share = _share(sum(not row.grasps for row in asked) / len(asked), len(asked))
            rows += [band([f"{title}: no grasp point in {share}; under them what is answered"])]
            rows += grid(_negatives(split, asked, predictor, data, actions))
    write_rows(path, rows)


def _share(value: float | None, count: int) -> str:
    return "none of 0 queries" if value is None else f"{100 * value:.1f} % of {count} queries"


def _queries(result: Evaluation, predictor: Predictor, data: DataSet, actions: Sequence[str]) -> list[Tile]:
    """The tiles of what was measured, by action and object."""
    pictures, files = find_pictures(data, result.split, actions), QueryFiles(data, result.split)
    rows = spread(sorted(result.rows, key=lambda row: (row.action, row.objects, row.picture)), MAX_TILES)
    return [_query(row, predictor, pictures, files) for row in rows]


def _query(
    row: QueryRow, predictor: Predictor, pictures: Sequence[QueriedPicture], files: QueryFiles
) -> Tile:
    picture, query = query_of(pictures, row)
    image = read_picture(picture.path)
    predictor.look(image)
    values = predictor.answer(query).heatmap.values
    truth = files.truth(query)
    assert truth is not None  # a row was measured against it
    drawn = enlarged(image)
    draw_answer(
        drawn, values, part_of(truth, files.mask(query)), RIGHT if row.right else WRONG, DRAWING_FACTOR
    )
    return Tile(placed(drawn), f"{row.action}  {'+'.join(row.objects)}", row.right)


def _negatives(
    split: str, rows: Sequence[NegativeRow], predictor: Predictor, data: DataSet, actions: Sequence[str]
) -> list[Tile]:
    """The tiles of pictures that afford no action asked: those answered, and the heat of the surest."""
    pictures = {picture.name: picture for picture in find_pictures(data, split, actions)}
    asked: dict[Path, list[NegativeRow]] = {}
    for row in rows:
        # Links to one file are one picture that is asked several actions.
        asked.setdefault(pictures[row.picture].path.resolve(), []).append(row)
    tiles = []
    for path in spread(sorted(asked), MAX_TILES):
        drawn = enlarged(image := read_picture(path))
        answered = [row for row in asked[path] if row.grasps]
        if answered:
            surest = max(answered, key=lambda row: row.confidence)
            predictor.look(image)
            values = predictor.answer(pictures[surest.picture].queries[surest.action]).heatmap.values
            draw_answer(drawn, values, None, WRONG, DRAWING_FACTOR)
        text = ", ".join(row.action for row in answered) or "nothing"
        tiles.append(Tile(placed(drawn), text, not answered))
    return tiles
