"""The report of `selcon distill`: figures, and teacher and student side by side on pictures held out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from selcon_ros.core.files.atomic_write import write_file, write_json
from selcon_ros.core.grounding.grounder import Grounder
from selcon_training.data.images import read_picture
from selcon_training.distill.answers import Store
from selcon_training.distill.measure import StudentComparison
from selcon_training.errors import ResultNotWritten
from selcon_training.reporting.answer_picture import answer_picture
from selcon_training.reporting.page import Shown, render, side_by_side

SHOWN_PER_GROUP = 4
"""Questions with the largest KLD, around the median, and with the smallest."""


def write_report(
    folder: Path, result: dict[str, Any], found: StudentComparison, store: Store, student: Grounder
) -> None:
    """Write report.html and results.json into `folder`; the student is asked again about what is shown.

    Raises ResultNotWritten, with the result.
    """
    galleries = {
        title: [_pair(found, row, action, store, student) for row, action in places]
        for title, places in _chosen(found).items()
    }
    title = f"{result['teacher']['name']} distilled into {result['student']['backbone']}"
    spent = result["time"]
    times = {
        side: {"median": spent["milliseconds"][side], "p95": spent["p95"][side]}
        for side in ("teacher", "student")
    }
    try:
        write_json(folder / "results.json", result)
        text = render("distill.html", title, result=result, times=times, galleries=galleries)
        write_file(folder / "report.html", text)
    except OSError as error:
        raise ResultNotWritten(error, result) from error


def _chosen(found: StudentComparison) -> dict[str, list[tuple[int, int]]]:
    """Rows and actions of what the teacher answers, by what they are examples of."""
    rows, actions = np.nonzero(found.counts)
    order = np.argsort(found.kld[rows, actions], kind="stable")
    ranked = [(int(rows[place]), int(actions[place])) for place in order]
    middle = max(0, len(ranked) // 2 - SHOWN_PER_GROUP // 2)
    return {
        "Most unlike": ranked[::-1][:SHOWN_PER_GROUP],
        "In the middle": ranked[middle : middle + SHOWN_PER_GROUP],
        "Most alike": ranked[:SHOWN_PER_GROUP],
    }


def _pair(found: StudentComparison, row: int, action: int, store: Store, student: Grounder) -> Shown:
    photo = found.photos[row]
    answer = store.get(photo.key)
    assert answer is not None
    picture = read_picture(photo.path)
    maps = (answer.maps[action], student.ground(picture).refined[action])
    name = f"{student.actions[action]} on {photo.path.name}"
    panels = [answer_picture(picture, each) for each in maps]
    caption = f"{name}: KLD {found.kld[row, action]:.3f}"
    return Shown(side_by_side(panels), caption, f"{name}, the teacher's answer beside the student's")
