"""Images with truth maps, for dense training and for validation: one item per picture, a target map per
action."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from selcon_training.data.images import F32, U8, read_picture
from selcon_training.data.layout import DataSet
from selcon_training.data.pairs import fitting
from selcon_training.data.sampling import generator, usable_threads
from selcon_training.data.transforms import (
    WHOLE,
    Jitter,
    Size,
    apply_crop,
    apply_crop_to_truth,
    decode_size,
    draw_crop,
    resize,
)
from selcon_training.errors import DataError

TRUTH_STRIDE = 4
"""Cached truth maps are kept at a quarter of the picture's cached size: still several samples per patch."""


@dataclass(frozen=True)
class DenseItem:
    """A picture, the truth files of the actions it affords, and which actions' truth is known (None: all)."""

    name: str
    path: Path
    truths: dict[int, tuple[Path, ...]]
    known: tuple[int, ...] | None


@dataclass(frozen=True)
class Augmentation:
    """What happens to a training picture before the network sees it."""

    zoom: tuple[float, float] = (1.0, 1.0)
    fit: Literal["cover", "stretch"] = "stretch"
    flip: bool = False
    jitter: Jitter = field(default_factory=Jitter)


@dataclass(frozen=True)
class DenseBatch:
    """images B x h x w x 3 uint8 RGB; truth B x C x gh x gw float32 0..1; known B x C bool."""

    images: U8
    truth: F32
    known: NDArray[np.bool_]


def dense_items(data: DataSet, split: str, actions: Sequence[str]) -> list[DenseItem]:
    """The pictures of a split that have truth maps.

    With exhaustive truth (dataset.json) files of one stem are one picture, and an action without a map does
    not occur in it; otherwise every file is an item of its own and only its own action is known. Every map
    is decoded once, its largest value goes into ``data.peaks``. Raises DataError if a split has no truth map
    at all, or one that is broken, unclear or does not fit its picture, holds an action that is not in the
    class list, or two images that one truth map would belong to.
    """
    label = {action: index for index, action in enumerate(actions)}
    pictures: dict[str, Path] = {}
    truths: dict[str, dict[int, list[Path]]] = {}
    unknown: set[str] = set()
    for item in data.items(split):
        if item.action not in label:
            unknown.add(item.action)
            continue
        truth = data.extra(split, "GT", item)
        if truth is None and not data.exhaustive_truth:
            continue
        if truth is None and (other := data.not_read(split, "GT", item)):
            raise DataError(
                f"truth map {other} is in a format that is not read, or no plain file, and without it "
                f"{item.path.name} would be taken for one without {item.action}: save it as PNG"
            )
        key = item.stem if data.exhaustive_truth else item.name
        if not data.exhaustive_truth and key in pictures:
            raise DataError(f"{item.path} and {pictures[key].name} have one truth map, {truth}: remove one")
        pictures.setdefault(key, item.path)
        maps = truths.setdefault(key, {})
        if truth is not None:
            maps.setdefault(label[item.action], []).append(truth)
    where = data.base / split
    if unknown:
        raise DataError(
            f"class list mismatch in {where}: {', '.join(sorted(unknown))} not in {', '.join(actions)}"
        )
    if not any(truths.values()):
        raise DataError(
            f"{where / 'GT'} has no truth map for any image: dense training and validation need some"
        )
    items = [
        DenseItem(
            name=key,
            path=pictures[key],
            truths={action: tuple(paths) for action, paths in maps.items()},
            known=None if data.exhaustive_truth else tuple(maps),
        )
        for key, maps in truths.items()
    ]
    _look_at_truths(data, items)
    return items


def _look_at_truths(data: DataSet, items: Sequence[DenseItem]) -> None:
    """Decode every truth map once, on all cores. Raises DataError naming those that cannot be used."""
    pairs = [
        (path, item.path)
        for item in items
        for paths in item.truths.values()
        for path in paths
        if path not in data.peaks
    ]

    def peak(pair: tuple[Path, Path]) -> int | str:
        try:
            return int(fitting([pair[0]], pair[1]).max())
        except DataError as error:
            return str(error)

    with ThreadPoolExecutor(usable_threads()) as pool:
        found = tqdm(pool.map(peak, pairs), total=len(pairs), desc="truth maps", leave=False, disable=None)
        peaks = dict(zip((path for path, _ in pairs), found, strict=True))
    faults = [value for value in peaks.values() if isinstance(value, str)]
    if faults:
        more = f"; and {len(faults) - 5} more" if len(faults) > 5 else ""
        raise DataError(
            f"{len(faults)} of {len(pairs)} truth maps cannot be used: {'; '.join(faults[:5])}{more}. "
            f"List them with: selcon data check {data.root} --out skip.txt; then mend them, "
            "or leave them out with data.skip: skip.txt"
        )
    data.peaks.update({path: value for path, value in peaks.items() if isinstance(value, int)})


