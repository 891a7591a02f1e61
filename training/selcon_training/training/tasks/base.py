"""What the trainer needs from a kind of supervision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from torch import Tensor, nn


class Task(Protocol):
    """One kind of supervision: how many steps an epoch has, how a batch is made, and what it costs."""

    learnables: nn.Module | None
    """Parameters of the losses themselves, trained and resumed with the network, not exported."""

    def steps(self) -> int:
        """Steps of an epoch."""

    def job(self, epoch: int, step: int) -> Callable[[], Any]:
        """A function that makes this process's share of the batch of this step; a data thread calls it."""

    def losses(self, batch: Any, epoch: int, step: int) -> dict[str, Tensor]:
        """The losses of a batch; "loss" is the one to minimise."""
