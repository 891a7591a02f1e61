"""A study's results on disk: results.json, table.md and report.html."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from markupsafe import Markup
from matplotlib.figure import Figure

from experiments.ablation.studies import Study
from experiments.ablation.table import METRICS, cell, collect, markdown
from selcon_ros.core.atomic_write import write_file, write_json
from selcon_training.reporting.page import render
from selcon_training.reporting.plots import BLUE, CRIMSON, figure_svg


def write(study: Study, out: Path, seeds: int) -> dict[str, Any]:
    """Write what is finished of a study into the folder `out/<study>_report`; returns the results."""
    results = collect(study, out, seeds)
    folder = out / f"{study.name}_report"
    write_json(folder / "results.json", results)
    tables = [f"{split}:\n\n{markdown(study, results, split)}" for split in results["splits"]]
    write_file(folder / "table.md", "\n".join(tables).encode())
    page = render(
        "report.html",
        folder=Path(__file__).parent,
        study=study,
        cell=cell,
        results=results,
        metrics=METRICS,
        graphs={
            split: {metric: Markup(_dots(study, results["splits"][split], metric)) for metric in METRICS}
            for split in results["splits"]
        },
    )
    write_file(folder / "report.html", page.encode())
    return results


def _dots(study: Study, rows: dict[str, Any], metric: str) -> str:
    """Every seed a dot, the mean of a row a line; the first row's mean goes through the picture."""
    calibration = study.calibrations[-1]
    shown = [row for row in study.rows if calibration in rows.get(row.name, {})]
    figure = Figure(figsize=(5.6, 0.7 + 0.32 * len(shown)))
    axes = figure.subplots()
    factor = 100.0 if metric == "right_part" else 1.0
    for place, row in enumerate(shown):
        values = [factor * value for value in rows[row.name][calibration][metric]]
        mean = sum(values) / len(values)
        if place == 0:
            axes.axvline(mean, color=CRIMSON, linewidth=1, linestyle=":")
        axes.plot([mean, mean], [place - 0.3, place + 0.3], color=BLUE, linewidth=2)
        axes.plot(values, [place] * len(values), "o", color=BLUE, alpha=0.5, markersize=5)
    axes.set_yticks(range(len(shown)), [row.label for row in shown])
    axes.invert_yaxis()
    unit = ", %" if metric == "right_part" else ""
    axes.set_xlabel(f"{METRICS[metric]}{unit} (calibration: {calibration})")
    return figure_svg(figure)
