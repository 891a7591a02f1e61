"""Real pictures that training mixes in: which files of a folder they are, and a pool of them in memory."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from tqdm import tqdm

from selcon_ros.core.errors import SelconError
from selcon_ros.core.files.json_file import read_object
from selcon_ros.core.files.plain_file import read_bytes
from selcon_ros.core.pictures.image_decoding import decode
from selcon_ros.core.pictures.picture_folder import IMAGE_SUFFIXES, pictures_below
from selcon_ros.core.text import quoted
from selcon_training.data.agd20k import in_test_splits
from selcon_training.data.images import PIXEL_LIMIT, U8
from selcon_training.data.listing import MAX_FILES_SHOWN
from selcon_training.data.transforms import Size, decode_size
from selcon_training.errors import DataError

Use = Literal["background", "negative", "calibration", "texture"]
MEDIA_FILE = "media.json"
"""In a folder that `selcon tabletop media` has made: what its files are, and what they may be used for."""
MAX_CACHED_BYTES = 1 << 30
"""Bytes of pictures that a pool keeps in memory; those beyond are decoded whenever they are drawn."""


@dataclass(frozen=True)
class PictureFile:
    """A picture, and the SHA-256 that its content must have, if that is known."""

    path: Path
    sha256: str | None = None


def find_pictures(folder: Path, use: Use, key: str) -> list[PictureFile]:
    """The pictures of a folder for this use, in bytewise order of their paths.

    With media.json those that it lists for the use; else every picture in the folder and below. `key` is
    what the folder is called in messages. Raises DataError for a folder that is missing, has none, or lists
    what it does not have or what lies outside, and for pictures of a test split.
    """
    if not folder.is_dir():
        raise DataError(f"{key} = {folder} is not a folder: give one with pictures")
    if os.path.lexists(folder / MEDIA_FILE):
        found = _listed(folder, use, key)
    else:
        found = [PictureFile(path) for path in all_pictures(folder, key)]
    for file in found:
        if tests := in_test_splits(file.path):
            raise DataError(f"{key}: {file.path} is of a test split ({tests[0]}), which training may not see")
    return sorted(found, key=lambda file: os.fsencode(file.path))


def all_pictures(folder: Path, key: str) -> list[Path]:
    """`pictures_below` a folder. Raises DataError for none."""
    found = pictures_below(folder)
    if not found:
        raise DataError(
            f"{key} = {folder} holds no picture ({', '.join(IMAGE_SUFFIXES)}): give a folder with some, or "
            "leave the key out"
        )
    return found


def _listed(folder: Path, use: Use, key: str) -> list[PictureFile]:
    path, root = folder / MEDIA_FILE, folder.resolve()
    files = read_object(path, DataError).get("files")
    if not isinstance(files, list):
        raise DataError(f'{path} must hold {{"files": [...]}}, as `selcon tabletop media` writes it')
    found: list[PictureFile] = []
    uses: set[str] = set()
    for number, entry in enumerate(files):
        if not isinstance(entry, dict) or not isinstance(entry.get("path"), str):
            raise DataError(f"{path}: files[{number}] has no path")
        named = entry.get("use", [])
        if not isinstance(named, list) or entry.get("kind") not in ("picture", "texture"):
            continue
        uses.update(str(each) for each in named)
        if use not in named:
            continue
        file = folder / entry["path"]
        if not file.resolve().is_relative_to(root):
            raise DataError(f"{path}: {quoted(entry['path'])} leads out of the folder")
        if not file.is_file():
            raise DataError(
                f"{path} lists {quoted(entry['path'])}, which is not there: collect the folder again"
            )
        sha256 = entry.get("sha256")
        found.append(PictureFile(file, sha256 if isinstance(sha256, str) else None))
    if not found:
        others = f"only for {', '.join(sorted(uses))}" if uses else "none at all"
        raise DataError(
            f"{key} = {folder}: {path.name} lists no picture for the use {use}, {others}: collect some with "
            "`selcon tabletop media`, or leave the key out"
        )
    return found


class PicturePool:
    """Pictures decoded once and kept as uint8 RGB, each shrunk so that it just covers `size` (h, w).

    At most MAX_CACHED_BYTES are kept, of the first ones; the others are decoded when they are asked for.
    Every file is decoded at the start: raises DataError naming those that cannot be read or are not what
    their SHA-256 says.
    """

    def __init__(self, files: Sequence[PictureFile], size: Size, key: str, threads: int = 1) -> None:
        self._files, self._size = list(files), size
        room = max(1, MAX_CACHED_BYTES // (2 * 3 * size[0] * size[1]))
        self._kept: list[U8] = []

        def load(number: int) -> U8 | str | None:
            try:
                picture = _load(self._files[number], size)
            except SelconError as error:
                return str(error)
            return picture if number < room else None

        faults = []
        with ThreadPoolExecutor(threads) as pool:
            loaded = pool.map(load, range(len(self._files)))
            for found in tqdm(loaded, total=len(files), desc=key, unit="picture", leave=False, disable=None):
                if isinstance(found, str):
                    faults.append(found)
                elif found is not None:
                    self._kept.append(found)
        if faults:
            more = f"; and {len(faults) - MAX_FILES_SHOWN} more" if len(faults) > MAX_FILES_SHOWN else ""
            raise DataError(
                f"{key}: {len(faults)} of {len(files)} pictures cannot be used: "
                f"{'; '.join(faults[:MAX_FILES_SHOWN])}{more}"
            )

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, number: int) -> U8:
        return self._kept[number] if number < len(self._kept) else _load(self._files[number], self._size)

    def draw(self, rng: np.random.Generator) -> U8:
        """Any of the pictures, h x w x 3 uint8 RGB."""
        return self[int(rng.integers(len(self)))]


def _load(file: PictureFile, size: Size) -> U8:
    content = read_bytes(file.path, DataError)
    if file.sha256 is not None and hashlib.sha256(content).hexdigest() != file.sha256:
        raise DataError(f"{file.path} is not the file that {MEDIA_FILE} lists: its SHA-256 differs")
    image: Any = decode(content, file.path, cv2.IMREAD_COLOR, DataError, decode_size(size), PIXEL_LIMIT)
    height, width = image.shape[:2]
    # A panorama covers the size with few of its pixels: no side becomes more than twice as long.
    scale = min(1.0, max(size[0] / height, size[1] / width), 2 * size[0] / height, 2 * size[1] / width)
    if scale < 1.0:
        shape = (max(1, math.ceil(width * scale)), max(1, math.ceil(height * scale)))
        image = cv2.resize(image, shape, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(image[:, :, ::-1], np.uint8)


def pool_of(folders: Sequence[Path], use: Use, key: str, size: Size, threads: int = 1) -> PicturePool:
    """`find_pictures` of all folders in a `PicturePool`, each file once. Raises DataError."""
    files: dict[str, PictureFile] = {}
    for folder in folders:
        for file in find_pictures(folder, use, key):
            place = os.path.realpath(file.path)
            if place not in files or files[place].sha256 is None:
                files[place] = file
    return PicturePool(list(files.values()), size, key, threads)
