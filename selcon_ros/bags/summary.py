"""A bag's results for people: a table as CSV, and a page with a film strip."""

from __future__ import annotations

import csv
import html
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, fields
from io import StringIO
from pathlib import Path

from selcon_ros.bags.grounding import Row
from selcon_ros.bags.plan import Plan, Segment
from selcon_ros.core.atomic_write import write_file

FRAMES = 24
"""Pictures of a film strip, at most."""
PICTURES = "pictures"
Pictures = Sequence[tuple[Segment, Callable[[Segment, int], Path | None]]]

_PAGE = """<!DOCTYPE html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 75rem; margin: 0 auto; padding: 1rem; }}
table {{ border-collapse: collapse; }}
th, td {{ padding: .2rem .8rem .2rem 0; text-align: right; border-bottom: 1px solid #8886; }}
th:first-child, td:first-child {{ text-align: left; }}
.scroll {{ overflow-x: auto; }}
.strip {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(14rem, 1fr)); gap: .6rem; }}
figure {{ margin: 0; }} img {{ width: 100%; display: block; }}
figcaption {{ font-size: .85rem; opacity: .8; }}
</style>
<h1>{title}</h1>
<p>{about}</p>
<div class="scroll"><table><tr>{head}</tr>{body}</table></div>
{strips}
</html>
"""


def write_summary(out: Path, plan: Plan, rows: Sequence[Row], pictures: Pictures) -> None:
    """Write `results.csv`, `index.html` and `pictures/` into a folder.

    :param pictures: the stretches, and what finds an action's picture of one by the action's number
    """
    write_file(out / "results.csv", _table(rows).encode())
    strips = "".join(
        _strip(out, plan, action, number, rows, pictures) for number, action in enumerate(plan.actions)
    )
    first = min(row.received for row in rows)
    length = (max(row.received for row in rows) - first) / 1e9
    faults = len({row.received for row in rows if math.isnan(row.confidence)})
    about = (
        f"{len(rows) // len(plan.actions)} images of {plan.topics.image} in {length:.1f} s; depth "
        f"{plan.topics.depth or 'none'}, calibration {plan.topics.camera_info or 'none'}; model "
        f"{plan.bundle}; {faults} images could not be used."
    )
    head = "".join(
        f"<th>{each}</th>"
        for each in ("action", "images", "confident", "with grasp point", "with pose", "median confidence")
    )
    body = "".join(_line([row for row in rows if row.action == action], plan) for action in plan.actions)
    page = _PAGE.format(
        title=html.escape(f"{plan.bag.name}: {', '.join(plan.actions)}"),
        about=html.escape(about),
        head=head,
        body=body,
        strips=strips,
    )
    write_file(out / "index.html", page.encode())


def _table(rows: Sequence[Row]) -> str:
    text = StringIO()
    writer = csv.DictWriter(text, [each.name for each in fields(Row)], lineterminator="\n")
    writer.writeheader()
    for row in rows:
        # A spreadsheet takes an empty cell for no number, and NaN for text.
        writer.writerow({name: "" if value != value else value for name, value in asdict(row).items()})
    return text.getvalue()


def _line(rows: Sequence[Row], plan: Plan) -> str:
    count = len(rows)
    sure = sum(row.confidence >= plan.settings.min_confidence for row in rows)
    grasped = sum(row.points > 0 for row in rows)
    posed = sum(not math.isnan(row.x) for row in rows)
    known = sorted(row.confidence for row in rows if not math.isnan(row.confidence))
    middle = f"{known[len(known) // 2]:.2f}" if known else "–"
    cells = [html.escape(rows[0].action), str(count)]
    cells += [f"{part} ({part / count:.0%})" for part in (sure, grasped, posed)]
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in [*cells, middle])}</tr>"


def _strip(out: Path, plan: Plan, action: str, number: int, rows: Sequence[Row], pictures: Pictures) -> str:
    """The pictures of an action, evenly over the time."""
    found = [(segment, file) for segment, picture in pictures if (file := picture(segment, number))]
    step = max(1, math.ceil(len(found) / FRAMES))
    first = min(row.received for row in rows)
    usable = sorted(
        (row for row in rows if row.action == action and not math.isnan(row.confidence)),
        key=lambda row: row.received,
    )
    figures = []
    for segment, file in found[::step]:
        name = f"{PICTURES}/{number}_{segment.number:06d}.jpg"
        (out / PICTURES).mkdir(exist_ok=True)
        write_file(out / name, file.read_bytes())
        # The picture is of the first image of its stretch that could be used.
        row = next(row for row in usable if row.received >= segment.start)
        caption = f"{(row.received - first) / 1e9:.1f} s, confidence {row.confidence:.2f}"
        figures.append(
            f'<figure><a href="{name}"><img src="{name}" alt="" loading="lazy"></a>'
            f"<figcaption>{caption}</figcaption></figure>"
        )
    return f'<h2>{html.escape(action)}</h2><div class="strip">{"".join(figures)}</div>'
