"""The report of `selcon distill`: figures, and teacher and student side by side on pictures held out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from selcon_ros.core.atomic_write import write_file, write_json
from selcon_ros.core.grounder import Grounder
from selcon_ros.core.heatmap import upsample
from selcon_ros.core.overlay import tint
from selcon_training.data.images import F32, U8, read_picture
from selcon_training.distill.answers import Store
from selcon_training.distill.measure import Comparison
from selcon_training.errors import ResultNotWritten
from selcon_training.reporting.page import embedded, render

WIDTH = 300
"""Pixels of a picture in the report."""
SHOWN = 4
"""Questions with the largest KLD, around the median, and with the smallest."""


def write_report(
    folder: Path, result: dict[str, Any], found: Comparison, store: Store, student: Grounder
) -> None:
    """Write report.html and results.json into `folder`; the student is asked again about what is shown.

    Raises ResultNotWritten, with the result.
    """
    galleries = {
        title: [_pair(found, row, action, store, student) for row, action in places]
        for title, places in _chosen(found).items()
    }
    try:
        write_json(folder / "results.json", result)
        page = render("distill.html", result=result, galleries=galleries)
        write_file(folder / "report.html", page.encode())
    except OSError as error:
        raise ResultNotWritten(error, result) from error


def _chosen(found: Comparison) -> dict[str, list[tuple[int, int]]]:
    """Rows and actions of what the teacher answers, by what they are examples of."""
    rows, actions = np.nonzero(found.counts)
    order = np.argsort(found.kld[rows, actions], kind="stable")
    ranked = [(int(rows[place]), int(actions[place])) for place in order]
    middle = max(0, len(ranked) // 2 - SHOWN // 2)
    return {
        "Most unlike": ranked[::-1][:SHOWN],
        "In the middle": ranked[middle : middle + SHOWN],
        "Most alike": ranked[:SHOWN],
    }


def _pair(found: Comparison, row: int, action: int, store: Store, student: Grounder) -> dict[str, Any]:
    photo = found.photos[row]
    answer = store.get(photo.key)
    assert answer is not None
    picture = read_picture(photo.path)
    maps = (answer.maps[action], student.ground(picture).refined[action])
    return {
        "title": f"{student.actions[action]} on {photo.path.name}",
        "kld": float(found.kld[row, action]),
        "sides": [embedded(_drawn(picture, each)) for each in maps],
    }


def _drawn(picture: U8, heat: F32) -> U8:
    """The picture with heat and its peak."""
    height, width = picture.shape[:2]
    size = max(1, round(WIDTH * height / width)), WIDTH
    drawn = np.ascontiguousarray(cv2.resize(picture, size[::-1], interpolation=cv2.INTER_AREA), np.uint8)
    values = upsample(heat, *size)
    tint(drawn, values)
    row, column = np.unravel_index(int(values.argmax()), size)
    cv2.circle(drawn, (int(column), int(row)), 4, (255, 255, 255), cv2.FILLED, cv2.LINE_AA)
    return drawn
