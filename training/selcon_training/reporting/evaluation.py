"""The whole of `selcon evaluate`: open bundle and data, measure, write the report."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import Any

from selcon_ros import __version__
from selcon_ros.backends.onnxruntime import open_on_cpu
from selcon_ros.backends.options import CpuOptions
from selcon_ros.core.files.atomic_write import write_file, write_json
from selcon_ros.core.files.plain_file import read_bytes
from selcon_ros.core.grounding.bundle import Bundle, load_bundle
from selcon_ros.core.grounding.grounder import Grounder
from selcon_training.confidence.evidence import CLUTTER_SPLITS, NEGATIVE_SPLITS
from selcon_training.data.agd20k import DataSet, open_dataset
from selcon_training.data.pictures import all_pictures
from selcon_training.errors import DataError, ResultNotWritten
from selcon_training.evaluate.answers import Answers, QueryRow
from selcon_training.evaluate.evaluation import Evaluation, answered, evaluation_of, jobs_of
from selcon_training.evaluate.intervals import intervals
from selcon_training.evaluate.negatives import jobs_of_negatives, negative_pictures, negative_queries
from selcon_training.evaluate.parts import EvaluationParts
from selcon_training.evaluate.predictors import (
    Affinity,
    CentrePredictor,
    ModelPredictor,
    ObjectMask,
    Predictor,
)
from selcon_training.evaluate.publication import publication
from selcon_training.evaluate.queries import QueryFiles
from selcon_training.evaluate.seeds import check_alike, summarise
from selcon_training.ranks import ALONE, Ranks
from selcon_training.reporting.html import write_report, write_seeds
from selcon_training.reporting.published import published_for
from selcon_training.reporting.sheet import write_sheet
from selcon_training.reporting.trained_run import open_trained, read_history
from selcon_training.training.fingerprint import fingerprint


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
    ranks: Ranks = ALONE,
) -> dict[str, Any] | None:
    """Evaluate and write results.json, queries.csv and report.html into `out`; returns the tables.

    `trained` is the folder of the run that gave the bundle: the report then has its curves and part
    discovery. `skip` lists files to leave out. `sheet` is the contact sheet to write, a JPEG. `negatives`
    is a folder of negative pictures, `not_afforded` a file of negative queries about the split's pictures
    (see `evaluate/negatives.py`).

    One of several processes measures its share of the pictures and leaves it in `out`, unless it is there
    already. Where the shares of all are there the report is written, the same as one process writes; else
    returns None. Raises ResultNotWritten, with the tables, where they cannot be written.
    """
    if trained is not None:  # told before the work, not after
        read_history(trained)
        open_trained(trained)
    data = open_dataset(root, divide, skip)
    model = load_bundle(bundle)
    actions = model.manifest.actions
    grounder = Grounder(model, open_on_cpu(model, CpuOptions(threads)))
    predictor = make_predictor(grounder, baseline, data, split)
    jobs = jobs_of(predictor, data, split, actions, limit)
    if not_afforded is not None:
        refused = negative_queries(not_afforded, data, split, actions, limit)
        jobs += jobs_of_negatives(predictor, refused, "not afforded")
    if negatives is not None:
        pictures = negative_pictures(negatives, actions, limit)
        jobs += jobs_of_negatives(predictor, pictures, "nothing")
    answers: list[Answers] | None
    if ranks.count == 1:
        answers = answered(jobs, split)
    else:
        chosen = {"divide": divide, "baseline": baseline, "limit": limit, "pictures": len(jobs)}
        parts = EvaluationParts(out, ranks, chosen | _decisive(model, data, split, negatives, not_afforded))
        if not parts.has_own():
            parts.write(answered(ranks.share(jobs), split))
        answers = parts.whole()
        if answers is None:
            return None
    result = evaluation_of(predictor, data, split, answers)
    own = {NEGATIVE_SPLITS[split]: result.negatives} if split in NEGATIVE_SPLITS else {}
    tables = result.tables() | {
        "intervals": intervals(result.rows, result.negatives),
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


def _decisive(
    model: Bundle, data: DataSet, split: str, negatives: Path | None, not_afforded: Path | None
) -> dict[str, Any]:
    """What decides the figures: network and manifest, data and questions, version of the code."""
    splits = [split, *(kind[split] for kind in (NEGATIVE_SPLITS, CLUTTER_SPLITS) if split in kind)]
    found = [] if negatives is None else all_pictures(negatives, "--negatives")
    listed = [(path.name, path.stat().st_size) for path in found]
    refused = b"" if not_afforded is None else read_bytes(not_afforded, DataError)
    return {
        "version": __version__,
        "bundle": sha256(model.manifest.to_json().encode()).hexdigest(),
        "split": split,
        "data": fingerprint(data, splits),
        "negatives": sha256(json.dumps(listed).encode()).hexdigest(),
        "not_afforded": sha256(refused).hexdigest(),
    }


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
    ranks: Ranks = ALONE,
) -> dict[str, Any] | None:
    """Evaluate bundles that differ in their seed, each into a folder 1, 2, ... of `out`, and write
    summary.json and summary.html; returns the summary (evaluate.seeds).

    `trained` holds no folder or one per bundle, in their order. As one of several processes, see `run`:
    returns None while shares are missing.
    """
    loaded = [load_bundle(bundle) for bundle in bundles]
    check_alike(loaded)
    folders = [str(number) for number in range(1, len(bundles) + 1)]
    runs: Sequence[Path | None] = trained or [None] * len(bundles)

    def measured(number: int) -> dict[str, Any] | None:
        place, of = out / folders[number], runs[number]
        return run(bundles[number], root, divide, split, place, None, limit, threads, of, skip, ranks=ranks)

    tables = [measured(number) for number in range(len(bundles))]
    # Another process may have been slower with one bundle and faster with the next: look again.
    tables = [table or measured(number) for number, table in enumerate(tables)]
    complete = [table for table in tables if table is not None]
    if len(complete) < len(tables):
        return None
    summary = summarise(loaded, folders, complete)
    try:
        write_json(out / "summary.json", summary)
        write_seeds(out / "summary.html", summary, open_dataset(root, divide, skip).synthetic)
    except OSError as error:
        raise ResultNotWritten(error, summary) from error
    return summary


def make_predictor(grounder: Grounder, baseline: str | None, data: DataSet, split: str) -> Predictor:
    """The bundle itself, or one of the baselines centre, mask, affinity."""
    if baseline == "centre":
        return CentrePredictor()
    if baseline == "mask":
        return ObjectMask(QueryFiles(data, split), grounder.bundle.manifest.canvas)
    if baseline == "affinity":
        return Affinity(grounder)
    return ModelPredictor(grounder)


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


def _line(row: QueryRow) -> dict[str, Any]:
    line = asdict(row) | {"objects": "+".join(row.objects)}
    others = line.pop("others")
    return line | {
        f"{figure}_{calibration}": value
        for calibration, scores in others.items()
        for figure, value in scores.items()
    }
