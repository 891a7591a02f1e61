"""The samples of an audit: egocentric images whose truth is known, each with E exocentric ones of its
folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from experiments.streams import AuditStream
from selcon_ros.core.files.json_file import read_object
from selcon_training.data.agd20k import DataSet, by_folder
from selcon_training.data.images import U8, read_labels, read_picture
from selcon_training.data.listing import Item
from selcon_training.data.ordering import generator
from selcon_training.data.pairs import read_truth
from selcon_training.data.transforms import Size, resize
from selcon_training.errors import DataError
from selcon_training.evaluate.measures import part_of


@dataclass(frozen=True)
class Sample:
    """An egocentric image, its truth map, and its exocentric images."""

    ego: Item
    truth: Path
    exo: tuple[Item, ...]


@dataclass(frozen=True)
class Facts:
    """What is known about a sample beside its images.

    `part_share`: the true part's share of the egocentric image. `exo_size` and `hidden`, where the data
    have label maps, else None: the mean share of the exocentric images that the object takes, and of the
    object's outline (convex hull) that hands cover.
    """

    action: str
    object: str
    part_share: float
    exo_size: float | None
    hidden: float | None


def draw_samples(
    data: DataSet, split: str, actions: Sequence[str], exocentric: int, count: int, seed: int
) -> list[Sample]:
    """Draw `count` samples, folders in turn. The egocentric images are those of `split` with a truth map,
    else of testset: nothing is trained or chosen here. Raises DataError where neither has any.
    """
    exo_folders = by_folder(data.items(split, "exocentric"))
    for source in (split, "testset"):
        folders: dict[tuple[str, str], list[tuple[Item, Path]]] = {}
        for item in data.items(source) if data.has(source) else []:
            truth = data.extra(source, "GT", item)
            if truth is not None and item.action in actions and (item.action, item.object) in exo_folders:
                folders.setdefault((item.action, item.object), []).append((item, truth))
        if folders:
            break
    else:
        raise DataError(f"{data.base}: an audit needs truth maps, in {split}/GT or testset/GT")
    samples: list[Sample] = []
    orders = {
        folder: generator(seed, AuditStream.ORDER, number).permutation(len(items))
        for number, (folder, items) in enumerate(sorted(folders.items()))
    }
    for turn in range(max(len(items) for items in folders.values())):
        for number, (folder, items) in enumerate(sorted(folders.items())):
            if turn < len(items) and len(samples) < count:
                item, truth = items[orders[folder][turn]]
                others = exo_folders[folder]
                rng = generator(seed, AuditStream.SAMPLE, number, turn)
                chosen = rng.choice(len(others), exocentric, replace=len(others) < exocentric)
                samples.append(Sample(item, truth, tuple(others[index] for index in chosen)))
    return samples


def read_sample(sample: Sample, size: Size) -> tuple[U8, U8, NDArray[np.bool_]]:
    """Read a sample: ego h x w x 3 and exo E x h x w x 3 uint8, stretched to `size`, and the part's mask
    (where the truth exceeds half of its maximum) at the truth's own size."""
    ego = resize(read_picture(sample.ego.path), size)
    exo = np.stack([resize(read_picture(item.path), size) for item in sample.exo])
    return ego, exo, part_of(read_truth([sample.truth], sample.ego.path), None)


def facts_of(data: DataSet, split: str, sample: Sample, part: NDArray[np.bool_]) -> Facts:
    """What is known about a sample."""
    sizes, covers = [], []
    for item in sample.exo:
        labels = _object_and_hands(data, split, item)
        if labels is not None:
            thing, hands = labels
            sizes.append(float(thing.mean()))
            covers.append(_covered(thing, hands))
    return Facts(
        action=sample.ego.action,
        object=sample.ego.object,
        part_share=float(part.mean()),
        exo_size=float(np.mean(sizes)) if sizes else None,
        hidden=float(np.mean(covers)) if covers else None,
    )


def _object_and_hands(
    data: DataSet, split: str, item: Item
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]] | None:
    """Where the object and where hands are visible in an exocentric image of a rendered set."""
    names, path = data.root / "parts.json", data.extra(split, "exocentric_objects", item)
    if path is None or not names.is_file():
        return None
    objects = read_object(names, DataError).get("objects")
    if not isinstance(objects, list):
        raise DataError(f"{names}: objects must be a list of names")
    if item.object not in objects or "hand" not in objects:
        return None
    labels = read_labels(path)
    thing = labels == objects.index(item.object)
    return (thing, labels == objects.index("hand")) if thing.any() else None


def _covered(thing: NDArray[np.bool_], hands: NDArray[np.bool_]) -> float:
    hull = cv2.convexHull(np.argwhere(thing)[:, ::-1].astype(np.int32))
    outline = cv2.fillConvexPoly(np.zeros(thing.shape, np.uint8), hull, 1).astype(bool)
    return float((hands & outline).sum() / outline.sum())
