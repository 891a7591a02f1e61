"""One self-contained HTML file: figures, plots, and the best and worst overlays."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from selcon_ros.core.files import read_image
from selcon_ros.core.grasp import GraspParameters
from selcon_ros.core.heatmap import Heatmap
from selcon_ros.core.overlay import draw
from selcon_training.data.images import U8
from selcon_training.data.layout import DataSet
from selcon_training.evaluate.predictors import Predictor
from selcon_training.evaluate.queries import Files, Picture, find_pictures
from selcon_training.evaluate.run import Evaluation, Row, grasps, query_of
from selcon_training.report import plots

SHOWN = 8
"""Overlays at either end."""
WIDTH = 320
"""Pixels of one picture in the report."""


def write_report(
    path: Path,
    tables: dict[str, Any],
    result: Evaluation,
    predictor: Predictor,
    data: DataSet,
    actions: Sequence[str],
) -> None:
    """Write the report; the predictor is asked again for the queries that are shown."""
    pictures = find_pictures(data, result.split, actions)
    files = Files(data, result.split)
    ranked = sorted(result.rows, key=lambda row: row.kld)
    count = min(SHOWN, (len(ranked) + 1) // 2)
    parameters = GraspParameters(**result.grasp)
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
    )
    environment.filters |= {"figure": _figure, "percent": _percent, "millimetres": _millimetres}
    graphs = {
        "Right part per action": plots.right_part_bars(tables, "per_action"),
        "Right part per object": plots.right_part_bars(tables, "per_object"),
        "KLD": plots.kld_histogram(result),
        "3D grasp points": plots.distance_curve(result),
        "Confidence": plots.confidence_histogram(result),
    }
    page = environment.get_template("report.html").render(
        tables=tables,
        graphs={title: Markup(svg) for title, svg in graphs.items() if svg is not None},
        galleries={
            "Best by KLD": [_shown(row, pictures, files, predictor, parameters) for row in ranked[:count]],
            "Worst by KLD": [
                _shown(row, pictures, files, predictor, parameters) for row in ranked[::-1][:count]
            ],
        },
        synthetic=data.synthetic,
    )
    path.write_text(page, encoding="utf-8")


def _shown(
    row: Row, pictures: Sequence[Picture], files: Files, predictor: Predictor, parameters: GraspParameters
) -> dict[str, Any]:
    picture, query = query_of(pictures, row)
    image = read_image(picture.path)
    predictor.look(image)
    heatmap = predictor.answer(query).heatmap
    geometry = files.geometry(query)
    found = grasps(heatmap, geometry, parameters)
    truth = files.truth(query)
    assert truth is not None  # a row was measured against it
    values = cv2.resize(truth, (image.shape[1], image.shape[0])).astype(np.float32) / np.float32(
        max(1, int(truth.max()))
    )
    pair = np.concatenate(
        [draw(image, heatmap, found), draw(image, Heatmap("truth", values, 1.0), [])], axis=1
    )
    return {"row": row, "picture": _embedded(pair)}


def _embedded(image: U8) -> str:
    height = round(2 * WIDTH * image.shape[0] / image.shape[1])
    small = cv2.resize(image, (2 * WIDTH, height), interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(".jpg", small[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}"


def _millimetres(value: float | None) -> str:
    return "–" if value is None else f"{1000 * value:.1f}"
