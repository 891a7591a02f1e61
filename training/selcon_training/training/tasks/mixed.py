"""Mixed supervision: the dense loss where there are truth maps, the weak one on the other images."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from selcon_training.config import ConfigError, TrainConfig
from selcon_training.data.agd20k import DataSet
from selcon_training.data.dense import DenseBatch, dense_items
from selcon_training.data.listing import Item
from selcon_training.models.selcon_net import SelconNet
from selcon_training.training.tasks.dense import DenseTask
from selcon_training.training.tasks.weak import WeakBatch, WeakTask, training_ego


class MixedTask:
    """Every step takes a batch of either kind; an epoch is one pass over the larger, the smaller one goes
    round.

    Weak samples take their egocentric image from those without a truth map. Raises ConfigError if there are
    none: then supervision is dense.
    """

    def __init__(self, config: TrainConfig, data: DataSet, net: SelconNet) -> None:
        self.config = config
        self.dense = DenseTask(config, data, net)
        self.weak = WeakTask(config, data, net, ego=unmasked(config, data, net))
        parts = [task.learnables for task in (self.dense, self.weak) if task.learnables is not None]
        self.learnables: nn.Module | None = nn.ModuleList(parts) if parts else None

    def steps(self) -> int:
        return max(self.dense.steps(), self.weak.steps())

    def job(self, epoch: int, step: int) -> Callable[[], tuple[DenseBatch, WeakBatch]]:
        dense = self.dense.job(*self._position(self.dense.steps(), epoch, step))
        weak = self.weak.job(*self._position(self.weak.steps(), epoch, step))
        return lambda: (dense(), weak())

    def losses(self, batch: tuple[DenseBatch, WeakBatch], epoch: int, step: int) -> dict[str, Tensor]:
        weights = self.config.mixed
        dense = self.dense.losses(batch[0], *self._position(self.dense.steps(), epoch, step))
        weak = self.weak.losses(batch[1], *self._position(self.weak.steps(), epoch, step))
        return {
            "loss": weights.dense * dense["loss"] + weights.weak * weak["loss"],
            **{f"dense_{name}": value for name, value in dense.items()},
            **{f"weak_{name}": value for name, value in weak.items()},
        }

    def _position(self, steps: int, epoch: int, step: int) -> tuple[int, int]:
        """The part's own epoch and step: it goes round independently of the other."""
        return divmod(epoch * self.steps() + step, steps)


def unmasked(config: TrainConfig, data: DataSet, net: SelconNet) -> list[Item]:
    """The egocentric training images of the weak split that have no truth map."""
    split = config.data.weak_split
    masked: set[str] = set()
    if split in config.data.dense_splits:
        masked = {item.name for item in dense_items(data, split, net.actions) if item.truths}
    chosen = [
        item
        for item in training_ego(config, data)
        if (item.stem if data.exhaustive_truth else item.name) not in masked
    ]
    if not chosen:
        raise ConfigError(
            f"supervision = 'mixed': every egocentric image of {data.base / split} has a truth map; "
            "use supervision: dense"
        )
    return chosen
