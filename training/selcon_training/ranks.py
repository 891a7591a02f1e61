"""Which of several processes this one is, for work that they share: a data set to render, a split to measure,
a batch to learn from."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from selcon_ros.core.machine.processor import usable_cores
from selcon_training.errors import DistributedError

T = TypeVar("T")
STARTERS = (("RANK", "WORLD_SIZE"), ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS"))
"""What a process is told by torchrun, and by srun. A script that sbatch runs is one process whatever
SLURM_NTASKS says: only srun gives the number of tasks of a step."""


@dataclass(frozen=True)
class Ranks:
    """This process is number `rank`, from 0, of `count`."""

    rank: int = 0
    count: int = 1

    def share(self, items: Sequence[T]) -> list[T]:
        """This process's part of the items: every `count`-th. Each is in the part of exactly one process."""
        return list(items[self.rank :: self.count])


ALONE = Ranks()


def own_ranks(rank: int | None = None, count: int | None = None) -> Ranks:
    """Which process this is: as given, or else as torchrun or srun say; without those it is alone.

    Raises DistributedError for a rank that there is not.
    """
    if rank is not None and count is not None:
        return _checked(rank, count, "--rank", "--ranks")
    if rank is not None or count is not None:
        raise DistributedError(
            "--rank and --ranks belong together: this process's number, and how many there are"
        )
    for names in STARTERS:
        if names[1] in os.environ:
            own, several = (_number(name) for name in names)
            return _checked(own, several, *names)
    return ALONE


def cores_of_rank() -> int:
    """How many cores this process may use, its share where torchrun started several on this machine."""
    local = _number("LOCAL_WORLD_SIZE") if "LOCAL_WORLD_SIZE" in os.environ else 1
    return max(1, usable_cores() // max(1, local))


def require_alone(command: str, instead: str) -> None:
    """Raise DistributedError where torchrun or srun started several processes of a command that is one."""
    if (count := own_ranks().count) > 1:
        raise DistributedError(f"{command} is one process, and this is one of {count}: {instead}")


def _number(name: str) -> int:
    text = os.environ.get(name, "")
    if not text.isdecimal():
        found = repr(text) if name in os.environ else "not set"
        raise DistributedError(f"the environment variable {name} is {found}: it must be a whole number")
    return int(text)


def _checked(rank: int, count: int, name: str, name_of_count: str) -> Ranks:
    if not 0 <= rank < count:
        raise DistributedError(
            f"{name} is {rank} and {name_of_count} {count}: ranks are 0 and more, and below their number"
        )
    return Ranks(rank, count)
