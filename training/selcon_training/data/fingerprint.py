"""Which files a run learns from: one hash, the same for a copy of the data on another machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from selcon_training.data.layout import DataSet
from selcon_training.data.listing import find_items
from selcon_training.errors import DataError

TRUTH_KINDS = ("GT", "mask")
"""What training and validation read beside the images."""


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
    sizes = sorted((data.relative(path), path.stat().st_size) for path in files)
    described = {
        "files": sizes,
        "skip": sorted(data.skip),
        "actions": data.actions,
        "exhaustive_truth": data.exhaustive_truth,
    }
    return hashlib.sha256(json.dumps(described).encode()).hexdigest()
