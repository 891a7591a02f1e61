"""An audit on disk: results.json and report.html."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup
from matplotlib.figure import Figure

from experiments.audit.auditing import GAMMAS, Audit
from selcon_ros.core.atomic_write import write_file, write_json
from selcon_training.reporting.page import render
from selcon_training.reporting.plots import BLUE, CRIMSON, GREY, figure_svg

Figures = Mapping[str, float | None]
Rows = Mapping[str, Figures]


def write(result: Audit, out: Path) -> dict[str, Any]:
    """Write the report into the folder `out`; returns the tables."""
    tables = result.tables()
    write_json(out / "results.json", tables)
    graphs = {
        "Reliability threshold α": _alphas(result, tables["alphas"]),
        "Selection threshold γ": _gammas(tables["conditions"], result.gamma),
        "pIoU of the chosen part": _scores(result),
        "Per object": _bars(tables["by_object"]),
    }
    page = render(
        "report.html",
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
        graphs={title: Markup(svg) for title, svg in graphs.items()},
    )
    write_file(out / "report.html", page.encode())
    return tables


def _alphas(result: Audit, rows: Mapping[float, Figures]) -> str:
    """What α lets through, and what then comes of it."""
    figure = Figure(figsize=(5.6, 3.0))
    axes = figure.subplots()
    lines = {"reliable": (GREY, "reliable"), "reliable_right": (BLUE, "of these right")}
    for key, (colour, label) in (lines | {"used_right": (CRIMSON, "map used is right")}).items():
        axes.plot(list(rows), [_percent(row[key]) for row in rows.values()], color=colour, label=label)
    axes.axvline(result.alpha, color=GREY, linewidth=1, linestyle=":")
    axes.set(xlabel="α", ylabel="samples, %", ylim=(0, 100))
    axes.legend(frameon=False, fontsize=8)
    return figure_svg(figure)


def _gammas(conditions: Rows, trained: float) -> str:
    figure = Figure(figsize=(5.6, 3.0))
    axes = figure.subplots()
    rows = [conditions[f"γ = {gamma}"] for gamma in GAMMAS]
    for key, colour, label in (
        ("reliable", GREY, "reliable"),
        ("part_right", BLUE, "part map right"),
        ("used_right", CRIMSON, "map used is right"),
    ):
        axes.plot(GAMMAS, [_percent(row[key]) for row in rows], "o-", color=colour, label=label)
    axes.axvline(trained, color=GREY, linewidth=1, linestyle=":")
    axes.set(xlabel="γ", ylabel="samples, %", ylim=(0, 100))
    axes.legend(frameon=False, fontsize=8)
    return figure_svg(figure)


def _scores(result: Audit) -> str:
    """Whether a high pIoU means a right part: the question that α answers with a number."""
    figure = Figure(figsize=(5.6, 3.0))
    axes = figure.subplots()
    found = result.conditions["as trained"]
    options: dict[str, Any] = {"bins": 30, "range": (0, 1), "alpha": 0.7}
    axes.hist([one.score for one in found if one.part_right], color=BLUE, label="right", **options)
    axes.hist([one.score for one in found if not one.part_right], color=CRIMSON, label="wrong", **options)
    axes.axvline(result.alpha, color=GREY, linewidth=1, linestyle=":")
    axes.set(xlabel="pIoU with the saliency mask", ylabel="samples")
    axes.legend(frameon=False, fontsize=8)
    return figure_svg(figure)


def _bars(rows: Rows) -> str:
    figure = Figure(figsize=(5.6, 0.7 + 0.34 * len(rows)))
    axes = figure.subplots()
    places = range(len(rows))
    axes.barh(
        [place - 0.2 for place in places],
        [_percent(row["part_right"]) for row in rows.values()],
        height=0.36,
        color=BLUE,
        label="part map right",
    )
    axes.barh(
        [place + 0.2 for place in places],
        [100 - _percent(row["reliable"]) for row in rows.values()],
        height=0.36,
        color=GREY,
        label="fell back to the object",
    )
    axes.set_yticks(places, list(rows))
    axes.invert_yaxis()
    axes.set(xlabel="samples, %", xlim=(0, 100))
    axes.legend(frameon=False, fontsize=8)
    return figure_svg(figure)


def _percent(share: float | None) -> float:
    return float("nan") if share is None else 100 * share  # not drawn
