"""Training a restored network on photos and rendered samples, some minutes on a CPU."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from selcon_ros.core.grounding.placement import Canvas
from selcon_training.adapt.photo_set import MaskedPhoto
from selcon_training.config.sections import DenseConfig, OptimiserConfig, ScheduleConfig
from selcon_training.data.augmenting import Augmenter, Sample
from selcon_training.data.dense import DenseBatch, stack
from selcon_training.data.device import to_input
from selcon_training.data.ordering import Stream, epoch_order, generator, prefetch
from selcon_training.data.photometry import Photometry
from selcon_training.data.views import ViewRange
from selcon_training.errors import AdaptError
from selcon_training.losses.truth_losses import dense_losses
from selcon_training.models.pyramid import PyramidNet, between
from selcon_training.training.optimisers import clip_gradients, make_optimiser, rate_factor, set_rate

VIEWS = ViewRange(zoom=(0.7, 1.6), flip=True, turn=20.0, shift=0.1, stretch=0.1)
OPTIMISER = OptimiserConfig(kind="adamw", lr=5e-4, encoder_lr=1e-4, weight_decay=0.01, clip_norm=1.0)
TRAINED_PARTS = ("upper",)
"""Of the backbone."""
BATCH_SIZE = 8
CHANGE_SHARE = 0.75
"""How far the adapted weights are from the bundle's to the trained ones: all of the way the peaks on other
objects are worse. Chosen on the check set, by adapting to a quarter of it."""
HALF_BATCH = BATCH_SIZE // 2
"""Places of a batch for rendered samples; photos and negative pictures share the other half."""


@dataclass(frozen=True)
class Sources:
    """What a network learns from; `dense` weighs the losses."""

    photos: Sequence[MaskedPhoto]
    negatives: Sequence[MaskedPhoto]
    rendered: Sequence[MaskedPhoto]
    dense: DenseConfig


class Batches:
    """Batches of photos, negative pictures and rendered samples; one depends on seed and step alone."""

    def __init__(self, sources: Sources, net: PyramidNet, canvas: Canvas, seed: int) -> None:
        self.canvas, self.seed, self.classes = canvas, seed, len(net.actions)
        share = 0.3 if canvas.fit == "pad" else 0.0
        views = replace(VIEWS, fit=canvas.fit, shape_share=share)
        self._augmenter = Augmenter(canvas.input_size, canvas.map_grid, views, photometry=Photometry())
        count = 0 if not sources.negatives else 1
        places = (
            (sources.photos, HALF_BATCH - count),
            (sources.negatives, count),
            (sources.rendered, HALF_BATCH),
        )
        self._places = [(photos, count) for photos, count in places if count and photos]

    def job(self, step: int) -> DenseBatch:
        """The batch of a step."""
        samples: list[Sample] = []
        for number, (photos, count) in enumerate(self._places):
            for place in range(step * count, (step + 1) * count):
                turn, at = divmod(place, len(photos))
                photo = photos[int(self._order(number, len(photos), turn)[at])]
                samples.append(self._sample(photo, step * BATCH_SIZE + len(samples)))
        return stack(samples, self.classes, self.canvas.map_grid, False)

    def _order(self, number: int, count: int, turn: int) -> NDArray[np.int64]:
        return epoch_order(count, self.seed + number, turn)

    def _sample(self, photo: MaskedPhoto, place: int) -> Sample:
        sample = self._augmenter(photo.loaded, generator(self.seed, Stream.ADAPT_VIEW, place))
        return replace(sample, known=photo.known)


def adapted(
    net: PyramidNet,
    canvas: Canvas,
    sources: Sources,
    steps: int,
    seed: int,
    advance: Callable[[], object],
) -> PyramidNet:
    """A copy of `net` that has learnt from the sources; `advance` is called after every step.

    Its decoder and the upper half of its backbone learn; of the change `CHANGE_SHARE` is kept (see
    `between`). Raises AdaptError if a loss is not finite.
    """
    start, net = net, copy.deepcopy(net)
    net.to_channels_last()
    net.learn(TRAINED_PARTS)
    net.training_mode(TRAINED_PARTS)
    schedule = ScheduleConfig(rate="cosine", warmup_steps=min(10, steps))
    optimiser = make_optimiser(net, OPTIMISER)
    batches = Batches(sources, net, canvas, seed)
    jobs = (partial(batches.job, step) for step in range(steps))
    for step, batch in enumerate(prefetch(jobs, threads=1)):
        set_rate(optimiser, rate_factor(step, steps, schedule))
        images = to_input(batch.images, net.device, True, net.normalisation)
        optimiser.zero_grad(set_to_none=True)
        truth, known = torch.from_numpy(batch.truth), torch.from_numpy(batch.known)
        losses = dense_losses(net.logits(images), None, truth, known, sources.dense, "none", 0.0, None)
        if not bool(torch.isfinite(losses["loss"])):
            raise AdaptError(f"the loss is not finite at step {step + 1}: the bundle cannot be continued")
        losses["loss"].backward()  # type: ignore[no-untyped-call]
        clip_gradients(net.parameters(), OPTIMISER.clip_norm)
        optimiser.step()
        advance()
    net.learn(())
    return between(start, net, CHANGE_SHARE).eval()
