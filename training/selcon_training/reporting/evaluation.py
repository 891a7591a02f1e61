"""The whole of `selcon evaluate`: open bundle and data, measure, write the report."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Any

from selcon_ros.backends.onnxruntime import open_on_cpu
from selcon_ros.backends.options import CpuOptions
from selcon_ros.core.atomic_write import write_file, write_json
from selcon_ros.core.bundle import load_bundle
from selcon_ros.core.grounder import Grounder
from selcon_training.confidence.evidence import NEGATIVE_SPLITS
from selcon_training.data.agd20k import DataSet, open_dataset
from selcon_training.errors import ResultNotWritten
from selcon_training.evaluate.evaluation import Evaluation, Row, evaluate
from selcon_training.evaluate.intervals import intervals
from selcon_training.evaluate.negatives import ask_negatives, negative_pictures, negative_queries
from selcon_training.evaluate.predictors import Affinity, Centre, Model, ObjectMask, Predictor
from selcon_training.evaluate.publication import publication
from selcon_training.evaluate.queries import Files
from selcon_training.evaluate.seeds import check_alike, summarise
from selcon_training.inspect.trained_run import open_trained, read_history
from selcon_training.reporting.html import write_report
from selcon_training.reporting.page import render
from selcon_training.reporting.published import published_for
from selcon_training.reporting.sheet import write_sheet


def run(
    bundle: Path,
    root: Path,
    divide: str | None,
    split: str,
    out: Path,
    baseline: str | None = None,
    limit: int | None = None,
    threads: int | None = None,
    trained: Path | None = None,
    skip: Path | None = None,
    sheet: Path | None = None,
    negatives: Path | None = None,
    not_afforded: Path | None = None,
) -> dict[str, Any]:
    """Evaluate and write results.json, queries.csv and report.html into `out`; returns the tables.

    `trained` is the folder of the run that gave the bundle: the report then has its curves and part
    discovery. `skip` lists files to leave out. `sheet` is the contact sheet to write, a JPEG. `negatives`
    is a folder of negative pictures, `not_afforded` a file of negative queries about the split's pictures
    (see `evaluate/negatives.py`). Raises ResultNotWritten, with the tables, where they cannot be written.
    """
    if trained is not None:  # told before the work, not after
        read_history(trained)
        open_trained(trained)
    data = open_dataset(root, divide, skip)
    model = load_bundle(bundle)
    actions = model.manifest.actions
    grounder = Grounder(model, open_on_cpu(model, CpuOptions(threads)))
    predictor = make_predictor(grounder, baseline, data, split)
    asked = {}
    if not_afforded is not None:
        asked["not afforded"] = negative_queries(not_afforded, data, split, actions, limit)
    if negatives is not None:
        asked["nothing"] = negative_pictures(negatives, actions, limit)
    result = evaluate(predictor, data, split, actions, limit=limit)
    for source, questions in asked.items():
        ask_negatives(predictor, questions, source, result)
    own = {NEGATIVE_SPLITS[split]: result.negatives} if split in NEGATIVE_SPLITS else {}
    tables = result.tables() | {
        "intervals": intervals(result.rows),
        "publication": publication(result.rows, own | result.other_negatives, result.grasp["min_confidence"]),
        "divide": divide,
        "bundle": model.manifest.name,
        "baseline": baseline,
        "published": None if limit is not None else published_for(data, divide, split),
    }
    try:
        write_json(out / "results.json", tables)
        write_queries(out / "queries.csv", result)
        write_report(out / "report.html", tables, result, predictor, data, actions, trained)
        if sheet is not None:
            write_sheet(sheet, result, predictor, data, actions)
    except OSError as error:
        raise ResultNotWritten(error, tables) from error
    return tables


def run_seeds(
    bundles: Sequence[Path],
    root: Path,
    divide: str | None,
    split: str,
    out: Path,
    limit: int | None = None,
    threads: int | None = None,
    trained: Sequence[Path] = (),
    skip: Path | None = None,
) -> dict[str, Any]:
    """Evaluate bundles that differ in their seed, each into a folder 1, 2, ... of `out`, and write
    summary.json and summary.html; returns the summary (evaluate.seeds).

    `trained` holds no folder or one per bundle, in their order.
    """
    loaded = [load_bundle(bundle) for bundle in bundles]
    check_alike(loaded)
    folders = [str(number) for number in range(1, len(bundles) + 1)]
    runs: Sequence[Path | None] = trained or [None] * len(bundles)
    tables = [
        run(bundle, root, divide, split, out / folder, None, limit, threads, run_folder, skip)
        for bundle, folder, run_folder in zip(bundles, folders, runs, strict=True)
    ]
    summary = summarise(loaded, folders, tables)
    try:
        write_json(out / "summary.json", summary)
        page = render("seeds.html", tables=summary, synthetic=open_dataset(root, divide, skip).synthetic)
        write_file(out / "summary.html", page.encode())
    except OSError as error:
        raise ResultNotWritten(error, summary) from error
    return summary


def make_predictor(grounder: Grounder, baseline: str | None, data: DataSet, split: str) -> Predictor:
    """The bundle itself, or one of the baselines centre, mask, affinity."""
    if baseline == "centre":
        return Centre()
    if baseline == "mask":
        return ObjectMask(Files(data, split), grounder.bundle.manifest.canvas)
    if baseline == "affinity":
        return Affinity(grounder)
    return Model(grounder)


def write_queries(path: Path, result: Evaluation) -> None:
    """One line per query, for the user's own statistics; `kld_none` is the KLD under calibration none."""
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, [*_line(result.rows[0]), "nothing"], restval="")
    writer.writeheader()
    for row in result.rows:
        writer.writerow(_line(row) | {"nothing": False})
    for answer in [*result.negatives, *chain.from_iterable(result.other_negatives.values())]:
        writer.writerow(asdict(answer) | {"nothing": True})
    write_file(path, file.getvalue().encode())


def _line(row: Row) -> dict[str, Any]:
    line = asdict(row) | {"objects": "+".join(row.objects)}
    others = line.pop("others")
    return line | {
        f"{figure}_{calibration}": value
        for calibration, scores in others.items()
        for figure, value in scores.items()
    }
