"""Photos in AGD20K's layout: egocentric/<action>/<object>/ with GT/ or mask/ beside it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path

import numpy as np

from selcon_ros.core.files.plain_file import read_bytes
from selcon_training.adapt.shapes import Bitmap, Labelled, Shape
from selcon_training.data.agd20k import DIVIDES, DataSet, open_dataset
from selcon_training.data.images import U8
from selcon_training.data.listing import Item
from selcon_training.data.pairs import fitting, stored_as
from selcon_training.data.transforms import resize
from selcon_training.errors import DataError
from selcon_training.evaluate.measures import TRUTH_PEAK

SPLIT, DESCRIPTION_FILE = "trainset", "dataset.json"


@dataclass
class _Found:
    """A photo and, by action, in how many object folders it lies with which files."""

    path: Path
    counts: Counter[str] = field(default_factory=Counter)
    masks: dict[str, list[Path]] = field(default_factory=dict)
    truths: dict[str, list[Path]] = field(default_factory=dict)

    def labelled(self, complete: bool) -> Labelled:
        """The photo with its masks, read when they are asked for; an action without is an empty list."""
        shapes: dict[str, list[Shape]] = {}
        for action, count in self.counts.items():
            masks, truths = self.masks.get(action, []), self.truths.get(action, [])
            are_masks = len(masks) == count
            used = masks if are_masks else truths if len(truths) == count else []
            load = partial(_mask, used, self.path, are_masks)
            shapes[action] = [Bitmap(load, str(used[0]))] if used else []
        truths_of = {action: partial(fitting, paths, self.path) for action, paths in self.truths.items()}
        return Labelled(self.path, shapes, complete, truths_of)


def split_folder(folder: Path) -> Path | None:
    """The folder that has egocentric/: `folder` or its trainset; None for another layout.

    Raises DataError for a data set that has it elsewhere.
    """
    for place in (folder, folder / SPLIT):
        if (place / "egocentric").is_dir():
            return place
    below = [folder / divide for divide in DIVIDES if (folder / divide).is_dir()]
    splits = sorted(str(path.parent) for place in (folder, *below) for path in place.glob("*/egocentric"))
    if not splits:
        return None
    raise DataError(
        f"{folder} holds several data sets or none to train on: give one of {', '.join(splits)} (photos of a "
        "test set are then no measure any more)"
    )


def read_folders(split: Path) -> list[Labelled]:
    """The photos of a folder that has egocentric/, copies of one file as one photo. Raises DataError."""
    split = split.resolve()
    described = next(
        (place for place in (split, *split.parents[:2]) if (place / DESCRIPTION_FILE).exists()), None
    )
    exhaustive = False
    if described is not None:
        divide = split.parent.name if split.parent.parent == described else None
        exhaustive = open_dataset(described, divide if divide in DIVIDES else None).exhaustive_truth
    data = DataSet(split.parent, split.parent, split.name, exhaustive_truth=exhaustive)
    photos: dict[str, _Found] = {}
    for item in data.items(split.name):
        mark = sha256(read_bytes(item.path, DataError)).hexdigest()
        found = photos.setdefault(mark, _Found(item.path))
        files = {kind: data.extra(split.name, kind, item) for kind in ("mask", "GT")}
        if not any(files.values()):
            _check_unread(data, split.name, item)
            if data.exhaustive_truth:
                continue  # the action does not occur
        found.counts[item.action] += 1
        for kind, paths in (("mask", found.masks), ("GT", found.truths)):
            if (path := files[kind]) is not None:
                paths.setdefault(item.action, []).append(path)
    return [each.labelled(data.exhaustive_truth) for each in photos.values()]


def _check_unread(data: DataSet, split: str, item: Item) -> None:
    for kind in ("mask", "GT"):
        if other := data.not_read(split, kind, item):
            raise DataError(f"{other} is in a format that is not read, or no plain file: save it as PNG")


def _mask(paths: list[Path], picture: Path, are_masks: bool) -> U8:
    """The part of a picture, of its size: masks, or where truth maps are above half of their maximum."""
    values = fitting(paths, picture)
    size = stored_as(picture).upright
    if not are_masks:
        values = (values > TRUTH_PEAK * float(values.max())).astype(np.uint8) * np.uint8(255)
    elif values.shape != size:
        raise DataError(
            f"mask {paths[0]} is {values.shape[1]} x {values.shape[0]} pixels, and its photo {picture} "
            f"{size[1]} x {size[0]}: is it this photo's? Then scale the mask to the photo's size"
        )
    return values if values.shape == size else resize(values, size)
