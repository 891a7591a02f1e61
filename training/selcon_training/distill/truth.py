"""Teacher and student against truth maps, where there are some."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from selcon_ros.core.files.plain_file import read_bytes
from selcon_ros.core.grounding.grounder import Grounder
from selcon_training.data.agd20k import DataSet
from selcon_training.data.chosen_split import ChosenSplit
from selcon_training.data.images import read_picture
from selcon_training.data.ordering import spread
from selcon_training.distill.answers import Teacher
from selcon_training.distill.measure import divergences
from selcon_training.distill.pictures import HashedPicture
from selcon_training.errors import DataError
from selcon_training.evaluate.answers import QueryRow
from selcon_training.evaluate.bootstrap import Limits, clusters, mean_limits
from selcon_training.evaluate.evaluation import evaluate, map_figures
from selcon_training.evaluate.intervals import figures_intervals
from selcon_training.evaluate.predictors import ModelPredictor
from selcon_training.evaluate.queries import QueriedPicture, find_pictures


def refuse_learned(truth: ChosenSplit, actions: Sequence[str], learned: Sequence[HashedPicture]) -> None:
    """Raise DataError for a split that cannot be asked about, or with pictures that the student learns
    from."""
    asked = _pictures(truth, truth.open(), actions)
    keys = {photo.key for photo in learned}
    common = [
        each.path for each in asked if hashlib.sha256(read_bytes(each.path, DataError)).hexdigest() in keys
    ]
    if common:
        raise DataError(
            f"{len(common)} pictures of {truth.split} with truth are among those to learn from, such as "
            f"{common[0]}: take them out of the photos, or measure on others (--split)"
        )


def compare_on_truth(truth: ChosenSplit, teacher: Teacher, student: Grounder) -> dict[str, Any]:
    """Figures of both on the same questions, how many only one of them gets right, and the mean KLD of the
    student's maps from the teacher's on these pictures, where the teacher answers."""
    data = truth.open()
    rows: dict[str, dict[tuple[str, str], QueryRow]] = {}
    for side, grounder in (("teacher", teacher.grounder), ("student", student)):
        found = evaluate(ModelPredictor(grounder), data, truth.split, grounder.actions, limit=truth.limit)
        rows[side] = {(row.picture, row.action): row for row in found.rows}
    ours, theirs = rows["student"], rows["teacher"]
    kld, limits = _kld(_pictures(truth, data, student.actions), teacher, student)
    return {
        "data": data.name,
        "divide": truth.divide,
        "split": truth.split,
        "teacher": _figures(list(theirs.values())),
        "student": _figures(list(ours.values())),
        "kld_from_teacher": kld,
        "kld_from_teacher_interval": limits,
        "only_teacher_right": sum(row.right and not ours[key].right for key, row in theirs.items()),
        "only_student_right": sum(row.right and not theirs[key].right for key, row in ours.items()),
    }


def _pictures(truth: ChosenSplit, data: DataSet, actions: Sequence[str]) -> list[QueriedPicture]:
    return spread(find_pictures(data, truth.split, actions), truth.limit)


def _figures(rows: Sequence[QueryRow]) -> dict[str, Any]:
    return map_figures(rows) | {"intervals": figures_intervals(rows)}


def _kld(
    pictures: Sequence[QueriedPicture], teacher: Teacher, student: Grounder
) -> tuple[float | None, Limits]:
    """The mean, and its interval over pictures."""
    found: list[float] = []
    of: list[int] = []
    for number, picture in enumerate(pictures):
        image = read_picture(picture.path)
        answer = teacher.answer(image)
        found += divergences(student.ground(image).refined, answer)[answer.counts(teacher.fitted)].tolist()
        of += [number] * (len(found) - len(of))
    return float(np.mean(found)) if found else None, mean_limits(found, clusters(of))[0]
