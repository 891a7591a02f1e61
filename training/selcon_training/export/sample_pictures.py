"""Which pictures go into a bundle as its samples: a few of the validation data, evenly spread."""

from __future__ import annotations

from pathlib import Path

from selcon_ros.core.samples import sample_files
from selcon_training.data.agd20k import in_test_splits
from selcon_training.data.listing import IMAGE_SUFFIXES
from selcon_training.data.ordering import spread
from selcon_training.errors import DataError

COUNT = 8


def samples_of(folder: Path) -> dict[str, bytes]:
    """Return COUNT pictures, evenly spread over those in `folder` and below, as files of a bundle by role.

    All of them where there are fewer. Raises DataError for a folder without pictures and for pictures of a
    test split, ImageError for a damaged one.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder: give one with pictures held out for validation")
    files = (path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
    found = sorted(path for path in files if not path.name.startswith("."))
    if not found:
        raise DataError(f"{folder} holds no pictures ({', '.join(IMAGE_SUFFIXES)}) to take samples of")
    for path in found:
        if tests := in_test_splits(path):
            raise DataError(
                f"{path} is of a test split ({tests[0]}), and samples help to decide which engine runs: "
                "give pictures held out for validation (valset/egocentric)"
            )
    return sample_files(spread(found, COUNT))
