"""Samples with action labels only: an exocentric image, E - 1 more of the same folder, and one egocentric
image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from selcon_training.data.agd20k import DataSet, by_folder, check_actions
from selcon_training.data.dense import Augmentation
from selcon_training.data.images import U8, read_picture
from selcon_training.data.listing import Item
from selcon_training.data.ordering import Stream, generator
from selcon_training.data.transforms import Size, apply_crop, decode_size, draw_crop
from selcon_training.errors import DataError


@dataclass(frozen=True)
class WeakSplit:
    """The training images of one split: every exocentric image has egocentric partners in its action/object
    folder."""

    exo: list[Item]
    ego: list[Item]
    exo_label: NDArray[np.int64]
    exo_folder: list[tuple[str, str]]
    exo_in: dict[tuple[str, str], NDArray[np.int64]]
    ego_in: dict[tuple[str, str], NDArray[np.int64]]


@dataclass(frozen=True)
class WeakDraw:
    """One batch as image numbers: exo B x E, ego B, label B."""

    exo: NDArray[np.int64]
    ego: NDArray[np.int64]
    label: NDArray[np.int64]


def weak_split(
    data: DataSet, split: str, actions: Sequence[str], ego: Sequence[Item] | None = None
) -> WeakSplit:
    """Index a split for weak training; `ego` restricts the egocentric images (held-out ones left out).

    Folders that `ego` empties are skipped when it is given. Raises DataError for a class list mismatch and
    for exocentric folders without an egocentric image.
    """
    exo_all = data.items(split, "exocentric")
    ego_all = data.items(split, "egocentric")
    where = str(data.base / split)
    check_actions([*exo_all, *ego_all], actions, where, complete=True)
    ego_folders = by_folder(ego_all)
    lonely = [folder for folder in by_folder(exo_all) if folder not in ego_folders]
    if lonely:
        listed = ", ".join("/".join(folder) for folder in lonely[:5]) + (" ..." if len(lonely) > 5 else "")
        raise DataError(
            f"{where}: no egocentric image for exocentric folder {listed}; every exocentric/<action>/<object>"
            " needs at least one image in egocentric/<action>/<object>"
        )
    used_ego = list(ego_all if ego is None else ego)
    kept = by_folder(used_ego)
    exo = [item for item in exo_all if (item.action, item.object) in kept]
    if not exo:
        raise DataError(f"{where}: no exocentric image is left with an egocentric partner")
    label = {action: index for index, action in enumerate(actions)}
    return WeakSplit(
        exo=exo,
        ego=used_ego,
        exo_label=np.asarray([label[item.action] for item in exo], np.int64),
        exo_folder=[(item.action, item.object) for item in exo],
        exo_in=_numbers(exo),
        ego_in=_numbers(used_ego),
    )


def draw_weak(
    split: WeakSplit, order: NDArray[np.int64], exos: int, seed: int, epoch: int, start: int
) -> WeakDraw:
    """Choose partners for a batch of exocentric images: the other E - 1 and the ego image from the same
    folder.

    Without repetition where the folder has enough images. Depends only on seed, epoch and position.
    """
    exo = np.empty((len(order), exos), np.int64)
    ego = np.empty(len(order), np.int64)
    for row, first in enumerate(order):
        rng = generator(seed, Stream.WEAK_PARTNERS, epoch, start + row)
        folder = split.exo_folder[first]
        others = split.exo_in[folder]
        others = others[others != first]
        if len(others) >= exos - 1:
            rest = rng.choice(others, exos - 1, replace=False)
        else:
            rest = rng.choice(split.exo_in[folder], exos - 1, replace=True)
        exo[row, 0] = first
        exo[row, 1:] = rest
        ego[row] = rng.choice(split.ego_in[folder])
    return WeakDraw(exo, ego, split.exo_label[order])


def load_weak(
    items: Sequence[Item],
    size: Size,
    augmentation: Augmentation,
    seed: int,
    part: int,
    epoch: int,
    start: int,
) -> U8:
    """Decode and augment images: N x h x w x 3 uint8. `part` (0 egocentric, 1 exocentric, 2 feature store)
    keeps draws of one step apart.

    Raises DataError for an image that cannot be read.
    """
    least = decode_size(size, augmentation.zoom[1])
    images = np.empty((len(items), *size, 3), np.uint8)
    for row, item in enumerate(items):
        rng = generator(seed, Stream.WEAK_VIEW, part, epoch, start + row)
        picture = read_picture(item.path, least)
        shape = (picture.shape[0], picture.shape[1])
        crop = draw_crop(shape, size, augmentation.zoom, augmentation.fit, augmentation.flip, rng)
        images[row] = augmentation.jitter(apply_crop(picture, crop, size), rng)
    return images


def hold_out(items: Sequence[Item], fraction: float, seed: int) -> tuple[list[Item], list[Item]]:
    """Split items into (training, held out): the fraction of every action/object folder, never a whole
    folder."""
    kept: list[Item] = []
    held: list[Item] = []
    for number, folder in enumerate(sorted(by_folder(items).items())):
        members = folder[1]
        order = generator(seed, Stream.HOLD_OUT, number).permutation(len(members))
        count = min(len(members) - 1, round(fraction * len(members)))
        out = set(order[:count].tolist())
        for index, item in enumerate(members):
            (held if index in out else kept).append(item)
    return kept, held


def _numbers(items: Sequence[Item]) -> dict[tuple[str, str], NDArray[np.int64]]:
    numbers: dict[tuple[str, str], list[int]] = {}
    for index, item in enumerate(items):
        numbers.setdefault((item.action, item.object), []).append(index)
    return {folder: np.asarray(indices, np.int64) for folder, indices in numbers.items()}
