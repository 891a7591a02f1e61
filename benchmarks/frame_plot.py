"""The budget of a frame as a picture: a bar for each thread of each version. Needs matplotlib."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.frame import MeasuredVersion
from benchmarks.frame_report import STAGES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = (
    "#dddddd", "#aaaaaa", "#66ccee", "#4477aa", "#228833", "#99cc99",
    "#ddaa77", "#cc6677", "#ee8866", "#ccbb44", "#aa3377",
)  # fmt: skip
MIN_BAR_MS = 0.3
"""Milliseconds below which a thread has no bar."""
MIN_LABELLED_SHARE = 0.04
"""Share of the longest bar from which on a stage has its figure in its bar."""


def plot(found: list[MeasuredVersion], rate: float, machine: str, out: Path) -> None:
    """Draw milliseconds of a frame by stage, the threads of each version below each other; PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    bars = [
        (f"{each.version.name}: {thread}", stages)
        for each in found
        for thread, stages in sorted(each.budget.items(), key=lambda item: -sum(item[1].values()))
        if sum(stages.values()) >= MIN_BAR_MS
    ]
    figure = Figure(figsize=(11, 2.2 + 0.55 * len(bars)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    longest = max((sum(stages.values()) for _, stages in bars), default=0.0)
    for place, (_, stages) in enumerate(bars):
        _bar(axes, place, stages, MIN_LABELLED_SHARE * longest)
    axes.set_yticks(range(len(bars)), [title for title, _ in bars])
    axes.invert_yaxis()
    axes.axvline(1e3 / rate, color="#777777", linestyle="--", linewidth=1)
    axes.set_xlabel(f"ms of each answered image, all outputs subscribed (dashed: a camera at {rate:g} Hz)")
    axes.spines[["top", "right"]].set_visible(False)
    colours = dict(zip(STAGES, COLOURS, strict=True))
    used = [stage for stage in STAGES if any(stage in stages for _, stages in bars)]
    figure.legend(
        handles=[Patch(color=colours[each], label=STAGES[each]) for each in used],
        loc="outside lower center",
        ncols=5,
        fontsize=9,
    )
    figure.suptitle(f"Budget of a frame on {machine}", fontsize=12)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=110)


def _bar(axes: Axes, place: int, stages: dict[str, float], labelled: float) -> None:
    start = 0.0
    for stage, colour in zip(STAGES, COLOURS, strict=True):
        spent = stages.get(stage, 0.0)
        axes.barh(place, spent, left=start, height=0.6, color=colour)
        if spent >= labelled:
            axes.text(start + spent / 2, place, f"{spent:.1f}", ha="center", va="center", fontsize=9)
        start += spent
    axes.annotate(
        f"{start:.1f} ms", (start, place), (5, 0), textcoords="offset points", va="center", fontsize=9
    )
