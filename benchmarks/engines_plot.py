"""Latency and accuracy of the engines as a picture. Needs matplotlib."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.engines import Measured
from selcon_ros.core.outputs.heatmap_agreement import MAX_KLD

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = {"fp32": "#4477aa", "fp16": "#228833", "int8": "#cc6677"}
MIN_DRAWN_ERROR = 1e-6
"""Accuracy below it is drawn as this: nothing is seen of it."""
LOG_AXIS_RATIO = 30
"""Times that are farther apart than this factor are drawn on a logarithmic axis."""
_GREY = "#777777"


def plot(found: list[Measured], machine: str, out: Path) -> None:
    """Draw, for each bundle, the time of one image and the KLD from fp32 of what was measured; PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    drawn = [each for each in found if each.batch == 1 and each.times is not None]
    groups = [
        [each for each in drawn if each.bundle == name][::-1]
        for name in dict.fromkeys(each.bundle for each in drawn)
    ]
    if not groups:
        return
    figure = Figure(figsize=(11, 1.0 + sum(1.1 + 0.36 * len(each) for each in groups)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(
        len(groups), 2, squeeze=False, height_ratios=[2 + len(each) for each in groups], width_ratios=[3, 2]
    )
    for group, (left, right) in zip(groups, axes, strict=True):
        _times(left, group)
        _accuracy(right, group)
        for each in (left, right):
            each.set_ylim(-0.6, len(group) - 0.4)
            each.spines[["top", "right"]].set_visible(False)
    used = dict.fromkeys(each.subject.precision for each in drawn)
    figure.legend(
        handles=[Patch(color=COLOURS[each], label=each) for each in used], loc="outside lower right", ncols=3
    )
    figure.suptitle(f"Engines on {machine}", fontsize=12)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=110)


def _times(axes: Axes, group: list[Measured]) -> None:
    times = [each.times for each in group if each.times is not None]
    medians = [each.median for each in times]
    tails = [max(0.0, each.p95 - each.median) for each in times]
    axes.barh(
        range(len(group)),
        medians,
        height=0.6,
        color=[COLOURS[each.subject.precision] for each in group],
        xerr=[[0.0] * len(group), tails],
        error_kw={"ecolor": "#555555", "capsize": 3},
    )
    axes.set_yticks(range(len(group)), [each.subject.full_title for each in group])
    end = max(median + tail for median, tail in zip(medians, tails, strict=True))
    if max(medians) > LOG_AXIS_RATIO * min(medians):
        axes.set_xscale("log")
        axes.set_xlim(min(medians) / 2, 6 * end)
    else:
        axes.set_xlim(0, 1.4 * end)
    for place, (median, tail) in enumerate(zip(medians, tails, strict=True)):
        text = (f"{each:.0f}" if each >= 100 else f"{each:.3g}" for each in (median, median + tail))
        _label(axes, median + tail, place, "{} ms, p95 {}".format(*text))
    axes.set_title(f"{group[0].bundle}: one camera image to maps", fontsize=10)
    axes.set_xlabel("ms")


def _accuracy(axes: Axes, group: list[Measured]) -> None:
    for place, each in enumerate(group):
        if each.accuracy is None:
            _label(axes, MIN_DRAWN_ERROR / 2, place, "not compared")
            continue
        kld = max(each.accuracy.agreement.kld_mean, MIN_DRAWN_ERROR)
        axes.plot([kld], [place], "o", color=COLOURS[each.subject.precision])
        _label(axes, kld, place, f"{kld:.1e}" if kld > MIN_DRAWN_ERROR else f"below {MIN_DRAWN_ERROR:.0e}")
    axes.axvline(MAX_KLD, color=_GREY, linestyle="--", linewidth=1)
    axes.set_xscale("log")
    axes.set_xlim(MIN_DRAWN_ERROR / 2, 1)
    axes.set_yticks(range(len(group)), [""] * len(group))
    axes.set_title("KLD from fp32 (dashed: tolerance)", fontsize=10)
    axes.grid(axis="x", alpha=0.3)


def _label(axes: Axes, x: float, y: int, text: str) -> None:
    axes.annotate(text, (x, y), (7, 0), textcoords="offset points", va="center", fontsize=9)
