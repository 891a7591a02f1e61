"""Weak supervision: the paper's objective on exocentric and egocentric images with action labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from selcon_training.config import TrainConfig
from selcon_training.data.images import U8
from selcon_training.data.layout import DataSet, Item
from selcon_training.data.sampling import batches, epoch_order, generator
from selcon_training.data.weak import WeakDraw, draw_weak, hold_out, load_weak, weak_split
from selcon_training.feature_store import FeatureStore
from selcon_training.model import Features, SelconNet
from selcon_training.objective import ClassScores, weak_losses
from selcon_training.tasks.base import augmentation, to_input


@dataclass(frozen=True)
class WeakBatch:
    """Labels B with either images (B and B*E, sample by sample) or their stored features."""

    label: NDArray[np.int64]
    ego: U8 | Features
    exo: U8 | Features


class WeakTask:
    """Batches of one egocentric and E exocentric images per sample; an epoch is one pass over the exocentric
    ones.

    ``ego`` restricts the egocentric images; by default all but those held out for validation.
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
        self._groups = {
            "none": None,
            "action": [[folder[0]] for folder in self.split.exo_folder],
            "folder": [[folder] for folder in self.split.exo_folder],
        }[config.data.balanced]
        self.stores: tuple[FeatureStore, FeatureStore] | None = None
        if config.encoders.cache_features:
            folder = config.encoders.cache_folder or config.output / "features"
            self.stores = (
                FeatureStore(folder, net, [item.path for item in self.split.ego], saliency=True),
                FeatureStore(folder, net, [item.path for item in self.split.exo], saliency=False),
            )
        self._cut = lru_cache(maxsize=2)(self._cut_epoch)

    def steps(self) -> int:
        return len(self._cut(0))

    def job(self, epoch: int, step: int) -> Callable[[], WeakBatch]:
        start = step * self.config.schedule.batch_size
        return partial(self._load, self._cut(epoch)[step], epoch, start)

    def losses(self, batch: WeakBatch, epoch: int, step: int) -> dict[str, Tensor]:
        config = self.config
        device = self.net.text_action.device
        seed = int(generator(config.seed, 6, epoch, step).integers(2**62))
        contrastive = config.weak.contrastive(epoch)
        return weak_losses(
            self.net,
            self._features(batch.ego, saliency=contrastive and config.weak.lambda_proto > 0),
            self._features(batch.exo, saliency=False),
            torch.from_numpy(batch.label).to(device),
            config.weak,
            first_epoch=epoch == 0,
            generator=torch.Generator(device=device).manual_seed(seed),
            contrastive=contrastive,
            class_scores=self.learnables if isinstance(self.learnables, ClassScores) else None,
        )

    def _features(self, images: U8 | Features, saliency: bool) -> Features:
        device = self.net.text_action.device
        if isinstance(images, Features):
            kept = images.saliency
            return Features(
                images.parts.to(device), images.patches.to(device), None if kept is None else kept.to(device)
            )
        return self.net.features(to_input(images, device, self.config.channels_last), saliency=saliency)

    def _load(self, order: NDArray[np.int64], epoch: int, start: int) -> WeakBatch:
        seed, count = self.config.seed, self.config.data.exocentric
        draw: WeakDraw = draw_weak(self.split, order, count, seed, epoch, start)
        exo = draw.exo.reshape(-1)
        if self.stores is not None:
            rng = generator(seed, 7, epoch, start)
            flips = rng.random(len(draw.ego) + len(exo)) < (0.5 if self.config.data.flip else 0.0)
            ego_store, exo_store = self.stores
            return WeakBatch(
                draw.label,
                ego_store.features(draw.ego, flips[: len(draw.ego)]),
                exo_store.features(exo, flips[len(draw.ego) :]),
            )
        size, ego_items = self.net.input_size, [self.split.ego[index] for index in draw.ego]
        exo_items = [self.split.exo[index] for index in exo]
        return WeakBatch(
            draw.label,
            load_weak(ego_items, size, self.augmentation, seed, 0, epoch, start),
            load_weak(exo_items, size, self.augmentation, seed, 1, epoch, start * count),
        )

    def _cut_epoch(self, epoch: int) -> list[NDArray[np.int64]]:
        order = epoch_order(len(self.split.exo), self.config.seed, epoch, self._groups)
        return batches(order, self.config.schedule.batch_size)


def training_ego(config: TrainConfig, data: DataSet) -> list[Item]:
    """The egocentric images of the weak split that training may use: all with a valset, else those not held
    out."""
    items = data.items(config.data.weak_split)
    return items if data.has("valset") else hold_out(items, config.validation.held_out, config.seed)[0]
