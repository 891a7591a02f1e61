"""What processes that train together tell each other.

Alone, a process is rank 0 of 1 and nothing here does anything.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.nn.functional import all_gather as gather_with_gradient

from selcon_training.errors import DistributedError

T = TypeVar("T")


def world_size() -> int:
    """How many processes there are."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """This process's number, from 0."""
    return dist.get_rank() if world_size() > 1 else 0


def is_main() -> bool:
    """Whether this is the process that writes and prints."""
    return rank() == 0


def local_rows(size: int) -> slice:
    """This process's rows of a global batch.

    Raises DistributedError if there are not equally many for each.
    """
    if size % world_size():
        raise DistributedError(
            f"a batch of {size} cannot be split evenly over {world_size()} processes: change "
            "schedule.batch_size (it is that of all together) or their number"
        )
    own = size // world_size()
    return slice(rank() * own, (rank() + 1) * own)


def shard(items: Sequence[T]) -> list[T]:
    """This process's part of a list; the parts of all, in order, are the list."""
    return list(items[len(items) * rank() // world_size() : len(items) * (rank() + 1) // world_size()])


def all_gather_objects(items: Sequence[T]) -> list[T]:
    """The lists of all processes, joined in order."""
    if world_size() == 1:
        return list(items)
    lists: list[Any] = [None] * world_size()
    dist.all_gather_object(lists, list(items))
    return [item for part in lists for item in part]


def all_gather(values: Tensor) -> Tensor:
    """The rows of all processes, in order; gradients flow back to where a row came from."""
    if world_size() == 1:
        return values
    return torch.cat(gather_with_gradient(values))  # type: ignore[no-untyped-call]


def all_reduce_sum(values: Tensor) -> Tensor:
    """The sum over all processes, without gradient."""
    if world_size() == 1:
        return values
    values = values.detach().clone()
    dist.all_reduce(values)
    return values


def all_reduce_mean(values: Tensor) -> Tensor:
    """The mean over all processes, without gradient."""
    return all_reduce_sum(values) / world_size() if world_size() > 1 else values


def names_where(flag: bool) -> list[str]:
    """What to call the processes in which the flag is set."""
    found = all_gather_objects([flag])
    return [name for name, there in zip(names(), found, strict=True) if there]


def broadcast_from_main(value: T) -> T:
    """The first process's value."""
    return all_gather_objects([value] if is_main() else [])[0]


def any_rank(flag: bool) -> bool:
    """Whether the flag is set in any process; they wait for each other, not for their devices."""
    return bool(all_reduce_sum(torch.tensor(int(flag)))) if world_size() > 1 else flag


def barrier() -> None:
    """Wait until every process is here; the host waits, no device."""
    any_rank(False)


def names() -> list[str]:
    """What to call the processes, in all alike."""
    return all_gather_objects([f"rank {rank()} on {socket.gethostname()}"])
