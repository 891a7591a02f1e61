"""What the trainer needs from a kind of supervision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from torch import Tensor, nn

from selcon_training.config import TrainConfig
from selcon_training.data.agd20k import DataSet
from selcon_training.data.dense import Augmentation
from selcon_training.data.listing import Item
from selcon_training.data.transforms import Jitter
from selcon_training.data.weak import hold_out


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


def augmentation(config: TrainConfig) -> Augmentation:
    """The configured training augmentation."""
    data, jitter = config.data, config.data.jitter
    return Augmentation(
        zoom=data.zoom,
        fit=data.fit,
        flip=data.flip,
        jitter=Jitter(jitter.brightness, jitter.contrast, jitter.saturation, jitter.hue),
    )


def held_out(config: TrainConfig, data: DataSet) -> list[Item]:
    """The egocentric images of the weak split that no supervision may learn from: none with a valset."""
    split = config.data.weak_split
    if data.has("valset") or not data.has(split):
        return []
    return hold_out(data.items(split), config.validation.held_out, config.seed)[1]
