"""The table of a study: means and spread over seeds, as numbers and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.ablation.studies import Study
from experiments.ablation.study_runs import FIGURES_FILE, SPLITS, run_folder
from selcon_ros.core.files.json_file import read_object
from selcon_training.errors import DataError
from selcon_training.evaluate.seeds import over_seeds
from selcon_training.reporting.page import number

METRICS = {"kld": "KLD ↓", "sim": "SIM ↑", "nss": "NSS ↑", "right_part": "right part ↑"}


def collect(study: Study, out: Path, seeds: int) -> dict[str, Any]:
    """What is finished: `splits[split][row][calibration][metric]` is the list of the seeds' values."""
    splits: dict[str, Any] = {}
    missing = []
    for row in study.rows:
        for seed in range(seeds):
            path = run_folder(out, row, seed) / FIGURES_FILE
            if not path.is_file():
                missing.append(f"{row.name}, seed {seed}")
                continue
            for split, by_calibration in read_object(path, DataError, finite=False).items():
                for calibration in study.calibrations:
                    cell = splits.setdefault(split, {}).setdefault(row.name, {}).setdefault(calibration, {})
                    for metric in METRICS:
                        cell.setdefault(metric, []).append(_figure(path, by_calibration, calibration, metric))
    return {
        "study": study.name,
        "title": study.title,
        "rows": {row.name: {"label": row.label, "set": row.set} for row in study.rows},
        "splits": {split: splits[split] for split in SPLITS if split in splits},
        "missing": missing,
    }


def _figure(path: Path, by_calibration: Any, calibration: str, metric: str) -> float:
    """One figure of figures.json. Raises DataError where it is not there."""
    figures = by_calibration.get(calibration) if isinstance(by_calibration, dict) else None
    value = figures.get(metric) if isinstance(figures, dict) else None
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise DataError(f"{path} lacks {metric} with calibration {calibration}: remove it to measure again")
    return value


def cell(metric: str, values: Sequence[float]) -> str:
    """A table's entry for a metric."""
    return number(over_seeds(values), "%" if metric == "right_part" else "figure")


def lines(study: Study, results: dict[str, Any], split: str) -> tuple[list[str], list[list[str]]]:
    """The table of one split: its head, and a line for each row of the study and calibration."""
    published = any(row.published for row in study.rows)
    titles = [title + (", %" if metric == "right_part" else "") for metric, title in METRICS.items()]
    head = ["", "calibration", "seeds", *titles]
    if published:
        head.append(f"{study.published}: KLD / SIM / NSS")
    found = []
    for row in study.rows:
        for calibration, figures in results["splits"][split].get(row.name, {}).items():
            entries = [row.label, calibration, str(len(figures["kld"]))]
            entries += [cell(metric, figures[metric]) for metric in METRICS]
            if published:
                paper = row.published.get(calibration)
                entries.append(" / ".join(f"{value:.3f}" for value in paper) if paper else "")
            found.append(entries)
    return head, found


def markdown(study: Study, results: dict[str, Any], split: str) -> str:
    """The Markdown table of one split."""
    head, found = lines(study, results, split)
    rows = [head, ["---"] * len(head), *found]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)
