"""Plots of an evaluation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from selcon_ros.core.text import one_line
from selcon_training.evaluate.evaluation import Evaluation
from selcon_training.reporting.svg import BLUE, CRIMSON, GREY, TEXT_COLOUR, Plot, drawing

MAX_NAME_LENGTH = 40
"""Characters of a name in a plot, at most."""
Tables = Mapping[str, Any]


def evaluation_plots(tables: Tables, result: Evaluation) -> list[Plot]:
    """What there is to draw of an evaluation."""
    made = [
        _right_part(tables, "per_action", "Right part per action", "object folders"),
        _kld(tables, result),
        _distances(tables, result),
        _confidences(result),
        _publication(tables["publication"]),
        _right_part(tables, "per_object", "Right part per object", "the object's photos"),
    ]
    return [plot for plot in made if plot is not None]


def _right_part(tables: Tables, group: str, title: str, over: str) -> Plot:
    """The right-part rate of every row with its interval; that of all as a line."""
    rows = {name: row for name, row in tables[group].items() if row["right_part"] is not None}
    names = sorted(rows, key=lambda name: rows[name]["right_part"])
    overall = tables["overall"]
    with drawing(0.7 + 0.24 * len(rows)) as made:
        for place, name in enumerate(names):
            rate = 100 * rows[name]["right_part"]
            made.axes.barh(place, rate, color=BLUE, height=0.7)
            ends = tables["intervals"][group][name]["right_part"]
            if ends is not None:
                made.axes.plot([100 * end for end in ends], [place, place], color=TEXT_COLOUR, linewidth=1)
        made.axes.set_yticks(
            range(len(names)),
            [f"{one_line(name, MAX_NAME_LENGTH)} ({rows[name]['queries']})" for name in names],
        )
        made.axes.axvline(100 * overall["right_part"], color=CRIMSON, linewidth=1)
        made.axes.set(xlim=(0, 100), ylim=(-0.6, len(rows) - 0.4), xlabel="peak on the right part, %")
    return Plot(
        title,
        made.svg,
        f"n = {overall['queries']} queries, in brackets those of a row. Line: 95 % interval, bootstrap over "
        f"{over}. Red: all queries.",
    )


def _kld(tables: Tables, result: Evaluation) -> Plot:
    with drawing(2.2) as made:
        made.axes.hist([min(row.kld, 6.0) for row in result.rows], bins=40, range=(0, 6), color=BLUE)
        made.axes.axvline(tables["overall"]["kld"], color=CRIMSON, linewidth=1)
        made.axes.set(xlabel="KLD (above 6 counted at 6)", ylabel="queries")
    return Plot(
        "KLD",
        made.svg,
        f"n = {len(result.rows)} queries. Red: their mean{_between(tables['intervals']['overall']['kld'])}.",
    )


def _distances(tables: Tables, result: Evaluation) -> Plot | None:
    """The share of 3D grasp points within a distance of the part; None without depth."""
    distances = np.sort([row.distance for row in result.rows if row.distance is not None])
    if len(distances) == 0:
        return None
    with drawing(2.2) as made:
        share = 100 * np.arange(1, len(distances) + 1) / len(distances)
        made.axes.step(1000 * distances, share, where="post", color=BLUE)
        made.axes.axvline(10, color=GREY, linewidth=1, linestyle=":")
        made.axes.set(
            xscale="symlog",
            xlim=(0, None),
            ylim=(0, 100),
            xlabel="distance to the part at most, mm",
            ylabel="grasp points, %",
        )
    ends = tables["intervals"]["overall"]["grasp_distance_median_m"]
    return Plot(
        "3D grasp points",
        made.svg,
        f"n = {len(distances)} grasp points, the best one of each query. Median "
        f"{1000 * np.median(distances):.1f} mm{_between(ends, 1000, ' mm')}. Dotted: 10 mm.",
    )


def _confidences(result: Evaluation) -> Plot | None:
    """Confidence where the action is possible and where it is not; None without negative queries."""
    if not result.negatives:
        return None
    options: dict[str, Any] = {"bins": 30, "range": (0, 1), "alpha": 0.7}
    with drawing(2.2) as made:
        for rows, colour, label in (
            (result.rows, BLUE, "possible"),
            (result.negatives, CRIMSON, "not possible"),
        ):
            share = np.full(len(rows), 100 / len(rows))
            made.axes.hist(
                [row.confidence for row in rows], weights=share, color=colour, label=label, **options
            )
        made.axes.axvline(result.grasp["min_confidence"], color=GREY, linewidth=1, linestyle=":")
        made.axes.set(xlabel="confidence", ylabel="queries of a kind, %")
        made.axes.legend()
    return Plot(
        "Confidence",
        made.svg,
        f"n = {len(result.rows)} queries about possible actions and {len(result.negatives)} about others. "
        f"Dotted: {result.grasp['min_confidence']:g}, from which on an answer is published.",
    )


def _publication(figures: Tables | None) -> Plot | None:
    """The share of impossible actions answered against possible ones kept, as the threshold falls; None
    without such questions."""
    if figures is None:
        return None
    overall = figures["overall"]
    with drawing(3.4) as made:
        for number, (name, row) in enumerate({**figures["per_action"], "all": overall}.items()):
            if not row["curve"]:
                continue
            whole = name == "all"
            colour = CRIMSON if whole else f"C{number % 10}"
            points = 100 * np.asarray([[0.0, 0.0], *[point[1:] for point in row["curve"]]])
            label = f"{one_line(name, MAX_NAME_LENGTH)}, {row['auc']:.2f}"
            made.axes.step(
                *points.T, where="post", color=colour, linewidth=2.0 if whole else 1.0, label=label
            )
            dot = 100 * row["answered"], 100 * row["kept"]
            made.axes.plot(*dot, "o", color=colour, markersize=6 if whole else 4)
        made.axes.set(
            xlim=(-2, 102),
            ylim=(0, 102),
            xlabel="not possible, but answered, %",
            ylabel="possible and kept, %",
        )
        made.axes.legend(title="action, AUC", loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2)
    return Plot(
        "False answers against kept ones",
        made.svg,
        f"n = {overall['positives']} possible and {overall['negatives']} impossible questions. Dots: at a "
        f"confidence of {figures['min_confidence']:g}. AUC of all{_between(overall['intervals']['auc'])}.",
    )


def training_curves(history: Sequence[Mapping[str, Any]]) -> Iterator[Plot]:
    """Every loss and every validation figure over the epochs of a run."""
    for group in ("train", "validation"):
        for name in dict.fromkeys(name for record in history for name in record.get(group, {})):
            if "/" in name:  # per action: too many
                continue
            points = [
                (record["epoch"], record[group][name]) for record in history if name in record.get(group, {})
            ]
            with drawing(1.5) as made:
                made.axes.plot(*zip(*points, strict=True), color=BLUE, marker=".", linewidth=1)
                made.axes.locator_params(axis="x", integer=True)
                made.axes.set(xlim=(0.5, history[-1]["epoch"] + 0.5), xlabel="epoch", ylabel=name)
            yield Plot(f"{group}: {name}", made.svg, f"n = {len(points)} epochs of one run.")


def _between(ends: Sequence[float] | None, factor: float = 1.0, unit: str = "") -> str:
    """The interval as part of a sentence."""
    if ends is None:
        return ""
    return f", 95 % interval {factor * ends[0]:.2f} to {factor * ends[1]:.2f}{unit}"
