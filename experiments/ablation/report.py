"""A study's results on disk: results.json, table.md and report.html."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from markupsafe import Markup

from experiments.ablation.studies import Study
from experiments.ablation.table import METRICS, collect, lines, markdown
from selcon_ros.core.files.atomic_write import write_file, write_json
from selcon_ros.core.outputs.html_page import table
from selcon_training.reporting.page import render
from selcon_training.reporting.svg import BLUE, CRIMSON, Plot, drawing

CAPTION = "Mean ± sample standard deviation over n = the seeds of each row."


def write(study: Study, out: Path, seeds: int) -> dict[str, Any]:
    """Write what is finished of a study into the folder `out/<study>_report`; returns the results."""
    results = collect(study, out, seeds)
    folder = out / f"{study.name}_report"
    write_json(folder / "results.json", results)
    tables = [f"{split}:\n\n{markdown(study, results, split)}" for split in results["splits"]]
    write_file(folder / "table.md", "\n".join(tables).encode())
    splits = [
        {
            "name": split,
            "table": Markup(table(*lines(study, results, split), CAPTION)),
            "plots": [_dots(study, rows, metric) for metric in METRICS],
        }
        for split, rows in results["splits"].items()
    ]
    here = Path(__file__).parent
    page = render("report.html", study.title, folder=here, study=study, results=results, splits=splits)
    write_file(folder / "report.html", page)
    return results


def _dots(study: Study, rows: dict[str, Any], metric: str) -> Plot:
    """Every seed a dot, the mean of a row a line; the first row's mean goes through the picture."""
    calibration = study.calibrations[-1]
    shown = [row for row in study.rows if calibration in rows.get(row.name, {})]
    factor, unit = (100.0, ", %") if metric == "right_part" else (1.0, "")
    counts = []
    with drawing(0.7 + 0.32 * len(shown)) as made:
        for place, row in enumerate(shown):
            values = [factor * value for value in rows[row.name][calibration][metric]]
            mean = sum(values) / len(values)
            counts.append(len(values))
            if place == 0:
                made.axes.axvline(mean, color=CRIMSON, linewidth=1, linestyle=":")
            made.axes.plot([mean, mean], [place - 0.3, place + 0.3], color=BLUE, linewidth=2)
            made.axes.plot(values, [place] * len(values), "o", color=BLUE, alpha=0.7, markersize=5)
        names = [f"{row.label} ({count})" for row, count in zip(shown, counts, strict=True)]
        made.axes.set_yticks(range(len(shown)), names)
        made.axes.invert_yaxis()
        made.axes.locator_params(axis="x", nbins=6)
        made.axes.set_xlabel(f"{METRICS[metric]}{unit}")
    return Plot(
        METRICS[metric],
        made.svg,
        f"n = {sum(counts)} runs, calibration {calibration}. Dots: seeds, in brackets their number; lines: "
        "their mean; dotted: that of the first row.",
    )
