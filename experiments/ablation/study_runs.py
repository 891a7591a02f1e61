"""Training and measuring every run of a study; what is finished is kept, what is not goes on."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from experiments.ablation.studies import Study, StudyRow, run_config
from selcon_ros.core.files.atomic_write import write_json
from selcon_ros.core.grounding.placement import Canvas
from selcon_training.config import ConfigError, TrainConfig
from selcon_training.data.agd20k import open_dataset
from selcon_training.models.checkpoint import load_model
from selcon_training.ranks import require_alone
from selcon_training.training.factory import test_time_averaging, training_device
from selcon_training.training.run_folder import checkpoint_folder
from selcon_training.training.run_records import FREE_KEYS, changed_keys
from selcon_training.training.trainer import Trainer
from selcon_training.training.validation import Inference, MapValidator

SPLITS = ("valset", "testset")
FIGURES_FILE = "figures.json"
_log = logging.getLogger(__name__)


def run_study(
    study: Study, base: Path, overrides: Sequence[str], seeds: int, out: Path, only: Sequence[str] = ()
) -> bool:
    """Train and measure the rows of a study with seeds 0, 1, ...; returns whether it was not told to stop.

    Seeds come in turn, so that an interrupted study has every row with the same number of seeds. Several
    processes may work in one folder: each takes the next run that no other has. Raises ConfigError for an
    unknown row, and, before anything is trained, for a configuration that is not valid or not the one that a
    finished run had.
    """
    require_alone("selcon ablate", "start it once per GPU, not by torchrun")
    unknown = sorted(set(only) - {row.name for row in study.rows})
    if unknown:
        known = ", ".join(row.name for row in study.rows)
        raise ConfigError(f"no row {', '.join(unknown)} in study {study.name}; there are {known}")
    rows = [row for row in study.rows if not only or row.name in only]
    runs = [(row, seed) for seed in range(seeds) for row in rows]
    configs = {(row.name, seed): _config(base, overrides, row, seed, out) for row, seed in runs}
    for row, seed in runs:
        _check_finished(run_folder(out, row, seed), configs[row.name, seed])
    for row, seed in runs:
        folder = run_folder(out, row, seed)
        folder.mkdir(parents=True, exist_ok=True)
        with _claim(folder / "study.lock") as mine:  # training holds "lock"
            if not mine or (folder / FIGURES_FILE).is_file():
                continue
            _log.info("%s, seed %d", row.label, seed)
            if not Trainer(configs[row.name, seed], resume=True).run():
                return False
            figures = measure(configs[row.name, seed])
            write_json(folder / FIGURES_FILE, figures)
    return True


def run_folder(out: Path, row: StudyRow, seed: int) -> Path:
    """Where a run of a study lies."""
    return out / row.name / f"seed{seed}"


def measure(config: TrainConfig) -> dict[str, Any]:
    """The figures of a finished run, by split and calibration, on every split that has truth maps: its last
    epoch, never the best one."""
    net, _ = load_model(checkpoint_folder(config.output))
    net.to(training_device(config.device))
    data = open_dataset(config.data.root, config.data.divide, config.data.skip)
    averaging = test_time_averaging(config, net)
    inference = Inference(config.calibration, config.gamma, config.validation.batch_size, averaging)
    canvas = Canvas(net.input_size, net.map_grid, config.data.fit_in_use)
    return {
        split: MapValidator(data, split, net.actions, canvas, inference, limit=None).figures(
            net, ("none", "continuous", "binarized")
        )
        for split in SPLITS
        if data.has(split) and data.has(split, "GT")
    }


def _check_finished(folder: Path, config: TrainConfig) -> None:
    """Raise ConfigError if the run in this folder is finished and had another configuration."""
    begun = folder / "config.yaml"
    free = tuple(key for key in FREE_KEYS if key not in ("schedule.epochs", "inference"))
    if (folder / FIGURES_FILE).is_file() and begun.is_file():
        changed = changed_keys(begun, config, free)
        if changed:
            raise ConfigError(
                f"{folder} is finished, with another configuration ({'; '.join(changed)}): "
                "choose another --out"
            )


def _config(base: Path, overrides: Sequence[str], row: StudyRow, seed: int, out: Path) -> TrainConfig:
    config = run_config(base, list(overrides), row, seed, run_folder(out, row, seed))
    encoders = config.encoders
    if encoders.cache_features and encoders.cache_folder is None:  # one store for all runs
        encoders = encoders.model_copy(update={"cache_folder": out / "features"})
        config = config.model_copy(update={"encoders": encoders})
    return config


@contextmanager
def _claim(path: Path) -> Iterator[bool]:
    """Yield whether this process holds the lock; it is free again when the process ends, however it ends."""
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()
