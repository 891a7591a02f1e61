"""Dense supervision: the CAM and the heatmap against truth maps."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from selcon_training import distributed
from selcon_training.config import TrainConfig
from selcon_training.data.agd20k import DataSet
from selcon_training.data.dense import DenseBatch, DenseItem, dense_items
from selcon_training.data.device import to_input, to_pinned
from selcon_training.data.ordering import epoch_batches
from selcon_training.losses.truth_losses import AffinityReadout, PartReadout, dense_losses, part_loss
from selcon_training.models.network import Network
from selcon_training.models.pyramid import PyramidNet
from selcon_training.models.style_mixing import MIXED_LEVELS, mixed_styles
from selcon_training.training.tasks.sources import held_out, training_sources


class DenseTask:
    """Batches of pictures with truth maps. `items` defaults to all that have some in data.dense_splits."""

    def __init__(
        self, config: TrainConfig, data: DataSet, net: Network, items: Sequence[DenseItem] | None = None
    ) -> None:
        self.config, self.net = config, net
        if items is None:
            held = {item.stem if data.exhaustive_truth else item.name for item in held_out(config, data)}
            items = [
                item
                for split in config.data.dense_splits
                for item in dense_items(data, split, net.actions)
                if item.name not in held
            ]
        parts = config.dense.parts > 0.0
        self.mixture = training_sources(config, data, items, net.actions, net.input_size, net.map_grid, parts)
        self.learnables: nn.Module | None = None
        if "clip" in config.encoders.train and config.dense.affinity:
            self.learnables = AffinityReadout(config.dense.prior)
        elif config.dense.parts:
            kinds = self.mixture.main.variety.kinds
            assert kinds is not None
            self.learnables = PartReadout(net.heads.width, kinds)
        self._mixed: list[nn.Module] = []
        if config.backbone is not None and config.backbone.style_mixing:
            assert isinstance(net, PyramidNet)
            self._mixed = net.backbone.ends(net.input_size)[:MIXED_LEVELS]
        groups = self._balance()
        self._batches = epoch_batches(
            lambda epoch: self.mixture.order(config.seed, epoch, groups), config.schedule.batch_size
        )

    def steps(self) -> int:
        return len(self._batches(0))

    def job(self, epoch: int, step: int) -> Callable[[], DenseBatch]:
        whole = self._batches(epoch)[step].tolist()
        own = distributed.local_rows(len(whole))
        start = step * self.config.schedule.batch_size + own.start
        return partial(self.mixture.batch, whole[own], self.config.seed, epoch, start)

    def losses(self, batch: DenseBatch, epoch: int, step: int) -> dict[str, Tensor]:
        device = self.net.device
        images = to_input(batch.images, device, self.config.channels_last, self.net.normalisation)
        readout = self.learnables if isinstance(self.learnables, AffinityReadout) else None
        affinity = readout is not None or self.config.calibration != "none"
        backbone = self.config.backbone
        frozen = backbone is not None and epoch < backbone.frozen_epochs
        with mixed_styles(self._mixed, 0.0 if backbone is None else backbone.style_mixing):
            view = self.net.truth_view(images, affinity, frozen)
        losses = dense_losses(
            view.cam.float(),
            view.affinity,
            torch.from_numpy(batch.truth).to(device),
            torch.from_numpy(batch.known).to(device),
            self.config.dense,
            self.config.calibration,
            self.config.gamma,
            readout,
        )
        if isinstance(self.learnables, PartReadout) and view.cells is not None and batch.parts is not None:
            kinds = self.learnables(view.cells).float()
            losses["parts"] = part_loss(kinds, to_pinned(batch.parts, device).to(device).long())
            losses["loss"] = losses["loss"] + self.config.dense.parts * losses["parts"]
        return losses

    def _balance(self) -> list[list[object]] | None:
        balanced = self.config.data.balanced
        if balanced == "none":
            return None
        if balanced == "action":
            return [list(labels) for labels in self.mixture.main.labels()]
        return [
            ["/".join(path.parts[-3:-1]) for paths in item.truths.values() for path in paths] or ["none"]
            for item in self.mixture.main.items
        ]


def start_from_prior(net: Network, prior: float) -> None:
    """Set the classifier's bias so that an untrained CAM's sigmoid is about `prior`."""
    with torch.no_grad():
        bias = net.heads.classifier.bias
        assert bias is not None
        bias.fill_(math.log(prior / (1.0 - prior)))
