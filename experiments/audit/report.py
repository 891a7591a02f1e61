"""An audit on disk: results.json and report.html."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from experiments.audit.auditing import GAMMAS, Audit
from selcon_ros.core.files.atomic_write import write_file, write_json
from selcon_training.reporting.page import render
from selcon_training.reporting.svg import BLUE, CRIMSON, GREY, TEXT_COLOUR, Plot, drawing

Figures = Mapping[str, Any]
Rows = Mapping[str, Figures]


def write(result: Audit, out: Path) -> dict[str, Any]:
    """Write the report into the folder `out`; returns the tables."""
    tables = result.tables()
    write_json(out / "results.json", tables)
    text = render(
        "report.html",
        "Part discovery",
        folder=Path(__file__).parent,
        tables=tables,
        groups={
            "Condition": tables["conditions"],
            "Per action": tables["by_action"],
            "Per object": tables["by_object"],
            "By size: the true part's share of the egocentric image": tables["by_part_size"],
            "By scale: the object's share of the exocentric images": tables["by_exo_size"],
            "By occlusion: the share of the object's outline that hands cover": tables["by_hidden"],
        },
        plots=[
            _alphas(result, tables["alphas"]),
            _gammas(tables["conditions"], result),
            _scores(result),
            _bars(tables["by_object"]),
        ],
    )
    write_file(out / "report.html", text)
    return tables


def _alphas(result: Audit, rows: Mapping[float, Figures]) -> Plot:
    """What α lets through, and what then comes of it."""
    lines = {"reliable": (GREY, "reliable"), "reliable_right": (BLUE, "of these right")}
    with drawing(2.6) as made:
        _curves(made.axes, rows, lines | {"used_right": (CRIMSON, "map used is right")}, result.alpha, "α")
    return Plot("Reliability threshold α", made.svg, _caption(len(result.facts)))


def _gammas(conditions: Rows, result: Audit) -> Plot:
    rows = {gamma: conditions[f"γ = {gamma}"] for gamma in GAMMAS}
    lines = {"reliable": (GREY, "reliable"), "part_right": (BLUE, "part map right")}
    with drawing(2.6) as made:
        _curves(made.axes, rows, lines | {"used_right": (CRIMSON, "map used is right")}, result.gamma, "γ")
    return Plot("Selection threshold γ", made.svg, _caption(len(result.facts)))


def _curves(
    axes: Axes, rows: Mapping[float, Figures], lines: Mapping[str, tuple[str, str]], trained: float, name: str
) -> None:
    for key, (colour, label) in lines.items():
        axes.plot(list(rows), [_percent(row[key]) for row in rows.values()], color=colour, label=label)
        ends = [row["intervals"][key] or (math.nan, math.nan) for row in rows.values()]
        axes.fill_between(list(rows), *100 * np.transpose(ends), color=colour, alpha=0.2, linewidth=0)
    axes.axvline(trained, color=GREY, linewidth=1, linestyle=":")
    axes.set(xlabel=name, ylabel="samples, %", ylim=(0, 100))
    axes.legend()


def _caption(count: int) -> str:
    return f"n = {count} samples. Bands: 95 % interval, bootstrap over objects. Dotted: as trained."


def _scores(result: Audit) -> Plot:
    """Whether a high pIoU means a right part: the question that α answers with a number."""
    found = result.conditions["as trained"]
    options: dict[str, Any] = {"bins": 30, "range": (0, 1), "alpha": 0.7}
    with drawing(2.6) as made:
        for right, colour, label in ((True, BLUE, "right"), (False, CRIMSON, "wrong")):
            scores = [one.score for one in found if one.part_right is right]
            made.axes.hist(scores, color=colour, label=f"{label} ({len(scores)})", **options)
        made.axes.axvline(result.alpha, color=GREY, linewidth=1, linestyle=":")
        made.axes.set(xlabel="pIoU with the saliency mask", ylabel="samples")
        made.axes.legend()
    return Plot("pIoU of the chosen part", made.svg, f"n = {len(found)} samples. Dotted: α.")


def _bars(rows: Rows) -> Plot:
    with drawing(0.7 + 0.34 * len(rows)) as made:
        for shift, key, colour, label in (
            (-0.2, "part_right", BLUE, "part map right"),
            (0.2, "reliable", GREY, "reliable"),
        ):
            for place, row in enumerate(rows.values()):
                first = label if place == 0 else None
                made.axes.barh(place + shift, _percent(row[key]), height=0.36, color=colour, label=first)
                if ends := row["intervals"][key]:
                    made.axes.plot(
                        [100 * end for end in ends], [place + shift] * 2, color=TEXT_COLOUR, linewidth=1
                    )
        names = [f"{name} ({row['samples']})" for name, row in rows.items()]
        made.axes.set_yticks(range(len(rows)), names)
        made.axes.invert_yaxis()
        made.axes.set(xlabel="samples, %", xlim=(0, 100))
        made.axes.legend()
    count = sum(row["samples"] for row in rows.values())
    lines = "Lines: 95 % interval, bootstrap over the object's samples."
    return Plot("Per object", made.svg, f"n = {count} samples, in brackets those of an object. {lines}")


def _percent(share: float | None) -> float:
    return math.nan if share is None else 100 * share  # not drawn
