"""A bag's results for people: a table as CSV, and a page with a film strip."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, fields
from html import escape
from io import StringIO
from pathlib import Path

import numpy as np

from selcon_ros.bags.grounding import BagRow
from selcon_ros.bags.plan import BagPlan, Segment
from selcon_ros.core.files.atomic_write import write_file
from selcon_ros.core.outputs.html_page import figure, image, page, table

MAX_STRIP_PICTURES = 24
"""Pictures of a film strip, at most."""
PICTURE_FOLDER = "pictures"
Pictures = Sequence[tuple[Segment, Callable[[Segment, int], Path | None]]]
HEADER = ("action", "images", "confident", "with grasp point", "with pose", "confidence: median [quartiles]")


def write_summary(out: Path, plan: BagPlan, rows: Sequence[BagRow], pictures: Pictures) -> None:
    """Write `results.csv`, `index.html` and `pictures/` into a folder.

    `pictures` has the stretches, and what finds an action's picture of one by the action's number.
    """
    write_file(out / "results.csv", _table(rows).encode())
    first = min(row.received for row in rows)
    length = (max(row.received for row in rows) - first) / 1e9
    images = len(rows) // len(plan.actions)
    faults = len({row.received for row in rows if math.isnan(row.confidence)})
    about = (
        f"{images} images of {plan.topics.image} in {length:.1f} s; depth "
        f"{plan.topics.depth or 'none'}, calibration {plan.topics.camera_info or 'none'}; model "
        f"{plan.bundle}; poses in {plan.settings.target_frame or 'the frame of the camera'}; {faults} images "
        "could not be used."
    )
    caption = (
        f"How often each action was found, n = {images} images. All images of the bag are counted: no "
        f"interval. Confident: {plan.settings.min_confidence:g} or more."
    )
    lines = [_line([row for row in rows if row.action == action], plan) for action in plan.actions]
    strips = [_strip(out, plan, action, number, rows, pictures) for number, action in enumerate(plan.actions)]
    body = f"<p>{escape(about)}</p>\n{table(HEADER, lines, caption)}{''.join(strips)}"
    text = page(f"{plan.bag.name}: {', '.join(plan.actions)}", body)
    write_file(out / "index.html", text.encode())


def _table(rows: Sequence[BagRow]) -> str:
    text = StringIO()
    writer = csv.DictWriter(text, [each.name for each in fields(BagRow)], lineterminator="\n")
    writer.writeheader()
    for row in rows:
        # A spreadsheet takes an empty cell for no number, and NaN for text.
        writer.writerow({name: "" if value != value else value for name, value in asdict(row).items()})
    return text.getvalue()


def _line(rows: Sequence[BagRow], plan: BagPlan) -> list[str]:
    count = len(rows)
    sure = sum(row.confidence >= plan.settings.min_confidence for row in rows)
    grasped = sum(row.points > 0 for row in rows)
    posed = sum(not math.isnan(row.x) for row in rows)
    known = [row.confidence for row in rows if not math.isnan(row.confidence)]
    low, middle, high = np.quantile(known, (0.25, 0.5, 0.75)) if known else (math.nan,) * 3
    shares = [f"{part} ({part / count:.0%})" for part in (sure, grasped, posed)]
    return [rows[0].action, str(count), *shares, f"{middle:.2f} [{low:.2f}, {high:.2f}]" if known else "–"]


def _strip(
    out: Path, plan: BagPlan, action: str, number: int, rows: Sequence[BagRow], pictures: Pictures
) -> str:
    """The pictures of an action, evenly over the time."""
    found = [(segment, file) for segment, picture in pictures if (file := picture(segment, number))]
    step = max(1, math.ceil(len(found) / MAX_STRIP_PICTURES))
    first = min(row.received for row in rows)
    of_action = [row for row in rows if row.action == action]
    usable = sorted(
        (row for row in of_action if not math.isnan(row.confidence)), key=lambda row: row.received
    )
    figures = []
    for segment, file in found[::step]:
        name = f"{PICTURE_FOLDER}/{number}_{segment.number:06d}.jpg"
        (out / PICTURE_FOLDER).mkdir(exist_ok=True)
        write_file(out / name, file.read_bytes())
        # The picture is of the first image of its stretch that could be used.
        row = next(row for row in usable if row.received >= segment.start)
        seconds = f"{(row.received - first) / 1e9:.1f} s"
        shown = image(name, f"{action} at {seconds}: heat and grasp points over the image")
        caption = f"{seconds}, confidence {row.confidence:.2f}"
        if row.confidence < plan.settings.min_confidence:
            caption += f", below {plan.settings.min_confidence:g}"
        figures.append(figure(shown, caption, name))
    about = f"{len(figures)} of {len(of_action)} images, evenly over the time."
    head = f"<h2>{escape(action)}</h2>\n<p>{about}</p>\n"
    return f'{head}<div class="grid small">\n{"".join(figures)}</div>\n'
