"""What a run leaves on disk and takes up again: network, optimiser, position, generators."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import nn

from selcon_training.checkpoint import save_model
from selcon_training.config import ConfigError, TrainConfig
from selcon_training.errors import CheckpointError
from selcon_training.model import SelconNet

_STATE = "trainer.pt"
FREE_KEYS = (
    "output",
    "device",
    "threads",
    "data_threads",
    "logging",
    "checkpoint",
    "validation",
    "schedule.epochs",
)
"""Configuration that may change between stop and resume; anything else decides what training gives."""


@dataclass
class Position:
    """Where training stands: the next step to do, within which epoch."""

    epoch: int = 0
    step: int = 0


def checkpoint_folder(output: Path) -> Path:
    """The folder of the newest complete checkpoint of a run (whether or not it exists yet)."""
    folder = output / "checkpoint"
    # A crash between the two renames of `save_run` leaves the former checkpoint under its spare name.
    spare = output / "checkpoint.old"
    return spare if spare.is_dir() and not folder.is_dir() else folder


def save_run(
    output: Path,
    net: SelconNet,
    meta: dict[str, Any],
    optimiser: torch.optim.Optimizer,
    learnables: nn.Module | None,
    position: Position,
) -> Path:
    """Write a complete checkpoint and put it in the place of the last one."""
    fresh, folder, spare = (output / name for name in ("checkpoint.new", "checkpoint", "checkpoint.old"))
    shutil.rmtree(fresh, ignore_errors=True)
    save_model(fresh, net, meta)
    state = {
        "epoch": position.epoch,
        "step": position.step,
        "optimiser": optimiser.state_dict(),
        "learnables": learnables.state_dict() if learnables is not None else {},
        "generator": torch.get_rng_state(),
    }
    torch.save(state, fresh / _STATE)
    if folder.is_dir():
        shutil.rmtree(spare, ignore_errors=True)
        folder.rename(spare)
    fresh.rename(folder)
    shutil.rmtree(spare, ignore_errors=True)
    return folder


def restore(
    folder: Path, optimiser: torch.optim.Optimizer, learnables: nn.Module | None, device: torch.device
) -> Position:
    """Put the trainer's state back. Raises CheckpointError if it is missing or does not fit."""
    path = folder / _STATE
    try:
        state = torch.load(path, map_location=device, weights_only=True)
        optimiser.load_state_dict(state["optimiser"])
        if learnables is not None:
            learnables.load_state_dict(state["learnables"])
        torch.set_rng_state(state["generator"].cpu())
        return Position(int(state["epoch"]), int(state["step"]))
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} is missing: this checkpoint cannot be resumed, only used") from error
    except (KeyError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"{path} does not belong to this run: {error}") from error


def record_config(config: TrainConfig, *, resume: bool) -> None:
    """Write config.yaml into the run's folder; on resume, first check that nothing that matters has changed.

    Raises ConfigError naming the changed keys, or the file if it is missing.
    """
    path = config.output / "config.yaml"
    values = config.model_dump(mode="json")
    if resume:
        if not path.is_file():
            raise ConfigError(f"cannot resume {config.output}: {path}, how it was begun, is missing")
        former = _flat(yaml.safe_load(path.read_text(encoding="utf-8")))
        now = _flat(values)
        changed = [
            f"{key}: {former.get(key)!r} became {now.get(key)!r}"
            for key in sorted(former.keys() | now.keys())
            if former.get(key) != now.get(key) and not key.startswith(FREE_KEYS)
        ]
        if changed:
            raise ConfigError(
                f"cannot resume {config.output} with another configuration: {'; '.join(changed)}"
            )
    config.output.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")


def _flat(values: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(values, dict):
        return {prefix: values}
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat.update(_flat(value, f"{prefix}.{key}" if prefix else str(key)))
    return flat
