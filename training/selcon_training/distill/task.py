"""Supervision by a teacher: random views of pictures, with the teacher's maps in the same view."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from torch import Tensor, nn

from selcon_training.config import TrainConfig
from selcon_training.data.device import to_input, to_pinned
from selcon_training.data.images import F32, U8
from selcon_training.data.ordering import Stream, epoch_batches, epoch_order, generator
from selcon_training.data.photometry import Photometry
from selcon_training.data.pictures import PictureFile, PicturePool
from selcon_training.data.views import ViewRange, draw_view, on_canvas, see, see_heat
from selcon_training.distill.answers import Store, TeacherAnswer
from selcon_training.distill.pictures import HashedPicture
from selcon_training.errors import DistillError
from selcon_training.losses.distillation import distillation_losses
from selcon_training.models.network import Network, Size

CACHE_FACTOR = 1.5
"""Pictures are kept at this multiple of the input size, so that parts of them are nearly as sharp."""


@dataclass(frozen=True)
class Lesson:
    """A batch: images B x h x w x 3 uint8 RGB; target B x C x gh x gw float32 0..1, the teacher's map times
    its confidence."""

    images: U8
    target: F32


@dataclass(frozen=True)
class StudentViews:
    """Makes what the student sees, for an input `size` (h, w) and map `grid` (gh, gw)."""

    size: Size
    grid: Size
    views: ViewRange
    photometry: Photometry | None = None

    def __call__(self, picture: U8, answer: TeacherAnswer, rng: np.random.Generator) -> tuple[U8, F32]:
        """A view of a picture, and of the teacher's heat C x gh x gw in it."""
        view = draw_view((picture.shape[0], picture.shape[1]), self.size, self.grid, self.views, rng)
        content = see(picture, view)
        if self.photometry is not None:
            content = self.photometry(content, rng)
        heat = answer.maps * answer.confidence[:, None, None]
        target = np.stack([see_heat(each, view, self.grid) for each in heat])
        return on_canvas(content, self.size, view.place.pixels), target.clip(0.0, 1.0)


def viewer(config: TrainConfig, net: Network) -> StudentViews:
    """The configured views."""
    chosen = config.data
    fit = chosen.fit
    views = ViewRange(
        chosen.zoom, fit, chosen.flip, chosen.turn, chosen.shift, chosen.stretch, chosen.shape_share
    )
    return StudentViews(net.input_size, net.map_grid, views, chosen.photometry)


class DistillTask:
    """Batches of pictures with the answers of a teacher. Decodes all pictures; raises DataError."""

    learnables: nn.Module | None = None

    def __init__(
        self, config: TrainConfig, photos: Sequence[HashedPicture], store: Store, net: Network
    ) -> None:
        self.config, self.net, self.store = config, net, store
        self.photos = list(photos)
        self.viewer = viewer(config, net)
        height, width = (math.ceil(CACHE_FACTOR * side) for side in net.input_size)
        files = [PictureFile(photo.path) for photo in photos]
        self.pool = PicturePool(files, (height, width), "photos", config.data_threads)
        self._batches = epoch_batches(
            lambda epoch: epoch_order(len(self.photos), config.seed, epoch), config.schedule.batch_size
        )

    def steps(self) -> int:
        return len(self._batches(0))

    def job(self, epoch: int, step: int) -> Callable[[], Lesson]:
        whole = self._batches(epoch)[step].tolist()
        return partial(self._batch, whole, epoch, step * self.config.schedule.batch_size)

    def losses(self, batch: Lesson, epoch: int, step: int) -> dict[str, Tensor]:
        device, backbone = self.net.device, self.config.backbone
        images = to_input(batch.images, device, self.config.channels_last, self.net.normalisation)
        frozen = backbone is not None and epoch < backbone.frozen_epochs
        logits = self.net.truth_view(images, False, frozen=frozen).cam.float()
        return distillation_losses(logits, to_pinned(batch.target, device).to(device))

    def _batch(self, indices: Sequence[int], epoch: int, start: int) -> Lesson:
        images, targets = [], []
        for place, index in enumerate(indices, start):
            photo = self.photos[index]
            answer = self.store.get(photo.key)
            if answer is None:
                raise DistillError(
                    f"the teacher's answer about {photo.path} in {self.store.folder} is gone or damaged: "
                    "go on with --resume, which asks again"
                )
            rng = generator(self.config.seed, Stream.DISTILL_VIEW, epoch, place)
            image, target = self.viewer(self.pool[index], answer, rng)
            images.append(image)
            targets.append(target)
        return Lesson(np.stack(images), np.stack(targets))
