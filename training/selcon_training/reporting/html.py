"""The pages of an evaluation and of several seeds: figures, plots and pictures in one file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from selcon_ros.core.files.atomic_write import write_file
from selcon_ros.core.grasps.grasp import GraspParameters
from selcon_training.data.agd20k import DataSet
from selcon_training.evaluate.evaluation import Evaluation
from selcon_training.evaluate.predictors import Predictor
from selcon_training.evaluate.queries import QueryFiles, find_pictures
from selcon_training.reporting.explanation import sheets, shown
from selcon_training.reporting.gallery import Gallery, sample
from selcon_training.reporting.page import Column, Shown, render
from selcon_training.reporting.plots import evaluation_plots, training_curves
from selcon_training.reporting.samples import spread_samples
from selcon_training.reporting.trained_run import open_trained, read_history

SHOWN_PER_END = 8
"""Overlays at either end."""
SHOWN_PER_ACTION = 2
"""Overlays of every action that no score has chosen."""
MAX_DISCOVERIES = 6
"""Samples whose part discovery is shown."""
COLUMNS: tuple[Column, ...] = (
    ("queries", "queries", "count"),
    ("photos", "photos", "count"),
    ("kld", "KLD", "figure"),
    ("sim", "SIM", "figure"),
    ("nss", "NSS", "figure"),
    ("right_part", "right part, %", "%"),
    ("grasp_distance_median_m", "grasp distance, median, mm", "mm"),
    ("grasp_distance_p90_m", "90 % within, mm", "mm"),
    ("with_grasp", "with grasp, %", "%"),
    ("nothing_without_grasp", "negatives: none, %", "%"),
)


def write_report(
    path: Path,
    tables: dict[str, Any],
    result: Evaluation,
    predictor: Predictor,
    data: DataSet,
    actions: Sequence[str],
    run: Path | None = None,
) -> None:
    """Write the report; the predictor is asked again for the queries that are shown.

    `run`, the folder of the training run, adds its curves and, where it has learned from exocentric
    pictures and the data have some in trainset, its part discovery.
    """
    ranked = sorted(result.rows, key=lambda row: row.kld)
    count = min(SHOWN_PER_END, (len(ranked) + 1) // 2)
    pictures, files = find_pictures(data, result.split, actions), QueryFiles(data, result.split)
    gallery = Gallery(predictor, pictures, files, GraspParameters(**result.grasp))
    found = tables["publication"]
    text = render(
        "evaluation.html",
        tables["predictor"],
        tables=tables,
        columns=COLUMNS,
        confidence=found and {"all actions": found["overall"], **found["per_action"]},
        without_hold=found and {name: row["without_hold"] for name, row in found["sources"].items()},
        plots=evaluation_plots(tables, result),
        curves=list(training_curves(read_history(run))) if run is not None else [],
        galleries={
            "Best by KLD": [gallery.pair(row) for row in ranked[:count]],
            "Worst by KLD": [gallery.pair(row) for row in ranked[::-1][:count]],
        },
        drawn=[gallery.calibrations(row) for row in sample(result.rows, SHOWN_PER_ACTION)],
        discoveries=_discoveries(run, data) if run is not None else [],
        synthetic=data.synthetic,
    )
    write_file(path, text)


def write_seeds(path: Path, summary: dict[str, Any], synthetic: bool) -> None:
    """Write the page of a summary over seeds, beside the folders of the single reports."""
    link = Markup('<a href="{}/report.html">{}</a>')
    bundles = {
        link.format(one["folder"], one["path"]): {"seed": one["seed"], **one["overall"]}
        for one in summary["bundles"]
    }
    title = f"{summary['predictor']}, {len(bundles)} seeds"
    values: dict[str, Any] = {
        "tables": summary,
        "columns": COLUMNS,
        "bundles": bundles,
        "synthetic": synthetic,
    }
    write_file(path, render("seeds.html", title, **values))


def _discoveries(run: Path, data: DataSet) -> list[Shown]:
    trained = open_trained(run)
    if not trained.exocentric or not data.has("trainset", "exocentric"):
        return []
    samples = spread_samples(data, "trainset", MAX_DISCOVERIES, trained.net.actions)
    return [shown(made, picture) for made, picture in sheets(trained, samples)]
