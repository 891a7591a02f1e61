"""What a confidence is fitted on: the network's evidence in scenes, and in negative pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from selcon_training.data.agd20k import DataSet
from selcon_training.data.dense_items import DenseItem, dense_items
from selcon_training.data.images import U8
from selcon_training.data.ordering import generator
from selcon_training.data.pairs import read_truth
from selcon_training.data.transforms import Crop

VIEW_COUNT = 8
"""Of every negative picture: the whole, and random parts of it, half of them mirrored."""
MIN_VIEW_SHARE = 0.5
"""Of a picture's sides."""
NEGATIVE_SPLITS = {"testset": "nothingset", "valset": "valnothingset"}
"""Which split shows scenes without the action, among other objects, beside which split."""
CLUTTER_SPLITS = {"testset": "clutterset", "valset": "valclutterset"}
"""Which split shows scenes of things with which no action is possible, beside which split."""


@dataclass(frozen=True)
class EvidencePicture:
    """A picture, and of which actions it is known whether they are possible there."""

    path: Path
    possible: dict[int, bool]
    clutter: bool = False


@dataclass(frozen=True)
class Evidence:
    """What a network finds in n scenes: `values` [n, C], the CAM of each action at the peak of its heatmap.

    `possible` [n, C] says of each action whether the scene affords it, where `known` [n, C] is true. In the
    scenes of `clutter` [n] no action is possible.
    """

    values: NDArray[np.float64]
    possible: NDArray[np.bool_]
    known: NDArray[np.bool_]
    clutter: NDArray[np.bool_]

    @classmethod
    def of(cls, rows: Iterable[tuple[EvidencePicture, Sequence[float]]]) -> Evidence:
        """Collect the values in each scene."""
        found, values = zip(*rows, strict=True)
        shape = (len(found), len(values[0]))
        possible, known = np.zeros(shape, np.bool_), np.zeros(shape, np.bool_)
        for row, scene in enumerate(found):
            for action, there in scene.possible.items():
                possible[row, action], known[row, action] = there, True
        clutter = np.array([scene.clutter for scene in found])
        return cls(np.asarray(values, np.float64), possible, known, clutter)

    @property
    def positive(self) -> NDArray[np.bool_]:
        """Which actions are known to be possible, [n, C]."""
        return self.possible & self.known

    @property
    def negative(self) -> NDArray[np.bool_]:
        """Which actions are known to be impossible, [n, C]."""
        return ~self.possible & self.known


def scenes(data: DataSet, split: str, actions: Sequence[str]) -> list[EvidencePicture]:
    """The pictures of a split with truth maps, then those of its siblings without the action and of clutter,
    if there are such.

    Raises DataError, as `dense_items`.
    """
    items = dense_items(data, split, actions)
    found = [EvidencePicture(item.path, possible(item, len(actions))) for item in items]
    return found + sibling_scenes(data, split, actions)


def sibling_scenes(data: DataSet, split: str, actions: Sequence[str]) -> list[EvidencePicture]:
    """The pictures of the splits beside `split` that show scenes without the action, and clutter."""
    found: list[EvidencePicture] = []
    for siblings, clutter in ((NEGATIVE_SPLITS, False), (CLUTTER_SPLITS, True)):
        if split in siblings:
            found += negative_scenes(data, siblings[split], actions, clutter)
    return found


def possible(item: DenseItem, actions: int) -> dict[int, bool]:
    """Of every action whose truth is known: whether its truth map shows anything."""
    known = range(actions) if item.known is None else item.known
    paths = {action: item.truths.get(action) for action in known}
    return {action: bool(found and read_truth(found, item.path).any()) for action, found in paths.items()}


def negative_scenes(
    data: DataSet, split: str, actions: Sequence[str], clutter: bool = False
) -> list[EvidencePicture]:
    """The pictures of a split of negative scenes, without their action; none where the split is missing."""
    label = {action: index for index, action in enumerate(actions)}
    found: dict[str, EvidencePicture] = {}
    for item in data.items(split) if data.has(split) else []:
        if item.action in label:
            key = item.stem if data.exhaustive_truth else item.name
            found.setdefault(key, EvidencePicture(item.path, {}, clutter)).possible[label[item.action]] = (
                False
            )
    return list(found.values())


def views(picture: U8, number: int, count: int = VIEW_COUNT) -> Iterator[U8]:
    """`count` views of a picture H x W x 3: the whole, and random parts; the same for the same number."""
    yield picture
    rng = generator(0, number)
    for _ in range(count - 1):
        height, width = rng.uniform(MIN_VIEW_SHARE, 1.0, 2)
        top, left = rng.uniform(0.0, 1.0 - height), rng.uniform(0.0, 1.0 - width)
        yield _cut(picture, Crop(top, left, height, width, bool(rng.integers(2))))


def _cut(picture: U8, crop: Crop) -> U8:
    height, width = crop.shape((picture.shape[0], picture.shape[1]))
    top, left = int(crop.top * picture.shape[0]), int(crop.left * picture.shape[1])
    part = picture[top : top + height, left : left + width]
    return np.ascontiguousarray(part[:, ::-1] if crop.flip else part)


def of_negatives(
    pictures: Iterable[tuple[int, U8]], ask: Callable[[Sequence[U8]], list[list[float]]]
) -> list[list[list[float]]]:
    """The evidence for every action in the views of numbered pictures: pictures x VIEW_COUNT x actions.

    `ask` gives it for images of any sizes, images x actions.
    """
    return [ask(list(views(picture, number))) for number, picture in pictures]


def area_under_roc(positive: NDArray[np.float64], negative: NDArray[np.float64]) -> float:
    """How often a positive is above a negative, ties counting half."""
    ranked = np.sort(negative)
    below, not_above = (np.searchsorted(ranked, positive, side) for side in ("left", "right"))
    return float((below + not_above).mean() / (2 * len(ranked)))
