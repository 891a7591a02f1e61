"""The files of a data set in AGD20K's layout that are made of a photo's drawing.

`trainset/egocentric/ACTION/OBJECT/` has copies of the photo, mask/ and GT/ beside it the part and its truth
map; `negatives/OBJECT/` has the photos that show nothing for any action.
"""

from __future__ import annotations

import glob
import io
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from selcon_ros.core.files.atomic_write import sync_folder, write_file
from selcon_ros.core.files.plain_file import read_bytes
from selcon_ros.core.pictures.orientation import as_stored
from selcon_training.adapt.photo_set import truth_of
from selcon_training.adapt.shapes import Size
from selcon_training.data.images import U8
from selcon_training.errors import DataError

SPLIT, NEGATIVES = "trainset", "negatives"
KINDS = ("egocentric", "mask", "GT")
MAX_BLUR_SIDE = 1024
"""The longest side, in pixels, at which a truth map is blurred; it is then made as large as its photo."""
_ORIENTATION_TAG = 0x0112
"""EXIF's tag."""


def write_photo(
    root: Path, photo: Path, stem: str, thing: str, parts: Mapping[str, U8] | None, orientation: int
) -> None:
    """Write a photo's files into the data set `root`, and remove those of before that it has no more.

    `thing` is its object folder; `parts` the masks by action, of the upright photo, and None for a photo
    of nothing; `orientation` the photo's (EXIF). Masks are turned as the photo is stored, and say so as it
    does. Raises OSError, DataError.
    """
    suffix = photo.suffix.lower()
    wanted: set[Path] = set()
    copies = [root / SPLIT / "egocentric" / action / thing / f"{stem}{suffix}" for action in parts or {}]
    if parts is None:
        copies = [root / NEGATIVES / thing / f"{stem}{suffix}"]
    _copy(photo, copies)
    wanted.update(copies)
    for action, mask in (parts or {}).items():
        for kind, values in (("mask", mask), ("GT", _truth(mask))):
            path = root / SPLIT / kind / action / thing / f"{stem}.png"
            write_own(path, _png(as_stored(values, orientation), orientation))
            wanted.add(path)
    for path in _found(root, stem):
        if path not in wanted:
            path.unlink()
            with suppress(OSError):  # other photos are in it
                path.parent.rmdir()
                path.parent.parent.rmdir()


def write_own(path: Path, content: bytes) -> None:
    """Write a file of the data set; a link that has taken its place is replaced, and leads nowhere."""
    if path.is_symlink():
        path.unlink()
    write_file(path, content)


def _found(root: Path, stem: str) -> list[Path]:
    """The files of a photo that are in the data set."""
    pattern = glob.escape(stem) + ".*"
    places = [
        *((root / SPLIT / kind, f"*/*/{pattern}") for kind in KINDS),
        (root / NEGATIVES, f"*/{pattern}"),
    ]
    return [path for folder, names in places for path in folder.glob(names) if path.stem == stem]


def _copy(photo: Path, places: list[Path]) -> None:
    """Copy a photo once; the others are links to that copy, where the file system has them."""
    if not places:
        return
    first, content = places[0], read_bytes(photo, DataError)
    if not first.is_file() or first.stat().st_size != len(content):
        write_own(first, content)
    for place in places[1:]:
        if place.is_file() and place.stat().st_size == len(content):
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        try:
            os.link(first, place)
            sync_folder(place.parent)
        except OSError:
            write_own(place, content)


def _truth(mask: U8) -> U8:
    """A mask's truth map, as AGD20K's are."""
    scale = min(1.0, MAX_BLUR_SIDE / max(mask.shape))
    size: Size = max(1, round(mask.shape[0] * scale)), max(1, round(mask.shape[1] * scale))
    small = cv2.resize(mask, size[::-1], interpolation=cv2.INTER_AREA)
    # A part of few pixels may be too faint at that size: what it touches is then kept.
    shown = small > 127 if (small > 127).any() else small > 0
    large = cv2.resize(truth_of(shown), mask.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(large, np.uint8)


def _png(values: U8, orientation: int) -> bytes:
    stream = io.BytesIO()
    exif = Image.Exif()
    if orientation != 1:
        exif[_ORIENTATION_TAG] = orientation
    Image.fromarray(values).save(stream, "PNG", exif=exif.tobytes() if orientation != 1 else b"")
    return stream.getvalue()
