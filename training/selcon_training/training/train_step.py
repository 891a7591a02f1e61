"""One training step after another: losses, gradients, optimiser, average; on a device nothing waits."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from torch import Tensor

from selcon_ros.core.errors import SelconError
from selcon_training import distributed
from selcon_training.errors import CheckpointError
from selcon_training.models.network import Network
from selcon_training.training.ddp import parallel_losses
from selcon_training.training.ema import Average
from selcon_training.training.nonfinite_guard import NonfiniteGuard, save_batch
from selcon_training.training.optimisers import clip_gradients, make_optimiser, rate_factor, set_rate

if TYPE_CHECKING:
    from selcon_training.config import TrainConfig
    from selcon_training.training.tasks.base import Task


class TrainingError(SelconError):
    """Training cannot go on: a loss or gradient is not finite."""


class Stepper:
    """Takes training steps and holds all that they change: optimiser, losses' learnables, ema.

    `steps` is how many an epoch has. `net` and `task` are on their device already.
    """

    def __init__(self, config: TrainConfig, net: Network, task: Task, steps: int) -> None:
        self.config, self.net, self.task, self.steps = config, net, task, steps
        self.device = net.device
        fused = self.device.type == "cuda"
        self.optimiser = make_optimiser(net, config.optimiser, task.learnables, fused)
        self.guard = NonfiniteGuard(self.optimiser, self.device)
        # First: it gives all processes the first one's weights.
        self._parallel = parallel_losses(net, task) if distributed.world_size() > 1 else None
        self.ema: Average | None = None
        if config.ema is not None:
            self.ema = Average(net, config.trained, config.ema.decay, config.ema.warm_up)

    @property
    def rate(self) -> float:
        """The learning rate of the first group of parameters."""
        return float(self.optimiser.param_groups[0]["lr"])

    def step(self, batch: Any, epoch: int, step: int) -> dict[str, Tensor]:
        """Learn from a batch; returns the losses, float32 scalars on the device, of this process's share."""
        config, number = self.config, epoch * self.steps + step
        set_rate(self.optimiser, rate_factor(number, self.steps * config.schedule.epochs, config.schedule))
        losses = self._gradients(batch, epoch, step)
        clip_gradients(self.net.parameters(), config.optimiser.clip_norm)
        self.guard.step(distributed.all_reduce_mean(losses["loss"]), number)
        if self.ema is not None:
            self.ema.update()
        return losses

    def raise_if_nonfinite(self) -> None:
        """Raise TrainingError, with the batch on disk, if a step was not finite; waits for the device."""
        number = self.guard.first_bad()
        if number is None:
            return
        # No weight has changed since, and a batch depends on its place alone: the step can be had again.
        epoch, step = divmod(number, self.steps)
        batch = self.task.job(epoch, step)()
        losses = self._gradients(batch, epoch, step)
        shown = "  ".join(f"{name} {value:.4f}" for name, value in numbers(losses).items())
        raise TrainingError(
            f"the loss or a gradient is not finite at epoch {epoch + 1}, step {step + 1}: {shown}; "
            f"{self._keep(batch, losses, number)}; lower optimiser.lr or set optimiser.clip_norm and start "
            "again in another output folder"
        )

    def state(self) -> dict[str, Any]:
        """What `restore` takes, beside the networks."""
        learnables = self.task.learnables
        return {
            "optimiser": self.optimiser.state_dict(),
            "learnables": learnables.state_dict() if learnables is not None else {},
            "averaged": self.ema.count if self.ema is not None else 0,
            "generator": torch.get_rng_state(),
        }

    def restore(self, folder: Path, state: Mapping[str, Any]) -> None:
        """Take up the state of a checkpoint in `folder`. Raises CheckpointError if it does not fit."""
        try:
            self.optimiser.load_state_dict(state["optimiser"])
            if self.task.learnables is not None:
                self.task.learnables.load_state_dict(state["learnables"])
            if self.ema is not None:
                self.ema.restore(folder, state["averaged"])
            torch.set_rng_state(state["generator"].cpu())
        except (KeyError, ValueError, RuntimeError, OSError, SafetensorError) as error:
            raise CheckpointError(f"{folder} does not belong to this run: {error}") from error

    def _gradients(self, batch: Any, epoch: int, step: int) -> dict[str, Tensor]:
        self.optimiser.zero_grad(set_to_none=True)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.precision == "bf16"):
            losses: Mapping[str, Tensor] = (self._parallel or self.task.losses)(batch, epoch, step)
        losses["loss"].backward()  # type: ignore[no-untyped-call]
        return {name: value.detach().float() for name, value in losses.items()}

    def _keep(self, batch: Any, losses: Mapping[str, Tensor], number: int) -> str:
        """Save the batch of a step that was not finite; returns what to say about it."""
        share = f".rank_{distributed.rank()}" if distributed.world_size() > 1 else ""
        path = self.config.output / "nonfinite" / f"step_{number + 1}{share}.safetensors"
        parameters = dict(self.net.named_parameters())
        if self.task.learnables is not None:
            parameters.update(self.task.learnables.named_parameters("learnables"))
        learning = {name: value for name, value in parameters.items() if value.requires_grad}
        try:
            bad = save_batch(path, batch, losses, learning)
        except OSError as error:
            return f"the batch could not be saved in {path}: {error.strerror}"
        return f"not finite: {', '.join(bad[:4]) or 'no weight, no gradient'}; the batch is in {path}"


def numbers(values: Mapping[str, Tensor]) -> dict[str, float]:
    """Scalars as floats, their means over all processes; waits for the device, once for all."""
    if not values:
        return {}
    return dict(
        zip(values, distributed.all_reduce_mean(torch.stack(list(values.values()))).tolist(), strict=True)
    )
