"""Plots of an evaluation as inline SVG."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from selcon_training.evaluate.evaluation import Evaluation

BLUE, CRIMSON, GREY = "#2563eb", "#e11d48", "#94a3b8"


def right_part_bars(tables: Mapping[str, Any], group: str) -> str:
    """Right-part rate per action or object, with its standard error, the mean as a line."""
    rows = sorted(tables[group].items(), key=lambda entry: entry[1]["right_part"] or 0.0)
    rows = [(name, figures) for name, figures in rows if figures["right_part"] is not None]
    rates = np.asarray([figures["right_part"] for _, figures in rows])
    counts = np.asarray([figures["queries"] for _, figures in rows])
    figure, axes = plt.subplots(figsize=(5.6, 0.6 + 0.26 * len(rows)))
    errors = 100 * np.sqrt(rates * (1 - rates) / counts)
    names = [f"{name} ({count})" for (name, _), count in zip(rows, counts, strict=True)]
    axes.barh(names, 100 * rates, xerr=errors, color=BLUE, height=0.7, ecolor=GREY)
    axes.axvline(100 * tables["overall"]["right_part"], color=CRIMSON, linewidth=1)
    axes.set(xlim=(0, 100), xlabel="peak on the right part, % (queries)")
    return figure_svg(figure)


def kld_histogram(result: Evaluation) -> str:
    """How the KLD spreads over queries."""
    figure, axes = plt.subplots(figsize=(5.6, 2.4))
    axes.hist([min(row.kld, 6.0) for row in result.rows], bins=40, range=(0, 6), color=BLUE)
    axes.set(xlabel="KLD (above 6 counted at 6)", ylabel="queries")
    return figure_svg(figure)


def distance_curve(result: Evaluation) -> str | None:
    """Share of 3D grasp points within a distance of the part; None without depth."""
    distances = np.sort([row.distance for row in result.rows if row.distance is not None])
    if len(distances) == 0:
        return None
    figure, axes = plt.subplots(figsize=(5.6, 2.4))
    share = 100 * np.arange(1, len(distances) + 1) / len(distances)
    axes.step(1000 * distances, share, where="post", color=BLUE)
    axes.axvline(10, color=GREY, linewidth=1, linestyle=":")
    axes.set(
        xscale="symlog",
        xlim=(0, None),
        ylim=(0, 100),
        xlabel="distance to the part, mm",
        ylabel="grasp points, %",
    )
    return figure_svg(figure)


def confidence_histogram(result: Evaluation) -> str | None:
    """Confidence where the action is possible and where it is not; None without negative queries."""
    if not result.negatives:
        return None
    figure, axes = plt.subplots(figsize=(5.6, 2.4))
    options: dict[str, Any] = {"bins": 30, "range": (0, 1), "density": True, "alpha": 0.7}
    axes.hist([row.confidence for row in result.rows], color=BLUE, label="possible", **options)
    axes.hist([row.confidence for row in result.negatives], color=CRIMSON, label="not possible", **options)
    axes.axvline(result.grasp["min_confidence"], color=GREY, linewidth=1, linestyle=":")
    axes.set(xlabel="confidence", ylabel="density")
    axes.legend(frameon=False)
    return figure_svg(figure)


def publication_curve(figures: Mapping[str, Any] | None) -> str | None:
    """Share of impossible actions answered against possible ones kept, as the threshold falls; None without
    such questions."""
    if figures is None:
        return None
    figure, axes = plt.subplots(figsize=(5.6, 3.4))
    for number, (name, row) in enumerate({**figures["per_action"], "all": figures["overall"]}.items()):
        if not row["curve"]:
            continue
        whole = name == "all"
        colour = CRIMSON if whole else f"C{number % 10}"
        points = 100 * np.asarray([[0.0, 0.0], *[point[1:] for point in row["curve"]]])
        width = 2.0 if whole else 0.8
        axes.step(*points.T, where="post", color=colour, linewidth=width, label=f"{name}, {row['auc']:.2f}")
        axes.plot(100 * row["answered"], 100 * row["kept"], "o", color=colour, markersize=6 if whole else 4)
    axes.set(
        xlim=(-2, 102),
        ylim=(0, 102),
        xlabel="not possible, but answered, %",
        ylabel="possible and kept, %",
        title=f"dots: at a confidence of {figures['min_confidence']:g}",
    )
    axes.title.set_fontsize(8)
    axes.legend(frameon=False, fontsize=7, title="action, AUC", title_fontsize=7)
    return figure_svg(figure)


def training_curves(history: Sequence[Mapping[str, Any]]) -> str | None:
    """Every loss and every validation figure over the epochs of a run; None without an epoch."""
    curves = {
        f"{group} {name}": [
            (record["epoch"], record[group][name]) for record in history if name in record.get(group, {})
        ]
        for group in ("train", "validation")
        for name in dict.fromkeys(name for record in history for name in record.get(group, {}))
        if "/" not in name  # per action: too many
    }
    if not curves:
        return None
    rows = -(-len(curves) // 3)
    figure, grid = plt.subplots(rows, 3, figsize=(8.4, 1.9 * rows), squeeze=False)
    figure.subplots_adjust(hspace=0.6, wspace=0.35)
    for axes, (name, points) in zip(grid.flat, curves.items(), strict=False):
        axes.plot(*zip(*points, strict=True), color=BLUE, marker=".", linewidth=1)
        axes.set_title(name, fontsize=8)
        axes.set_xlim(0.5, history[-1]["epoch"] + 0.5)
    for axes in grid.flat[len(curves) :]:
        axes.remove()
    return figure_svg(figure)


def figure_svg(figure: Figure) -> str:
    """A figure as inline SVG; the same figure gives the same text."""
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=8)
    stream = io.StringIO()
    # No date and fixed ids: the same figures give the same file.
    with matplotlib.rc_context({"svg.hashsalt": "selcon"}):
        figure.savefig(stream, format="svg", bbox_inches="tight", metadata={"Date": None})
    plt.close(figure)
    text = stream.getvalue()
    return text[text.index("<svg") :]
