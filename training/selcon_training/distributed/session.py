"""Joining the processes that train together, and parting from them, in good order or after a loss."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from torch.distributed import TCPStore  # type: ignore[attr-defined]

from selcon_ros.core.errors import first_line
from selcon_training.distributed.collectives import barrier, is_main, names, rank
from selcon_training.distributed.liveness import Liveness
from selcon_training.distributed.network import set_environment
from selcon_training.errors import DistributedError, ProcessLost
from selcon_training.ranks import own_ranks

T = TypeVar("T")
TIMEOUT = timedelta(minutes=10)
"""How long a process waits for the others at the start and in an operation. One that died is noticed earlier
(see `liveness`); `main_first` waits as long as it takes."""
_liveness: Liveness | None = None
_inside = False  # of `process_group`


def join(device: str) -> torch.device | None:
    """Join the other processes if torchrun or srun started several; returns this one's device, or None.

    To be called within `process_group`. Raises DistributedError for a device that they cannot share out
    ("auto", "cuda" and "cpu" can be), and where they do not find each other.
    """
    ranks = own_ranks()
    if ranks.count < 2:
        return None
    if not _inside:
        raise DistributedError(
            f"this is one of {ranks.count} processes, and only selcon train shares a training: start one"
        )
    if device not in ("auto", "cuda", "cpu"):
        raise DistributedError(f"device = {device!r}: with several processes it is auto, cuda or cpu")
    if device == "cuda" and not torch.cuda.is_available():
        raise DistributedError("device = 'cuda': not available here")
    set_environment(ranks.rank, ranks.count)
    from accelerate import PartialState

    on_cpu = device == "cpu" or not torch.cuda.is_available()
    try:
        if on_cpu:
            PartialState(cpu=True, timeout=TIMEOUT)
            own = torch.device("cpu")
        else:
            # Tensors on the host go by gloo: asking whether anyone was told to stop must not wait for a GPU.
            own = PartialState(backend="cuda:nccl,cpu:gloo", timeout=TIMEOUT).device
        if _liveness is None:
            _watch_each_other()
    except (RuntimeError, ValueError) as error:
        place = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
        raise DistributedError(
            f"rank {ranks.rank} has not met all {ranks.count} processes at {place} within {TIMEOUT}: "
            f"{first_line(error)}; start all of them, and let every host reach every other on all ports"
        ) from error
    return own


def _watch_each_other() -> None:
    global _liveness
    host = "localhost" if is_main() else os.environ["MASTER_ADDR"]
    port = torch.zeros((), dtype=torch.int64)
    if is_main():
        store = TCPStore(host, 0, None, True, wait_for_workers=False)
        port.fill_(store.port)
    dist.broadcast(port, 0)
    if not is_main():
        store = TCPStore(host, int(port), None, False, wait_for_workers=False)
    _liveness = Liveness(rank(), names(), store)
    barrier()
    _liveness.start()


@contextmanager
def process_group() -> Iterator[None]:
    """What `join` is called in: at the end the processes part from each other.

    One that fails tells the others why. Raises ProcessLost in those, and where one is lost, saying which.
    """
    global _liveness, _inside
    _inside = True
    try:
        yield
        if _liveness is not None:
            barrier()
            _liveness.stop()
            barrier()  # the first one keeps the store in which they look for each other
            dist.destroy_process_group()
    except BaseException as error:
        if _liveness is not None:
            loss = _liveness.explain() if isinstance(error, RuntimeError) else None
            if loss is None and not isinstance(error, ProcessLost):
                _liveness.tell(first_line(error) if isinstance(error, Exception) else "stopped")
            _liveness.linger()
            if loss is not None:
                raise loss from error
        raise
    finally:
        _liveness, _inside = None, False


def set_recovery_advice(advice: str) -> None:
    """Say what is to be added to the message when a process is lost: how to go on."""
    if _liveness is not None:
        _liveness.advice = advice


def main_first(make: Callable[[], T]) -> T:
    """Make something that leaves files: the first process does so alone, then the first of every other
    machine, then all others, which find them there. However long it takes, the others wait.
    """
    turn = 0 if is_main() else 1 if os.environ.get("LOCAL_RANK") == "0" else 2
    made: list[T] = []
    for now in range(3):
        if now == turn:
            made.append(make())
        if _liveness is not None:
            _liveness.meet()
    return made[0]
