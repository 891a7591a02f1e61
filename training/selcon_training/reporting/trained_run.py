"""What a training run left behind: its checkpoint, the configuration it was made with, its history."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selcon_ros.core.files.json_file import parse_object
from selcon_ros.core.files.plain_file import read_bytes
from selcon_ros.core.files.user_path import user_path
from selcon_ros.core.grounding.manifest import Calibration
from selcon_ros.core.grounding.placement import Fit
from selcon_training.config import TrainConfig, load_config
from selcon_training.config.weak_objective import WeakObjectiveConfig
from selcon_training.errors import CheckpointError, DataError
from selcon_training.models.checkpoint import load_model
from selcon_training.models.selcon_net import SelconNet
from selcon_training.training.run_folder import RAW_FOLDER, checkpoint_folder

_MAX_HISTORY_BYTES = 64 << 20


@dataclass(frozen=True)
class Trained:
    """A network with what explains it. `exocentric`: its exocentric branch was trained. `config` is the
    run's, None where it is not beside the checkpoint."""

    net: SelconNet
    weak: WeakObjectiveConfig
    calibration: Calibration
    gamma: float
    fit: Fit
    exocentric: bool
    config: TrainConfig | None
    note: str


def open_trained(folder: Path) -> Trained:
    """Load a checkpoint folder, or the one in a run's folder.

    The objective's constants come from config.yaml of the run; without that file they are the paper's, which
    `note` says. Raises CheckpointError, saying so where a model bundle was given.
    """
    folder = user_path(folder, CheckpointError)
    if folder.suffix in (".zip", ".onnx") or (folder / "manifest.json").is_file():
        raise CheckpointError(
            f"{folder} is a model bundle, which has no exocentric branch and no part discovery: give the "
            "checkpoint folder that it was exported from, for example runs/NAME/checkpoint"
        )
    inside = checkpoint_folder(folder)
    checkpoint = inside if inside.is_dir() else folder
    net, meta = load_model(checkpoint)
    if not isinstance(net, SelconNet):
        raise CheckpointError(
            f"{checkpoint} holds a convolutional network: discovery of parts, exocentric images and affinity "
            "are of the paper's network, trained without `backbone`"
        )
    parents = checkpoint.resolve().parents
    run = parents[1] if checkpoint.name == RAW_FOLDER else parents[0]
    written = run / "config.yaml"
    config, weak = None, WeakObjectiveConfig()
    note = "No config.yaml beside the checkpoint: the paper's constants."
    if written.is_file():
        config = load_config(written)
        weak, note = config.weak, f"Constants of {written}."
    if weak.reliability == "class":
        note += f" Thresholds per class are the training's own; here all are held against α = {weak.alpha}."
    return Trained(
        net=net,
        weak=weak,
        calibration=meta.get("calibration", "continuous"),
        gamma=float(meta.get("gamma", weak.gamma)),
        fit=meta.get("fit", "stretch"),
        exocentric=meta.get("training", {}).get("supervision", "weak") != "dense",
        config=config,
        note=note,
    )


def read_history(run: Path) -> list[dict[str, Any]]:
    """The epochs of a run, in order, from its metrics.jsonl; an epoch done twice counts as done last.

    Raises DataError where there is no such file, or a line is not of this kind.
    """
    path = Path(run) / "metrics.jsonl"
    if not path.exists():
        raise DataError(f"there is no {path}: --run takes the folder that selcon train wrote")
    epochs: dict[int, dict[str, Any]] = {}
    for number, line in enumerate(read_bytes(path, DataError, _MAX_HISTORY_BYTES).splitlines(), start=1):
        record = parse_object(line, f"{path}, line {number}", DataError, finite=False)
        epoch = record.get("epoch")
        if type(epoch) is not int or not isinstance(record.get("train"), dict):
            raise DataError(f"{path}, line {number}: not the record of an epoch")
        epochs[epoch] = record
    return [epochs[epoch] for epoch in sorted(epochs)]
