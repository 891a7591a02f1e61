"""What the trainer needs from a kind of supervision."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Protocol

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from selcon_ros.core.manifest import Normalisation
from selcon_training.config import TrainConfig
from selcon_training.data.agd20k import DataSet
from selcon_training.data.dense import Augmentation
from selcon_training.data.images import U8
from selcon_training.data.listing import Item
from selcon_training.data.transforms import Jitter
from selcon_training.data.weak import hold_out

IMAGENET = Normalisation()


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


def stage(values: Tensor | NDArray[Any], device: torch.device) -> Tensor:
    """These values as a CPU tensor, in page-locked memory if they are meant for a GPU: copying them there
    then makes nobody wait. Call it on a data thread.
    """
    tensor = values if isinstance(values, Tensor) else torch.from_numpy(values)
    return tensor.pin_memory() if device.type == "cuda" else tensor


def to_input(
    images: U8 | Tensor,
    device: torch.device,
    channels_last: bool = False,
    normalisation: Normalisation = IMAGENET,
) -> Tensor:
    """Turn B x H x W x 3 uint8 RGB into the normalised network input B x 3 x H x W float32 on the device."""
    images = images if isinstance(images, Tensor) else torch.from_numpy(images)
    batch = images.to(device, non_blocking=True).permute(0, 3, 1, 2)
    batch = batch.to(
        torch.float32, memory_format=torch.channels_last if channels_last else torch.contiguous_format
    )
    mean, std = _constants(torch.device(device), normalisation)
    return batch.mul_(1.0 / 255.0).sub_(mean).div_(std)


@lru_cache
def _constants(device: torch.device, normalisation: Normalisation) -> tuple[Tensor, Tensor]:
    both = (normalisation.mean, normalisation.std)
    mean, std = (torch.tensor(values, device=device).view(1, 3, 1, 1) for values in both)
    return mean, std


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
