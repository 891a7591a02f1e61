"""The report of an evaluation: one self-contained HTML file of figures, plots and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from selcon_ros.core.atomic_write import write_file
from selcon_ros.core.grasp import GraspParameters
from selcon_training.data.agd20k import DataSet
from selcon_training.evaluate.evaluation import Evaluation
from selcon_training.evaluate.predictors import Predictor
from selcon_training.evaluate.queries import Files, find_pictures
from selcon_training.inspect.samples import spread_samples
from selcon_training.inspect.trained_run import open_trained, read_history
from selcon_training.reporting import plots
from selcon_training.reporting.explanation import sheets
from selcon_training.reporting.gallery import Gallery, sample
from selcon_training.reporting.page import embedded, render

SHOWN = 8
"""Overlays at either end."""
PER_ACTION = 2
"""Overlays of every action that no score has chosen."""
DISCOVERIES = 6
"""Samples whose part discovery is shown."""


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
    count = min(SHOWN, (len(ranked) + 1) // 2)
    pictures, files = find_pictures(data, result.split, actions), Files(data, result.split)
    gallery = Gallery(predictor, pictures, files, GraspParameters(**result.grasp))
    graphs = {
        "Right part per action": plots.right_part_bars(tables, "per_action"),
        "Right part per object": plots.right_part_bars(tables, "per_object"),
        "KLD": plots.kld_histogram(result),
        "3D grasp points": plots.distance_curve(result),
        "Confidence": plots.confidence_histogram(result),
        "False answers against kept ones": plots.publication_curve(tables["publication"]),
        "Training, by epoch": plots.training_curves(read_history(run)) if run is not None else None,
    }
    page = render(
        "report.html",
        tables=tables,
        graphs={title: Markup(svg) for title, svg in graphs.items() if svg is not None},
        galleries={
            "Best by KLD": [gallery.pair(row) for row in ranked[:count]],
            "Worst by KLD": [gallery.pair(row) for row in ranked[::-1][:count]],
        },
        drawn=[gallery.calibrations(row) for row in sample(result.rows, PER_ACTION)],
        discoveries=_discoveries(run, data) if run is not None else [],
        synthetic=data.synthetic,
    )
    write_file(path, page.encode())


def _discoveries(run: Path, data: DataSet) -> list[dict[str, Any]]:
    trained = open_trained(run)
    if not trained.exocentric or not data.has("trainset", "exocentric"):
        return []
    samples = spread_samples(data, "trainset", DISCOVERIES, trained.net.actions)
    return [
        {"figures": made.figures(), "picture": embedded(picture)}
        for made, picture in sheets(trained, samples)
    ]
