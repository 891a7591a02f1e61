"""The report of `selcon adapt`: figures before and after, and every photo with both answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from selcon_ros.core.atomic_write import write_file, write_json
from selcon_ros.core.heatmap import upsample
from selcon_ros.core.overlay import tint
from selcon_training.adapt.measure import Answer
from selcon_training.adapt.photo_set import Photo, PhotoSet
from selcon_training.data.images import U8
from selcon_training.errors import ResultNotWritten
from selcon_training.reporting.page import embedded, render

WIDTH = 300
"""Pixels of a picture in the report."""
RIGHT, WRONG = (60, 200, 110), (240, 80, 80)


def write_report(
    folder: Path,
    result: dict[str, Any],
    photo_set: PhotoSet,
    before: Sequence[Answer],
    after: Sequence[Answer],
    actions: Sequence[str],
) -> None:
    """Write report.html and results.json into `folder`. Raises ResultNotWritten, with the result."""
    answered = {(each.photo, each.action): each for each in after}
    photos = {photo.name: photo for photo in photo_set.photos}
    shown = [
        {
            "title": f"{actions[each.action]} on {each.photo}",
            "sides": [
                _side(photos[each.photo], answer)
                for answer in (each, answered.get((each.photo, each.action)))
                if answer is not None
            ],
        }
        for each in before
        if each.there
    ]
    try:
        write_json(folder / "results.json", result)
        write_file(folder / "report.html", render("adapt.html", result=result, shown=shown).encode())
    except OSError as error:
        raise ResultNotWritten(error, result) from error


def _side(photo: Photo, answer: Answer) -> dict[str, Any]:
    return {"picture": embedded(_drawn(photo, answer)), "right": answer.right, "kld": answer.kld}


def _drawn(photo: Photo, answer: Answer) -> U8:
    """The photo with heat, the outline of the part and the peak."""
    height, width = photo.loaded.picture.shape[:2]
    size = max(1, round(WIDTH * height / width)), WIDTH
    picture = cv2.resize(photo.loaded.picture, size[::-1], interpolation=cv2.INTER_AREA)
    drawn = np.ascontiguousarray(picture, np.uint8)
    heat = upsample(answer.map, *size)
    tint(drawn, heat)
    part = cv2.resize(
        photo.masks[answer.action].astype(np.uint8) * 255, size[::-1], interpolation=cv2.INTER_AREA
    )
    outlines, _ = cv2.findContours((part > 127).astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    cv2.drawContours(drawn, outlines, -1, (255, 255, 255), 1, cv2.LINE_AA)
    row, column = np.unravel_index(int(heat.argmax()), size)
    at = (int(column), int(row))
    cv2.circle(drawn, at, 6, (255, 255, 255), cv2.FILLED, cv2.LINE_AA)
    cv2.circle(drawn, at, 4, RIGHT if answer.right else WRONG, cv2.FILLED, cv2.LINE_AA)
    return drawn
