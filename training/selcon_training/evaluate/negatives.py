"""Negative queries beside a split's own, to measure false answers: about actions that a picture does not
afford."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from selcon_ros.core.files.json_file import read_object
from selcon_ros.core.text import quoted
from selcon_training.data.agd20k import DataSet
from selcon_training.data.images import read_picture
from selcon_training.data.listing import Item
from selcon_training.data.ordering import spread
from selcon_training.data.pictures import all_pictures
from selcon_training.errors import DataError
from selcon_training.evaluate.answers import Answers, NegativeRow
from selcon_training.evaluate.evaluation import Job, grasps
from selcon_training.evaluate.predictors import Predictor
from selcon_training.evaluate.queries import Query

Asked = Mapping[Path, tuple[str, Sequence[str]]]
"""The actions asked of a picture, with the picture's name."""


def jobs_of_negatives(predictor: Predictor, asked: Asked, source: str) -> list[Job]:
    """Ask negative queries, picture by picture; the answers are those of `source`."""
    return [partial(_ask, predictor, path, name, actions, source) for path, (name, actions) in asked.items()]


def _ask(predictor: Predictor, path: Path, name: str, actions: Sequence[str], source: str) -> Answers:
    predictor.look(read_picture(path))
    answers = []
    for action in actions:
        heatmap = predictor.answer(Query(action)).heatmap
        answers.append(NegativeRow(name, action, heatmap.confidence, len(grasps(heatmap, None).points)))
    return Answers(other_negatives={source: answers})


def negative_pictures(folder: Path, actions: Sequence[str], limit: int | None) -> Asked:
    """Every picture of a folder and below, asked for every action. Raises DataError where there is none."""
    if not folder.is_dir():
        raise DataError(f"--negatives {folder} is not a folder: give one with pictures")
    found = all_pictures(folder, "--negatives")
    return {path: (path.relative_to(folder).as_posix(), actions) for path in spread(found, limit)}


def negative_queries(
    file: Path, data: DataSet, split: str, actions: Sequence[str], limit: int | None
) -> Asked:
    """What a file says that pictures of a split do not afford.

    `{name: {stem: [action, ...]}}`, the name being the data set's or the split's. Raises DataError for
    a file without either, or without any picture of the split, for an action that the model does not know and
    one that the picture has a truth map of. Pictures that are not in the split are left out.
    """
    said = read_object(file, DataError)
    names = [name for name in (data.name, data.root.resolve().name, split) if name in said]
    if not names:
        raise DataError(
            f"{file} says nothing of {data.name} or {split}, but of {quoted(', '.join(map(str, said)))}"
        )
    listed = said[names[0]]
    if not isinstance(listed, dict):
        raise DataError(f'{file}: {names[0]} must be {{"picture": ["action", ...]}}')
    pictures: dict[str, list[Item]] = {}
    for item in data.items(split):
        pictures.setdefault(item.stem, []).append(item)
    found = {}
    for stem, refused in spread(list(listed.items()), limit):
        where = f"{file}: {names[0]}: {quoted(stem)}"
        if stem not in pictures:
            continue
        if not isinstance(refused, list) or not set(map(str, refused)) <= set(actions):
            raise DataError(f"{where}: {quoted(str(refused))} must be a list of {', '.join(actions)}")
        items = pictures[stem]
        if common := set(refused) & {item.action for item in items if data.extra(split, "GT", item)}:
            raise DataError(f"{where} does not afford {', '.join(sorted(common))}, but has a truth map of it")
        found[items[0].path] = (f"{items[0].object}/{stem}", refused)
    if not found:
        raise DataError(f"{file}: {names[0]} names no picture of {data.base / split}")
    return found
