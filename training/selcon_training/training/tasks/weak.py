"""Weak supervision: the paper's objective on exocentric and egocentric images with action labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from selcon_training import distributed
from selcon_training.config import TrainConfig
from selcon_training.data.agd20k import DataSet
from selcon_training.data.device import to_input, to_pinned
from selcon_training.data.listing import Item
from selcon_training.data.ordering import Stream, epoch_batches, epoch_order, generator
from selcon_training.data.weak import WeakDraw, draw_weak, load_weak, weak_split
from selcon_training.losses.weak import ClassScores, WeakStep, weak_losses
from selcon_training.models.selcon_net import Features, SelconNet
from selcon_training.training.feature_store import FeatureStore
from selcon_training.training.tasks.sources import augmentation, held_out


@dataclass(frozen=True)
class WeakBatch:
    """Labels B with either images (B and then B*E, sample by sample: B + B*E x h x w x 3 uint8) or the stored
    features of both, on the CPU."""

    label: Tensor
    images: Tensor | None
    stored: tuple[Features, Features] | None = None


class WeakTask:
    """Batches of one egocentric and E exocentric images per sample; an epoch is one pass over the exocentric
    ones.

    `ego` restricts the egocentric images; by default all but those held out for validation.
    """

    learnables: nn.Module | None = None

    def __init__(
        self, config: TrainConfig, data: DataSet, net: SelconNet, ego: Sequence[Item] | None = None
    ) -> None:
        self.config, self.net = config, net
        if ego is None:
            ego = training_ego(config, data)
        self.split = weak_split(data, config.data.weak_split, net.actions, ego)
        self.augmentation = augmentation(config)
        if config.weak.reliability == "class":
            self.learnables = ClassScores(len(net.actions), config.weak.alpha)
        groups = {
            "none": None,
            "action": [[folder[0]] for folder in self.split.exo_folder],
            "folder": [[folder] for folder in self.split.exo_folder],
        }[config.data.balanced]
        self.stores: tuple[FeatureStore, FeatureStore] | None = None
        self._ego_stored = np.arange(len(self.split.ego))  # where the store has each egocentric image
        if config.encoders.cache_features:
            folder = config.encoders.cache_folder or config.output / "features"
            # Also of those held out: which they are depends on the seed, and runs share a store.
            every = data.items(config.data.weak_split)
            ego_store, exo_store = (
                FeatureStore(folder, net, items, self.augmentation, config.encoders.cache_views, saliency)
                for items, saliency in ((every, True), (self.split.exo, False))
            )  # both claim their space before either is computed
            place = {item.path: number for number, item in enumerate(every)}
            self._ego_stored = np.asarray([place[item.path] for item in self.split.ego])
            threads = config.data_threads
            self.stores = (ego_store.fill(net, threads=threads), exo_store.fill(net, threads=threads))
        self._batches = epoch_batches(
            lambda epoch: epoch_order(len(self.split.exo), config.seed, epoch, groups),
            config.schedule.batch_size,
        )

    def steps(self) -> int:
        return len(self._batches(0))

    def job(self, epoch: int, step: int) -> Callable[[], WeakBatch]:
        start = step * self.config.schedule.batch_size
        return partial(self._load, self._batches(epoch)[step], epoch, start)

    def losses(self, batch: WeakBatch, epoch: int, step: int) -> dict[str, Tensor]:
        config = self.config
        device = self.net.text_action.device
        seed = int(generator(config.seed, Stream.KMEANS, epoch, step).integers(2**62))
        contrastive = config.weak.contrastive(epoch)
        ego, exo = self._features(batch, saliency=contrastive and config.weak.lambda_proto > 0)
        labels = batch.label.to(device, non_blocking=True)
        draws = torch.Generator().manual_seed(seed)
        return weak_losses(
            self.net,
            WeakStep(ego, exo, labels, first_epoch=epoch == 0, generator=draws),
            config.weak,
            contrastive=contrastive,
            class_scores=self.learnables if isinstance(self.learnables, ClassScores) else None,
        )

    def _features(self, batch: WeakBatch, saliency: bool) -> tuple[Features, Features]:
        """Features (float32, on the device) of the egocentric and the exocentric images."""
        device = self.net.text_action.device
        if batch.stored is not None:
            ego, exo = (
                found.each(lambda values: values.to(device, non_blocking=True).float())
                for found in batch.stored
            )
            return ego, exo
        assert batch.images is not None
        # One pass for both views: the device is better filled, and it is compiled for one shape only.
        found = self.net.features(
            to_input(batch.images, device, self.config.channels_last), saliency=saliency
        )
        first = len(batch.label)
        return found.each(lambda values: values[:first]), found.each(lambda values: values[first:])

    def _load(self, order: NDArray[np.int64], epoch: int, start: int) -> WeakBatch:
        seed, count = self.config.seed, self.config.data.exocentric
        draw: WeakDraw = draw_weak(self.split, order, count, seed, epoch, start)
        # Drawn for the whole batch, so that a sample does not depend on which process has it.
        own, device = distributed.local_rows(len(order)), self.net.text_action.device
        ego, exo = draw.ego[own], draw.exo[own].reshape(-1)
        label = to_pinned(draw.label[own], device)
        if self.stores is not None:
            ego_store, exo_store = self.stores
            # The image that an epoch is a pass over shows all its views in as many epochs; those drawn at
            # random show any.
            rng = generator(seed, Stream.STORED_VIEW, epoch, start)
            ego_view = rng.integers(ego_store.views, size=len(draw.ego))
            exo_view = rng.integers(exo_store.views, size=draw.exo.shape)
            exo_view[:, 0] = (draw.exo[:, 0] + epoch) % exo_store.views
            stored = (
                ego_store.features(self._ego_stored[ego], ego_view[own]),
                exo_store.features(exo, exo_view[own].reshape(-1)),
            )
            ego_found, exo_found = (found.each(lambda v: to_pinned(v, device)) for found in stored)
            return WeakBatch(label, None, (ego_found, exo_found))
        start += own.start
        size, ego_items = self.net.input_size, [self.split.ego[index] for index in ego]
        exo_items = [self.split.exo[index] for index in exo]
        ego_images = load_weak(ego_items, size, self.augmentation, seed, 0, epoch, start)
        exo_images = load_weak(exo_items, size, self.augmentation, seed, 1, epoch, start * count)
        return WeakBatch(label, to_pinned(np.concatenate([ego_images, exo_images]), device))


def training_ego(config: TrainConfig, data: DataSet) -> list[Item]:
    """The egocentric images of the weak split that training may use: all with a valset, else those not held
    out."""
    held = {item.path for item in held_out(config, data)}
    return [item for item in data.items(config.data.weak_split) if item.path not in held]
