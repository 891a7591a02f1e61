"""What a run leaves on disk and takes up again: network, optimiser, position, generators."""

from __future__ import annotations

import io
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from torch import Tensor

from selcon_ros.core.files.atomic_write import sync_folder, write_file
from selcon_ros.core.files.plain_file import require_plain_file
from selcon_training.config import ConfigError
from selcon_training.encoders.torch_files import why_unreadable
from selcon_training.errors import CheckpointError, CheckpointNotWritten
from selcon_training.models.checkpoint import model_files, refuse_not_finite
from selcon_training.models.network import Network

_STATE_FILE = "trainer.pt"
RAW_FOLDER = "raw"
_LOCK_FILE = "lock"


@dataclass
class Position:
    """Where training stands: the next step to do, within which epoch."""

    epoch: int = 0
    step: int = 0


def checkpoint_folder(output: Path) -> Path:
    """The folder of the newest complete checkpoint of a run (whether or not it exists yet)."""
    _, folder, spare = _folders(output)
    # A crash between the two renames of `save_run` leaves the former checkpoint under its spare name.
    return spare if spare.is_dir() and not folder.is_dir() else folder


def hold(output: Path) -> FileLock:
    """Keep other processes from training in a folder that exists, until the lock is released or this process
    ends, however it ends. Raises ConfigError if another one trains there."""
    lock = FileLock(output / _LOCK_FILE)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise ConfigError(
            f"another process trains in {output}: wait for it, stop it, or use another output folder"
        ) from None
    return lock


def clean_up(output: Path) -> None:
    """Finish what a crash interrupted: the newest complete checkpoint in its place, no leftovers."""
    fresh, folder, spare = _folders(output)
    if checkpoint_folder(output) == spare:
        spare.rename(folder)
    for leftover in (fresh, spare):
        shutil.rmtree(leftover, ignore_errors=True)


def save_run(
    output: Path, models: Mapping[str, tuple[Network, dict[str, Any]]], state: dict[str, Any]
) -> Path:
    """Write a complete checkpoint and put it in the place of the last one: killed at any moment, one of the
    two is there, whole.

    `models` are networks and their meta by the folder within the checkpoint ("." is the one that is
    exported), `state` is what `restore` gives back. Raises CheckpointNotWritten where the disk does not
    take it, CheckpointError for weights that are not finite; the last checkpoint is then as it was.
    """
    fresh, folder, spare = _folders(output)
    files = {
        Path(place) / name: content
        for place, (net, meta) in models.items()
        for name, content in model_files(net, meta, folder / place).items()
    }
    packed = io.BytesIO()
    torch.save(state, packed)
    files[Path(_STATE_FILE)] = packed.getvalue()
    try:
        shutil.rmtree(fresh, ignore_errors=True)
        for name, content in files.items():
            (fresh / name).parent.mkdir(parents=True, exist_ok=True)
            write_file(fresh / name, content)
        sync_folder(fresh)
        if folder.is_dir():
            shutil.rmtree(spare, ignore_errors=True)
            folder.rename(spare)
        fresh.rename(folder)
        sync_folder(output)
    except OSError as error:
        shutil.rmtree(fresh, ignore_errors=True)
        raise CheckpointNotWritten(_not_written(folder, files, error)) from error
    shutil.rmtree(spare, ignore_errors=True)
    return folder


def raw_folder(checkpoint: Path) -> Path:
    """Where a checkpoint holds the weights that train: in "raw" where it holds their average as well."""
    raw = checkpoint / RAW_FOLDER
    return raw if raw.is_dir() else checkpoint


def _folders(output: Path) -> tuple[Path, Path, Path]:
    """Where a checkpoint is written, where it stays, and where the former one waits for its successor."""
    return output / "checkpoint.new", output / "checkpoint", output / "checkpoint.old"


def _not_written(folder: Path, files: dict[Path, bytes], error: OSError) -> str:
    size = sum(len(content) for content in files.values()) / 1e6
    try:
        room = f"{shutil.disk_usage(folder.parent).free / 1e6:.1f} MB are free there"
    except OSError:
        room = "the folder cannot be reached"
    kept = "the former one is kept" if folder.is_dir() else "there is no former one"
    return f"checkpoint {folder} ({size:.1f} MB) not written: {error.strerror}; {room}; {kept}"


def read_state(folder: Path, device: torch.device) -> dict[str, Any]:
    """The state that `save_run` was given. Raises CheckpointError if it is missing, damaged or not finite."""
    path = folder / _STATE_FILE
    if path.exists():
        require_plain_file(path, CheckpointError)
    try:
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} is missing: this checkpoint cannot be resumed, only used") from error
    except Exception as error:  # whatever a damaged pickle makes of itself
        raise CheckpointError(f"{path} cannot be read: {why_unreadable(error)}") from None
    refuse_not_finite(_tensors(state), f"{path} cannot be resumed")
    return state


def _tensors(values: Any, prefix: str = "") -> dict[str, Tensor]:
    """The tensors in nested dicts and lists, by their path."""
    if isinstance(values, Tensor):
        return {prefix: values}
    if isinstance(values, list):
        values = dict(enumerate(values))
    found: dict[str, Tensor] = {}
    for key, value in values.items() if isinstance(values, dict) else ():
        found.update(_tensors(value, f"{prefix}.{key}" if prefix else str(key)))
    return found
