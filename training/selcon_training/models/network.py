"""What training, validation and export need of a network, whichever it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from selcon_ros.core.grounding.manifest import Normalisation
from selcon_training.encoders.spec import EncoderSpec

Size = tuple[int, int]
MAX_DEVIATION = 1e-4
"""Largest deviation of a graph from torch, relative to the largest value of the output."""


def example_images(size: Size) -> tuple[Tensor, Tensor]:
    """Return what a graph of images of (height, width) is compared on: one, and a batch of three others."""
    images = torch.randn((4, 3, *size), generator=torch.Generator().manual_seed(0))
    return images[:1], images[1:]


def class_list(actions: Sequence[str]) -> list[str]:
    """Return the actions of a network. Raises ValueError for none, and for one that is there twice."""
    if not actions or len(set(actions)) != len(actions):
        raise ValueError(f"the class list must hold at least one action and none twice, got {list(actions)}")
    return list(actions)


def relative_deviation(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> float:
    """Return the largest deviation, relative to the largest value of `theirs`; NaN where there is one."""
    return float(np.abs(ours - theirs).max() / max(float(np.abs(theirs).max()), 1e-12))


class TruthView(NamedTuple):
    """What training on truth maps needs: CAM logits and, where asked for and there, affinity [B, C, h, w] on
    the map grid; `cells` [B, W, h, w] are the features under the logits of a network that shares them.
    """

    cam: Tensor
    affinity: Tensor | None = None
    cells: Tensor | None = None


class Network(nn.Module, ABC):
    """Base of the networks: an image and a class list in, a class activation map (CAM) for every action out.

    `actions` is the class list in label order, `input_size` and `map_grid` (height, width) are the sizes of
    images and maps, `normalisation` is the images'. What always learns is below `heads`, whose `classifier`
    gives the CAM's logits.
    """

    actions: list[str]
    input_size: Size
    map_grid: Size
    normalisation: Normalisation = Normalisation()
    heads: Any
    earlier: Mapping[str, Any] = {}
    """How the bundle that it goes on from was trained, as its manifest says."""

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """Where the network is."""

    @property
    @abstractmethod
    def encoders(self) -> dict[str, tuple[str, EncoderSpec | None]]:
        """Names and specs of encoders by their role in manifests; None where nobody knows the weights."""

    @property
    @abstractmethod
    def step(self) -> Size:
        """Input sizes (height, width) are multiples of this."""

    @abstractmethod
    def learn(self, encoders: Sequence[str]) -> None:
        """Let these parts of the encoders train beside the heads, and freeze the others."""

    @abstractmethod
    def learning_parts(self, encoders: Sequence[str]) -> list[str]:
        """Return the submodules that hold all that then trains."""

    @abstractmethod
    def training_mode(self, encoders: Sequence[str]) -> None:
        """Put the network in training mode, frozen parts excepted: their batch norms would drift."""

    @abstractmethod
    def to_channels_last(self) -> None:
        """Keep the weights of what learns in the memory format channels_last."""

    @abstractmethod
    def logits(self, images: Tensor) -> Tensor:
        """Return CAM logits [B, C, h, w] of normalised RGB images [B, 3, H, W]."""

    @abstractmethod
    def truth_view(self, images: Tensor, affinity: bool, frozen: bool = False) -> TruthView:
        """Return what training on truth maps needs of images [B, 3, H, W], the affinity if it is asked for;
        if `frozen`, gradients reach the heads alone.
        """

    @abstractmethod
    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return the maps [B, C, h, w] of a bundle: the CAM, and the affinity of a network that has one."""

    @abstractmethod
    def at_size(self, size: Size) -> Network:
        """Return this network for images of another (height, width), weights shared."""

    @abstractmethod
    def description(self) -> dict[str, Any]:
        """Return what a checkpoint says of the network, so that it can be built again."""

    @abstractmethod
    def stored(self) -> Mapping[str, Tensor]:
        """Return the tensors that a checkpoint holds."""

    @contextmanager
    def at_rest(self) -> Iterator[None]:
        """Keep the network on the CPU, in evaluation mode and full precision while the context lasts."""
        was_training, device = self.training, self.device
        self.eval().cpu()
        try:
            yield
        finally:
            self.train(was_training).to(device)


@contextmanager
def evaluating(net: nn.Module) -> Iterator[None]:
    """Keep a network in evaluation mode while the context lasts; then every module has its former mode."""
    modes = [(module, module.training) for module in net.modules()]
    net.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