class DenseImages:
    """Decoded pictures and truth maps of a list of items, cut into augmented batches.

    With ``cache`` every picture is decoded once and kept as uint8 at ``cache_size`` (truth maps at a quarter
    of it): 8,000 pictures of 336 x 448 take 3.6 GB and a batch then costs well under a millisecond per
    picture and core.
    """

    def __init__(
        self, items: Sequence[DenseItem], classes: int, size: Size, grid: Size, augmentation: Augmentation
    ) -> None:
        self.items = list(items)
        self.classes = classes
        self.size = size
        self.grid = grid
        self.augmentation = augmentation
        self._pictures: NDArray[np.uint8] | None = None
        self._truths: list[dict[int, U8]] | None = None

    def __len__(self) -> int:
        return len(self.items)

    def cache(
        self, cache_size: Size | None = None, progress: Callable[[range], Sequence[int]] = list
    ) -> None:
        """Decode everything into memory. ``cache_size`` (h, w) defaults to the input size times the largest
        zoom."""
        zoom = self.augmentation.zoom[1]
        size = cache_size or (math.ceil(self.size[0] * zoom), math.ceil(self.size[1] * zoom))
        pictures = np.empty((len(self.items), *size, 3), np.uint8)
        truths: list[dict[int, U8]] = []
        small = (max(self.grid[0], size[0] // TRUTH_STRIDE), max(self.grid[1], size[1] // TRUTH_STRIDE))
        for index in progress(range(len(self.items))):
            item = self.items[index]
            picture = read_picture(item.path, decode_size(size))
            pictures[index] = resize(picture, size)
            maps = {action: fitting(paths, item.path) for action, paths in item.truths.items()}
            truths.append({action: resize(values, small) for action, values in maps.items()})
        self._pictures, self._truths = pictures, truths

    def labels(self) -> list[list[int]]:
        """The actions each picture affords (-1: none), for balanced sampling."""
        return [sorted(item.truths) or [-1] for item in self.items]

    def batch(self, indices: Sequence[int], seed: int, epoch: int, start: int) -> DenseBatch:
        """An augmented batch. The same seed, epoch and start (position in the epoch) give the same batch."""
        return self._gather(indices, [generator(seed, 2, epoch, start + i) for i in range(len(indices))])

    def plain(self, indices: Sequence[int]) -> DenseBatch:
        """A batch without augmentation: stretched to the input size, as in use."""
        return self._gather(indices, [None] * len(indices))

    def _gather(self, indices: Sequence[int], randoms: Sequence[np.random.Generator | None]) -> DenseBatch:
        count = len(indices)
        images = np.empty((count, *self.size, 3), np.uint8)
        truth = np.zeros((count, self.classes, *self.grid), np.float32)
        known = np.zeros((count, self.classes), np.bool_)
        augmentation = self.augmentation
        for row, (index, rng) in enumerate(zip(indices, randoms, strict=True)):
            item = self.items[index]
            picture, maps = self._load(index)
            crop = WHOLE
            if rng is not None:
                shape = (picture.shape[0], picture.shape[1])
                crop = draw_crop(
                    shape, self.size, augmentation.zoom, augmentation.fit, augmentation.flip, rng
                )
            if rng is None:
                images[row] = resize(picture, self.size)
            else:
                images[row] = augmentation.jitter(apply_crop(picture, crop, self.size), rng)
            for action, values in maps.items():
                truth[row, action] = apply_crop_to_truth(values, crop, self.grid)
            known[row, slice(None) if item.known is None else list(item.known)] = True
        return DenseBatch(images, truth, known)

    def _load(self, index: int) -> tuple[U8, dict[int, U8]]:
        if self._pictures is not None and self._truths is not None:
            return self._pictures[index], self._truths[index]
        item = self.items[index]
        picture = read_picture(item.path, decode_size(self.size, self.augmentation.zoom[1]))
        maps: dict[int, U8] = {}
        for action, paths in item.truths.items():
            values = fitting(paths, item.path)
            # The sampler takes 4 x 4 points per cell: shrink first, so that it averages rather than picks.
            limit = (self.size[0] // TRUTH_STRIDE, self.size[1] // TRUTH_STRIDE)
            large = values.shape[0] > limit[0] and values.shape[1] > limit[1]
            maps[action] = resize(values, limit) if large else values
        return picture, maps
