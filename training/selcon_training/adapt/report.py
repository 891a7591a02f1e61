"""The report of `selcon adapt`: figures before and after, and every photo with both answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from selcon_ros.core.files.atomic_write import write_file, write_json
from selcon_training.adapt.measure import PhotoAnswer
from selcon_training.adapt.photo_set import MaskedPhoto, PhotoSet
from selcon_training.errors import ResultNotWritten
from selcon_training.reporting.answer_picture import answer_picture
from selcon_training.reporting.page import Shown, render, side_by_side


def write_report(
    folder: Path,
    result: dict[str, Any],
    photo_set: PhotoSet,
    before: Sequence[PhotoAnswer],
    after: Sequence[PhotoAnswer],
    actions: Sequence[str],
) -> None:
    """Write report.html and results.json into `folder`. Raises ResultNotWritten, with the result."""
    answered = {(each.photo, each.action): each for each in after}
    photos = {photo.name: photo for photo in photo_set.photos}
    shown = [
        _shown(photos[each.photo], actions[each.action], each, answered.get((each.photo, each.action)))
        for each in before
        if each.there
    ]
    tables = {
        "overall": _columns({"all photos": result["overall"], "rendered samples": result["rendered"]}),
        "actions": _columns(result["actions"]),
        "nothing": result["nothing_published"] if result["nothing"] else {},
    }
    title = f"{Path(result['bundle']).name} adapted to {result['photos']} photos"
    try:
        write_json(folder / "results.json", result)
        write_file(folder / "report.html", render("adapt.html", title, result=result, shown=shown, **tables))
    except OSError as error:
        raise ResultNotWritten(error, result) from error


def _columns(groups: dict[str, Any]) -> dict[str, Any]:
    """Every group's figures before and after, named."""
    return {f"{name}, {side}": row for name, sides in groups.items() for side, row in sides.items()}


def _shown(photo: MaskedPhoto, action: str, before: PhotoAnswer, after: PhotoAnswer | None) -> Shown:
    answers = [each for each in (before, after) if each is not None]
    outcomes = " → ".join(f"{'right' if each.right else 'wrong'} (KLD {each.kld:.3f})" for each in answers)
    panels = [
        answer_picture(photo.loaded.picture, each.map, photo.masks[each.action], each.right)
        for each in answers
    ]
    name = f"{action} on {photo.name}"
    what = "before and after" if after is not None else "before"
    return Shown(
        side_by_side(panels), f"{name}: {outcomes}", f"{name}, the answer {what}", not answers[-1].right
    )
