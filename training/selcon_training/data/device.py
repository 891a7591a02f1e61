"""Batches on their way to the device: page-locked memory, and pictures as network input."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from selcon_ros.core.grounding.manifest import Normalisation
from selcon_training.data.images import U8

IMAGENET = Normalisation()


def to_pinned(values: Tensor | NDArray[Any], device: torch.device) -> Tensor:
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
