"""Images with truth maps, for dense training and for validation: one item per picture, a target map per
action."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from selcon_ros.core.grounding.placement import Canvas
from selcon_training.data.augmenting import Augmenter, Loaded, Sample
from selcon_training.data.dense_items import DenseItem, dense_items
from selcon_training.data.images import F32, U8, read_picture
from selcon_training.data.labels import UNKNOWN_KIND, Labels, read_label_maps, unpacked
from selcon_training.data.memory import check_room
from selcon_training.data.ordering import Stream, generator
from selcon_training.data.pairs import fitting
from selcon_training.data.sharp_truth import sharp_truth
from selcon_training.data.transforms import (
    WHOLE_IMAGE,
    Jitter,
    Size,
    apply_crop,
    apply_crop_to_labels,
    apply_crop_to_truth,
    decode_size,
    draw_crop,
    resize,
)
from selcon_training.data.views import on_canvas
from selcon_training.errors import DataError

__all__ = ["Augmentation", "DenseBatch", "DenseImages", "DenseItem", "Variety", "dense_items", "stack"]

TRUTH_STRIDE = 4
"""Cached truth maps are kept at a quarter of the picture's cached size: still several samples per patch."""
SHARP_STRIDE = 2
"""The same for unblurred ones."""
CACHE_FACTOR = 1.5
"""Pictures for random views are cached at this multiple of the input size, unless told otherwise."""


@dataclass(frozen=True)
class Augmentation:
    """What happens to a training picture before the network sees it."""

    zoom: tuple[float, float] = (1.0, 1.0)
    fit: Literal["cover", "stretch", "pad"] = "stretch"
    flip: bool = False
    jitter: Jitter = field(default_factory=Jitter)


@dataclass(frozen=True)
class DenseBatch:
    """images B x h x w x 3 uint8 RGB; truth B x C x gh x gw float32 0..1; known B x C bool; parts B x gh x gw
    uint8: the kind of part in the middle of every cell, 0 for none, 255 unknown; None if no picture of the
    data has a label map or none is asked for.

    Cells around a padded picture have the truth 0: nothing is there, and heat that reached them would be
    missing in what is cut out of the map.
    """

    images: U8
    truth: F32
    known: NDArray[np.bool_]
    parts: U8 | None = None


def stack(samples: Sequence[Sample], classes: int, grid: Size, with_parts: bool) -> DenseBatch:
    """Samples as a batch."""
    truth = np.zeros((len(samples), classes, *grid), np.float32)
    known = np.zeros((len(samples), classes), np.bool_)
    parts = np.full((len(samples), *grid), UNKNOWN_KIND, np.uint8) if with_parts else None
    for row, sample in enumerate(samples):
        for action, values in sample.truths.items():
            truth[row, action] = values
        known[row, slice(None) if sample.known is None else list(sample.known)] = True
        if parts is not None and sample.parts is not None:
            parts[row] = sample.parts
    return DenseBatch(np.stack([sample.image for sample in samples]), truth, known, parts)


@dataclass(frozen=True)
class Variety:
    """What training pictures get beyond `Augmentation`, and what is made of label maps.

    `augmenter` takes the place of crop and jitter; None leaves them as they are. `parts`: fill
    `DenseBatch.parts`; `kinds`: how many kinds of parts there are, `clutter`: which of them is of things
    that are no objects (see `read_label_maps`), None if that is not known. `sharp`: the truth is the part
    itself instead of its blurred map (see `sharp_truth`).
    """

    augmenter: Augmenter | None = None
    parts: bool = False
    kinds: int | None = None
    sharp: bool = False
    clutter: int | None = None

    @property
    def reads_labels(self) -> bool:
        """Whether anything is made of label maps."""
        composes = self.augmenter is not None and self.augmenter.scenery.composes
        return self.parts or self.sharp or composes


@dataclass(frozen=True)
class _Kept:
    """What the cache has of a picture, beside its pixels."""

    shape: Size
    truths: dict[int, U8]
    labels: bytes


