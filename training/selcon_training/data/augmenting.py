"""One training sample: a picture with its truth and label maps in a random view, with real backgrounds and
textures, as a camera might take it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from selcon_training.data.compose import Scenery, crop_of, put_behind, put_on, some_parts
from selcon_training.data.images import F32, U8
from selcon_training.data.labels import UNKNOWN_KIND
from selcon_training.data.photometry import Photometry
from selcon_training.data.transforms import Jitter, Size
from selcon_training.data.views import ViewRange, draw_view, on_canvas, see, see_labels, see_truth

CLUTTER_SHARE = 0.5
"""How often things that are parts of no object of the list stay when the background is replaced."""


@dataclass(frozen=True)
class Loaded:
    """A decoded picture h x w x 3 uint8 RGB; truth maps by action, parts (kinds) and objects (0 or 255), each
    h x w uint8 of any size, None where unknown; `shape`: the picture's own (h, w), whatever it is kept at.
    """

    picture: U8
    shape: Size
    truths: Mapping[int, U8] = field(default_factory=dict)
    parts: U8 | None = None
    objects: U8 | None = None


@dataclass(frozen=True)
class Sample:
    """image h x w x 3 uint8 RGB; truths by action gh x gw float32 0..1, those left out are 0; parts gh x gw
    uint8, None where unknown; known: the actions whose truth is known, None for all."""

    image: U8
    truths: Mapping[int, F32]
    parts: U8 | None = None
    known: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Augmenter:
    """Makes samples for an input `size` (h, w) and map `grid` (gh, gw)."""

    size: Size
    grid: Size
    views: ViewRange
    jitter: Jitter = field(default_factory=Jitter)
    photometry: Photometry | None = None
    scenery: Scenery = field(default_factory=Scenery)

    def __call__(self, loaded: Loaded, rng: np.random.Generator) -> Sample:
        """A sample of a picture; the same state of `rng` gives the same one."""
        view = draw_view(loaded.shape, self.size, self.grid, self.views, rng)
        background, texture = self.scenery.background(rng), self.scenery.texture(rng)
        parts, mask = loaded.parts, None if background is None else self._kept(loaded, rng)
        # A copy of the objects at the picture's border would stand on the old background.
        blank = view.black or mask is not None
        content = see(loaded.picture, view)
        if texture is not None and parts is not None:
            where = see(some_parts(parts, rng), view, blank)
            content = put_on(content, where, crop_of(texture, view.place.pixels.size, rng), rng)
        if background is not None and mask is not None:
            behind = crop_of(background, view.place.pixels.size, rng)
            content = put_behind(content, see(mask, view, blank), behind, rng)
            parts = parts if parts is None else cv2.bitwise_and(parts, _sized(mask, parts))  # type: ignore[assignment]
        content = self.jitter(content, rng)
        if self.photometry is not None:
            content = self.photometry(content, rng)
        return Sample(
            on_canvas(content, self.size, view.place.pixels),
            {action: see_truth(truth, view, self.grid, blank) for action, truth in loaded.truths.items()},
            None if parts is None else see_labels(parts, view, self.grid, blank),
        )

    def negative(self, picture: U8, rng: np.random.Generator) -> Sample:
        """A sample of a negative picture: no truth, no part."""
        sample = self(Loaded(picture, (picture.shape[0], picture.shape[1])), rng)
        return Sample(sample.image, {}, np.zeros(self.grid, np.uint8))

    def _kept(self, loaded: Loaded, rng: np.random.Generator) -> U8 | None:
        """What stays before another background, 0 or 255; None without an object map."""
        clutter = rng.random() < CLUTTER_SHARE
        if loaded.objects is None or loaded.parts is None or not clutter:
            return loaded.objects
        things = ((loaded.parts > 0) & (loaded.parts != UNKNOWN_KIND)).astype(np.uint8) * np.uint8(255)
        return cv2.bitwise_or(loaded.objects, _sized(things, loaded.objects))  # type: ignore[return-value]


def _sized(mask: NDArray[np.uint8], like: NDArray[np.uint8]) -> U8:
    if mask.shape == like.shape:
        return mask
    return cv2.resize(mask, like.shape[1::-1], interpolation=cv2.INTER_NEAREST)  # type: ignore[return-value]
