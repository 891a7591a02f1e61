"""From a configuration to a run that is ready to train."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from filelock import FileLock
from tqdm import tqdm

from selcon_ros.core.files.atomic_write import check_destination
from selcon_training import distributed
from selcon_training.config import ConfigError, TrainConfig
from selcon_training.data.agd20k import DataSet, open_dataset
from selcon_training.data.notices import notices
from selcon_training.data.pictures import PicturePool
from selcon_training.models.checkpoint import load_model
from selcon_training.models.network import Network
from selcon_training.training import run_folder, run_records
from selcon_training.training.factory import (
    build_net,
    make_negatives,
    make_task,
    make_validator,
    set_batch_norm_momentum,
    test_time_averaging,
    training_device,
)
from selcon_training.training.memory import keep_freed_memory
from selcon_training.training.process import set_up_process
from selcon_training.training.run_folder import Position
from selcon_training.training.tasks.base import Task
from selcon_training.training.train_step import Stepper
from selcon_training.training.validation import Validator


@dataclass(frozen=True)
class Run:
    """The parts of a training run, on their device; `position` is where it begins, `metrics` are those of the
    checkpoint that it goes on from. `learned` is what the bundle's manifest will say of supervision and data,
    `lock` the lock of the run's folder.
    """

    config: TrainConfig
    net: Network
    task: Task
    stepper: Stepper
    validator: Validator | None
    learned: dict[str, Any]
    data: DataSet | None = None
    negatives: PicturePool | None = None
    position: Position = field(default_factory=Position)
    metrics: dict[str, float] = field(default_factory=dict)
    lock: FileLock | None = None


def prepare_run(config: TrainConfig, resume: bool = False) -> Run:
    """Build what a configuration asks for, and with `resume` take up the run's checkpoint if there is one.

    Sets what holds for the whole process (device, threads, seed, determinism), and writes configuration and
    data record into the run's folder. Raises ConfigError, DataError, EncoderError, CheckpointError and
    DistributedError for what cannot be used, before training.
    """
    device, found = begin(config, resume)
    data = open_dataset(config.data.root, config.data.divide, config.data.skip)
    record = run_records.data_record(config, data)
    lock = prepare_folder(config, data.base, record, found)
    parts = take_up(config, device, found, partial(build_net, config, data), partial(make_task, config, data))
    validator = make_validator(config, data, parts.net)
    negatives = make_negatives(config, validator)
    lock = write_record(config, record, lock)
    if distributed.is_main():
        for line in notices(data, run_records.splits_of(config)):
            tqdm.write(f"warning: {line}")
    learned = {
        "supervision": config.supervision,
        "data": data.name,
        "divide": config.data.divide,
        "synthetic": data.synthetic,
        "real_pictures": any((config.data.backgrounds, config.data.textures, config.data.negatives)),
        **({} if config.backbone is None else {"dense": config.dense.model_dump(mode="json")}),
    }
    return Run(
        config,
        **parts._asdict(),
        validator=validator,
        learned=learned,
        data=data,
        negatives=negatives,
        lock=lock,
    )


def begin(config: TrainConfig, resume: bool) -> tuple[torch.device, bool]:
    """Set up the process; returns the device, and whether there is a checkpoint to go on from.

    Raises ConfigError for a folder with a checkpoint without `resume`.
    """
    device = distributed.join(config.device) or training_device(config.device)
    distributed.local_rows(config.schedule.batch_size)  # told before anything is loaded
    found = _has_checkpoint(config, resume)
    run_records.check_alike(config)
    set_up_process(
        threads=config.threads,
        opencv_threads=1,  # the data threads are the parallelism
        seed=config.seed,
        deterministic=config.deterministic,
    )
    keep_freed_memory()
    return device, found


class TrainingParts(NamedTuple):
    """What trains, and where and with which figures it begins."""

    net: Network
    task: Task
    stepper: Stepper
    position: Position
    metrics: dict[str, float]


def take_up(
    config: TrainConfig,
    device: torch.device,
    found: bool,
    build: Callable[[], Network],
    make: Callable[[Network], Task],
) -> TrainingParts:
    """The network and what trains it: from the checkpoint if one was `found`, else as `build` gives it."""
    with ExitStack() as stack:
        checkpoint = None
        if found:
            own = run_folder.checkpoint_folder(config.output)
            checkpoint = stack.enter_context(distributed.folder_of_main(own))
        net = build() if checkpoint is None else load_model(run_folder.raw_folder(checkpoint))[0]
        _set_up_net(config, net, device)
        task = distributed.main_first(lambda: make(net))
        if task.learnables is not None:
            task.learnables.to(device)
        stepper = Stepper(config, net, task, task.steps())
        if checkpoint is None:
            return TrainingParts(net, task, stepper, Position(), {})
        state = run_folder.read_state(checkpoint, device)
        stepper.restore(checkpoint, state)
    return TrainingParts(net, task, stepper, Position(state["epoch"], state["step"]), state["metrics"])


def _has_checkpoint(config: TrainConfig, resume: bool) -> bool:
    """Whether the run goes on from a checkpoint, which the first process has. Raises ConfigError where one is
    in the way, or out of its reach."""
    own = run_folder.checkpoint_folder(config.output).is_dir()
    holders = distributed.names_where(own)
    if holders and not resume:
        where = "" if distributed.world_size() == 1 else f" ({', '.join(holders)})"
        raise ConfigError(
            f"{config.output} already holds a run{where}: use --resume to go on, or another output folder"
        )
    if holders and not distributed.broadcast_from_main(own):
        raise ConfigError(
            f"cannot resume: {config.output} holds a checkpoint for {', '.join(holders)}, none for rank 0: "
            "start rank 0 on that host, or copy the folder to the host of rank 0"
        )
    return bool(holders)


def prepare_folder(config: TrainConfig, place: Path, record: dict[str, Any], resume: bool) -> FileLock | None:
    """Lock and tidy the run's folder if there is one; returns the lock, which the first process holds.

    On resume, compares configuration and data (those in `place`, of this record) with what is written there.
    Raises ConfigError, also where another process trains.
    """
    lock = None
    with _named(config):
        if distributed.is_main():
            check_destination(config.output, folder=True)
            if config.output.is_dir():
                lock = run_folder.hold(config.output)
            run_folder.clean_up(config.output)
        distributed.barrier()
    if resume and distributed.is_main():
        run_records.check_config(config)
        run_records.check_data(config, place, record)
    run_records.check_same_data(place, record)
    return lock


def write_record(config: TrainConfig, record: dict[str, Any], lock: FileLock | None) -> FileLock | None:
    """Write what the run is made from into its folder: only now, so that a refused run leaves none.

    Returns the lock of the folder, which is taken here if `prepare_folder` found no folder.
    """
    if not distributed.is_main():
        return None
    with _named(config):
        config.output.mkdir(parents=True, exist_ok=True)
        lock = lock or run_folder.hold(config.output)
        run_records.write_records(config, record)
    return lock


@contextmanager
def _named(config: TrainConfig) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigError(f"cannot write in output = {config.output}: {error.strerror}") from error


def _set_up_net(config: TrainConfig, net: Network, device: torch.device) -> None:
    net.to(device)
    if config.channels_last:
        net.to_channels_last()
    net.learn(config.trained)
    net.training_mode(config.trained)
    set_batch_norm_momentum(net, config.batch_norm_momentum)
    test_time_averaging(config, net)  # so that its errors come before the first epoch
