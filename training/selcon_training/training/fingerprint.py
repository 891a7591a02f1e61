"""Which files a run learns from: one hash, the same for a copy of the data on another machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from selcon_training.config.sections import DataConfig
from selcon_training.data.agd20k import DataSet, open_dataset
from selcon_training.data.listing import find_items
from selcon_training.data.pictures import Use, find_pictures
from selcon_training.errors import DataError

TRUTH_KINDS = ("GT", "mask")
"""What training and validation read beside the images."""
LABEL_KINDS = ("egocentric_parts", "egocentric_objects")


def fingerprint(data: DataSet, splits: Sequence[str]) -> str:
    """The SHA-256, in hex, of what these splits hold: names and sizes of images, truth maps and masks, the
    skip list, and the class list of the data set.

    Names are relative to the root and times are left out, so a copy has the same fingerprint. A class list in
    the configuration is no part of it. Splits that do not exist add nothing. Raises DataError if none does.
    """
    files = []
    for split in sorted(set(splits)):
        for view in ("egocentric", "exocentric"):
            if data.has(split, view):
                files += [item.path for item in data.listed(split, view)]
        for kind in TRUTH_KINDS:
            if data.has(split, kind):
                files += [item.path for item in find_items(data.base / split / kind)]
    if not files:
        raise DataError(f"{data.base} has none of the splits {', '.join(splits)}: nothing to fingerprint")
    described = {
        "files": _sizes(data.root, files),
        "skip": sorted(data.skip),
        "actions": data.actions,
        "exhaustive_truth": data.exhaustive_truth,
    }
    return _hash(described)


def beside(chosen: DataConfig, labels: DataSet | None) -> dict[str, str]:
    """A hash for everything else that a configuration's data section makes training read: real pictures by
    the keys that name their folders, further data sets, and the label maps of `labels` (None: not read).

    Made of names and sizes, as `fingerprint`; a key is left out where nothing is read. Raises DataError.
    """
    found = {}
    uses: tuple[Use, ...] = ("background", "texture", "negative")
    for use in uses:
        if (folders := getattr(chosen, f"{use}s")) is not None:
            listed = [(folder, find_pictures(folder, use, f"data.{use}s")) for folder in folders]
            sizes = [_sizes(folder, [file.path for file in files]) for folder, files in listed]
            # One folder has the hash that it had when there could not be several.
            found[f"data.{use}s"] = _hash(sizes[0] if len(sizes) == 1 else sizes)
    if chosen.mix:
        others = [(open_dataset(mix.root, mix.divide, mix.skip), mix.splits) for mix in chosen.mix]
        found["data.mix"] = _hash([[fingerprint(*other), _label_maps(*other)] for other in others])
    if labels is not None:
        found["label maps"] = _hash(_label_maps(labels, chosen.dense_splits))
    return found


def _label_maps(data: DataSet, splits: Sequence[str]) -> list[tuple[str, int]]:
    places = [(split, kind) for split in splits for kind in LABEL_KINDS if data.has(split, kind)]
    items = [item for split, kind in places for item in find_items(data.base / split / kind)]
    return _sizes(data.root, [item.path for item in items])


def _sizes(root: Path, files: Iterable[Path]) -> list[tuple[str, int]]:
    return sorted((path.relative_to(root).as_posix(), path.stat().st_size) for path in files)


def _hash(described: object) -> str:
    return hashlib.sha256(json.dumps(described).encode()).hexdigest()
