"""Weight averaging: an exponential moving average of the trained weights, validated and exported in their
place."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from pathlib import Path

from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from selcon_training.models.checkpoint import WEIGHTS_FILE, read_weights, refuse_not_finite
from selcon_training.models.network import Network

Tensors = tuple[Tensor, ...] | list[Tensor]
AverageFunction = Callable[[Tensors, Tensors, Tensor | int], None]
"""Moves averaged tensors towards the current ones; the number is of the steps averaged so far."""


class Average:
    """The moving average of the heads and of the encoders that learn, batch norms' statistics included.

    `net` is the network with the averaged weights; frozen parts are shared with the one that trains, so it
    must be on its device already. With `warm_up` the first steps are averaged over fewer of them: after n
    steps the decay is at most (1 + n) / (10 + n), so that the weights before training soon count for nothing.
    """

    def __init__(self, net: Network, encoders: Sequence[str], decay: float, warm_up: bool = False) -> None:
        parts = net.learning_parts(encoders)
        self._learning = nn.ModuleDict({name: net.get_submodule(name) for name in parts})
        self._averaged = AveragedModel(
            self._learning,
            multi_avg_fn=_warming_up(decay) if warm_up else _fixed(decay),
            use_buffers=True,
        )
        self._averaged.requires_grad_(False)
        self.net = copy.copy(net)
        self.net._modules = net._modules | self._averaged.module._modules

    @property
    def count(self) -> int:
        """How many steps are in the average."""
        return int(self._averaged.n_averaged)

    def update(self) -> None:
        """Add the weights as they are now."""
        self._averaged.update_parameters(self._learning)

    def restore(self, folder: Path, count: int) -> None:
        """Take up the averaged weights that a checkpoint holds, of `count` steps."""
        state = read_weights(folder)
        refuse_not_finite(state, f"{folder / WEIGHTS_FILE} cannot be resumed")
        averaged = self._averaged.module
        averaged.load_state_dict({name: state[name] for name in averaged.state_dict()})
        self._averaged.n_averaged.fill_(count)


def _fixed(decay: float) -> AverageFunction:
    average: AverageFunction = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
    return average


def _warming_up(decay: float) -> AverageFunction:
    """Return an averaging function for AveragedModel whose decay rises with the steps to `decay`."""

    def average(averaged: Tensors, current: Tensors, steps: Tensor | int) -> None:
        done = int(steps)
        _fixed(min(decay, (1 + done) / (10 + done)))(averaged, current, steps)

    return average
