"""Training from a configuration."""

from __future__ import annotations

from selcon_training.config import TrainConfig
from selcon_training.training.prepare import prepare_run
from selcon_training.training.train_loop import TrainLoop
from selcon_training.training.train_step import TrainingError

__all__ = ["Trainer", "TrainingError"]


class Trainer(TrainLoop):
    """One run from a configuration. With `resume` it goes on from the run's checkpoint if there is one.
    Raises what `prepare_run` raises.

    Resuming gives bit for bit what an uninterrupted run gives (same machine, same number of threads): orders,
    crops and partners depend on seed, epoch and position only, everything else is in the checkpoint. Under
    torchrun the processes share every batch and every validation; the first one writes and prints.
    """

    def __init__(self, config: TrainConfig, resume: bool = False) -> None:
        super().__init__(prepare_run(config, resume))