class DenseImages:
    """Decoded pictures and truth maps of a list of items, cut into augmented batches.

    With `cache` every picture is decoded once and kept as uint8 at `cache_size` (truth maps at a quarter
    of it): 8,000 pictures of 336 x 448 take 3.6 GB and a batch then costs well under a millisecond per
    picture and core, a few with an augmenter. Raises DataError for an input size that cannot be padded to.
    """

    def __init__(
        self,
        items: Sequence[DenseItem],
        classes: int,
        size: Size,
        grid: Size,
        augmentation: Augmentation,
        variety: Variety | None = None,
    ) -> None:
        self.items = list(items)
        self.classes = classes
        self.size = size
        self.grid = grid
        self.augmentation = augmentation
        self.variety = variety or Variety()
        self.has_parts = self.variety.parts and any(item.parts is not None for item in self.items)
        self.canvas = Canvas(size, grid, "pad" if augmentation.fit == "pad" else "stretch")
        if augmentation.fit == "pad" and not self.canvas.whole_cells:
            raise DataError(
                f"data.fit = 'pad' needs data.input_size {list(size)} to be a multiple of the map grid "
                f"{list(grid)} on both sides: change data.input_size or upscale"
            )
        self._pictures: list[U8] | None = None
        self._kept: list[_Kept] = []

    def __len__(self) -> int:
        return len(self.items)

    def cache(
        self,
        cache_size: Size | None = None,
        progress: Callable[[range], Iterable[int]] = list,
        threads: int = 1,
    ) -> None:
        """Decode everything into memory. `cache_size` (h, w) defaults to the input size times the largest
        zoom, at most half as much again with an augmenter; padded pictures keep their aspect ratio within it.
        Raises DataError if memory does not hold it."""
        zoom = self._largest_zoom
        size = cache_size or (math.ceil(self.size[0] * zoom), math.ceil(self.size[1] * zoom))
        stride = SHARP_STRIDE if self.variety.sharp else TRUTH_STRIDE
        small = (max(self.grid[0], size[0] // stride), max(self.grid[1], size[1] // stride))
        maps = sum(len(item.truths) for item in self.items)
        check_room(
            3 * math.prod(size) * len(self.items) + math.prod(small) * maps,
            f"data.cache: {len(self.items)} pictures of {size[0]} x {size[1]}",
            "set a smaller data.cache_size, fewer data.dense_splits, or data.cache: false",
        )

        def keep(index: int) -> tuple[U8, _Kept]:
            picture, truths, labels = self._read(self.items[index], decode_size(size))
            small_truths = {action: resize(values, small) for action, values in truths.items()}
            kept = _Kept((picture.shape[0], picture.shape[1]), small_truths, labels.packed(size))
            return resize(picture, self._within(picture, size)), kept

        pictures, every = [], range(len(self.items))
        self._kept = []
        with ThreadPoolExecutor(threads) as pool:
            for _, (picture, kept) in zip(progress(every), pool.map(keep, every), strict=True):
                pictures.append(picture)
                self._kept.append(kept)
        self._pictures = pictures

    def _within(self, picture: U8, size: Size) -> Size:
        """The size at which a picture is kept within `size`."""
        if self.canvas.fit == "stretch":
            return size
        height, width = picture.shape[:2]
        scale = min(size[0] / height, size[1] / width)
        return max(1, round(height * scale)), max(1, round(width * scale))

    @property
    def _largest_zoom(self) -> float:
        zoom = self.augmentation.zoom[1]
        return zoom if self.variety.augmenter is None else max(1.0, min(zoom, CACHE_FACTOR))

    def labels(self) -> list[list[int]]:
        """The actions each picture affords (-1: none), for balanced sampling."""
        return [sorted(item.truths) or [-1] for item in self.items]

    def batch(self, indices: Sequence[int], seed: int, epoch: int, start: int) -> DenseBatch:
        """An augmented batch. The same seed, epoch and start (position in the epoch) give the same batch."""
        places = enumerate(indices, start)
        return self._stack(
            [self.sample(index, generator(seed, Stream.SAMPLE_VIEW, epoch, place)) for place, index in places]
        )

    def plain(self, indices: Sequence[int]) -> DenseBatch:
        """A batch without augmentation: stretched or padded to the input size, as in use."""
        return self._stack([self.sample(index, None) for index in indices])

    def _stack(self, samples: Sequence[Sample]) -> DenseBatch:
        return stack(samples, self.classes, self.grid, self.has_parts)

    def sample(self, index: int, rng: np.random.Generator | None) -> Sample:
        """One picture, augmented with `rng`, or as in use with None."""
        item, loaded, augmentation = self.items[index], self._load(index), self.augmentation
        if self.variety.augmenter is not None and rng is not None:
            return replace(self.variety.augmenter(loaded, rng), known=item.known)
        crop, shape = WHOLE_IMAGE, (loaded.picture.shape[0], loaded.picture.shape[1])
        if rng is not None:
            crop = draw_crop(shape, self.size, augmentation.zoom, augmentation.fit, augmentation.flip, rng)
        place = self.canvas.place(crop.shape(shape))
        seen = apply_crop(loaded.picture, crop, place.pixels.size)
        image = on_canvas(seen if rng is None else augmentation.jitter(seen, rng), self.size, place.pixels)
        truths = {}
        for action, values in loaded.truths.items():
            cells = apply_crop_to_truth(values, crop, place.cells.size)
            truths[action] = on_canvas(cells, self.grid, place.cells)
        parts = None
        if loaded.parts is not None:
            labels = apply_crop_to_labels(loaded.parts, crop, place.cells.size)
            parts = on_canvas(labels, self.grid, place.cells)
        return Sample(image, truths, parts, item.known)

    def _load(self, index: int) -> Loaded:
        item = self.items[index]
        if self._pictures is not None:
            kept = self._kept[index]
            parts, mask = unpacked(kept.labels, item.parts is not None, item.objects is not None)
            return Loaded(self._pictures[index], kept.shape, kept.truths, parts, mask)
        picture, maps, labels = self._read(item, decode_size(self.size, self._largest_zoom))
        # Few points are sampled per cell: shrink first, so that it averages rather than picks.
        stride = 1 if self.variety.sharp else TRUTH_STRIDE
        limit = (self.size[0] // stride, self.size[1] // stride)
        for action, values in maps.items():
            large = values.shape[0] > limit[0] and values.shape[1] > limit[1]
            maps[action] = resize(values, limit) if large else values
        return Loaded(picture, (picture.shape[0], picture.shape[1]), maps, labels.parts, labels.mask)

    def _read(self, item: DenseItem, at_least: Size) -> tuple[U8, dict[int, U8], Labels]:
        picture = read_picture(item.path, at_least)
        truths = {action: fitting(paths, item.path) for action, paths in item.truths.items()}
        labels = Labels()
        if self.variety.reads_labels:
            shape = (picture.shape[0], picture.shape[1])
            chosen = self.variety
            labels = read_label_maps(item.parts, item.objects, shape, chosen.kinds, chosen.clutter)
        if self.variety.sharp:
            for action, truth in truths.items():
                masks = item.masks.get(action)
                truths[action] = fitting(masks, item.path) if masks else sharp_truth(truth, labels)
        return picture, truths, labels
