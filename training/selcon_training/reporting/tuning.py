"""The report of `selcon tune`: figures before and after, what was tried, and some answers both ways."""

from __future__ import annotations

from pathlib import Path

from selcon_ros.core.files.atomic_write import write_file, write_json
from selcon_ros.core.grounding.heatmap import soften, upsample
from selcon_training.data.images import read_picture
from selcon_training.errors import ResultNotWritten
from selcon_training.evaluate.measures import peaks_on
from selcon_training.evaluate.tuning import NO_CHANGE, SMOOTHINGS, TEMPERATURES, Example, Tuning
from selcon_training.reporting.answer_picture import answer_picture
from selcon_training.reporting.page import Shown, render, side_by_side
from selcon_training.reporting.svg import CRIMSON, GREY, Plot, drawing


def write_report(folder: Path, tuning: Tuning, name: str, data: str) -> None:
    """Write report.html and results.json into `folder`.

    `name` is that of the bundle. `data` is what it was tuned on, in words. Raises ResultNotWritten, with the
    tuning.
    """
    record = tuning.record()
    text = render(
        "tuning.html",
        f"{name}, tuned",
        result=record,
        data=data,
        plot_of_all=_plot(tuning),
        shown=[_shown(each, tuning) for each in tuning.examples],
    )
    try:
        write_json(folder / "results.json", record)
        write_file(folder / "report.html", text)
    except OSError as error:
        raise ResultNotWritten(error, tuning) from error


def _plot(tuning: Tuning) -> Plot:
    """The mean KLD against the temperature, a line for each smoothing."""
    with drawing(2.8) as made:
        for sigma, line in zip(SMOOTHINGS, tuning.surface, strict=True):
            chosen = sigma == tuning.smoothing
            made.axes.plot(
                TEMPERATURES, line, color=CRIMSON if chosen else GREY, linewidth=2 if chosen else 0.8,
                label=f"smoothing {sigma:g}, chosen" if chosen else None,
            )  # fmt: skip
        made.axes.plot(tuning.temperature, tuning.surface.min(), "o", color=CRIMSON)
        made.axes.set_xscale("log")
        made.axes.set_xticks(TEMPERATURES, [f"{each:g}" for each in TEMPERATURES])
        made.axes.minorticks_off()
        made.axes.set(xlabel="temperature", ylabel="mean KLD")
        made.axes.legend()
    tried = ", ".join(f"{each:g}" for each in SMOOTHINGS)
    return Plot(
        "What was tried",
        made.svg,
        f"n = {tuning.queries} queries. A line is a smoothing, in cells of the map: {tried}. Dot: the least "
        "mean, which was chosen on these very queries. No intervals: they are in the table.",
    )


def _shown(each: Example, tuning: Tuning) -> Shown:
    picture = read_picture(each.path)
    maps = [soften(each.refined, *how) for how in (NO_CHANGE, (tuning.smoothing, tuning.temperature))]
    right = [peaks_on(each.part, upsample(one, *picture.shape[:2])) for one in maps]
    panels = [answer_picture(picture, one, each.part, on) for one, on in zip(maps, right, strict=True)]
    name = f"{each.action} on {each.path.name}"
    outcomes = " → ".join("right part" if on else "wrong part" for on in right)
    return Shown(side_by_side(panels), f"{name}: {outcomes}", f"{name}, before and after", not right[1])
