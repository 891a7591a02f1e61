"""The pictures that a student learns from, each with its teacher's answer, and those held out."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from selcon_ros.core.errors import SelconError
from selcon_ros.core.files.plain_file import read_bytes
from selcon_ros.core.pictures.image_decoding import decode
from selcon_training.data.agd20k import in_test_splits
from selcon_training.data.images import PIXEL_LIMIT
from selcon_training.data.listing import MAX_FILES_SHOWN
from selcon_training.data.ordering import Stream, generator
from selcon_training.data.pictures import all_pictures
from selcon_training.distill.answers import Store, Teacher
from selcon_training.errors import DataError, DistillError

MIN_PICTURES = 16
"""Pictures that can be read; a student that is of use needs hundreds."""
MIN_HELD_OUT = 4


@dataclass(frozen=True)
class HashedPicture:
    """A picture, by the SHA-256 of its file."""

    path: Path
    key: str


@dataclass
class Survey:
    """What was found in the folder: pictures in the order of their keys, files that cannot be read with the
    reason, and how many files show the same as another."""

    photos: list[HashedPicture] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    copies: int = 0

    @property
    def fingerprint(self) -> str:
        """Of the pictures' content, wherever they lie."""
        return hashlib.sha256("".join(photo.key for photo in self.photos).encode()).hexdigest()

    def messages(self) -> list[str]:
        """Lines about what is left out."""
        lines = [f"left out: {each}" for each in self.unreadable[:MAX_FILES_SHOWN]]
        if len(self.unreadable) > MAX_FILES_SHOWN:
            lines.append(
                f"left out: {len(self.unreadable) - MAX_FILES_SHOWN} more pictures that cannot be read"
            )
        if self.copies:
            lines.append(f"{self.copies} files are copies of others and count once")
        return lines


def list_pictures(folder: Path) -> list[Path]:
    """The pictures in a folder and below. Raises DataError for none, for too few, and for those of a test
    split."""
    found = all_pictures(folder, "photos")
    for file in found:
        if tests := in_test_splits(file):
            raise DataError(f"{file} is of a test split ({tests[0]}), which training may not see")
    _require(len(found), folder)
    return found


def ask(teacher: Teacher, folder: Path, files: Sequence[Path], store: Store) -> Survey:
    """Ask the teacher about every picture that has no answer in the store yet.

    Raises DataError if too few pictures can be read, OSError where an answer cannot be written. Stopped at
    any moment, it goes on where it was.
    """
    survey = Survey()
    found: dict[str, HashedPicture] = {}
    for file in tqdm(files, desc="asking the teacher", unit="picture", dynamic_ncols=True):
        try:
            content = read_bytes(file, DataError)
            key = hashlib.sha256(content).hexdigest()
            if key in found:
                survey.copies += 1
                continue
            if store.get(key) is None:
                image: Any = decode(content, file, cv2.IMREAD_COLOR, DataError, None, PIXEL_LIMIT)
                store.put(key, teacher.answer(np.ascontiguousarray(image[:, :, ::-1], np.uint8)))
        except SelconError as error:
            survey.unreadable.append(str(error))
            continue
        found[key] = HashedPicture(file, key)
    survey.photos = [found[key] for key in sorted(found)]
    _require(len(survey.photos), folder, survey)
    return survey


def hold_out(
    photos: Sequence[HashedPicture], share: float, seed: int
) -> tuple[list[HashedPicture], list[HashedPicture]]:
    """Deal the pictures into those to learn from and those held out, at least MIN_HELD_OUT.

    Depends on content and seed alone.
    """
    order = generator(seed, Stream.HOLD_OUT).permutation(len(photos))
    count = min(max(MIN_HELD_OUT, round(share * len(photos))), len(photos) // 2)
    held = set(order[:count].tolist())
    return (
        [photo for place, photo in enumerate(photos) if place not in held],
        [photo for place, photo in enumerate(photos) if place in held],
    )


def require_answers(teacher: Teacher, store: Store, held: Sequence[HashedPicture]) -> None:
    """Raise DistillError if the teacher is sure of nothing in the pictures that are held out."""
    for photo in held:
        answer = store.get(photo.key)
        if answer is not None and answer.counts(teacher.fitted).any():
            return
    raise DistillError(
        f"the teacher {teacher.manifest.name} is sure of no action in any of the {len(held)} pictures held "
        "out: give pictures of what it knows"
    )


def _require(count: int, folder: Path, survey: Survey | None = None) -> None:
    if count >= MIN_PICTURES:
        return
    lost = "" if survey is None or not survey.unreadable else f" that can be read ({survey.unreadable[0]})"
    raise DataError(
        f"{folder} holds {count} pictures{lost}: give at least {MIN_PICTURES}; a student that is of use "
        "needs hundreds"
    )
