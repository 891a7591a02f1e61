"""The pictures of a folder, and which of them a label file means: none outside of it."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Mapping
from pathlib import Path

from selcon_ros.core.pictures.picture_folder import IMAGE_SUFFIXES
from selcon_ros.core.text import quoted
from selcon_training.adapt.shapes import Size
from selcon_training.data.pairs import stored_as
from selcon_training.errors import DataError

MAX_FILES = 20_000


def walk(folder: Path) -> list[str]:
    """The visible files of a folder and below, as paths from it with forward slashes, sorted bytewise."""
    found: list[str] = []
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        relative = Path(parent).relative_to(folder).as_posix()
        found += [posixpath.normpath(f"{relative}/{name}") for name in names if not name.startswith(".")]
        if len(found) > MAX_FILES:
            raise DataError(f"{folder} holds more than {MAX_FILES} files: give the folder of the photos")
    return sorted(found, key=os.fsencode)


class PictureFiles:
    """The pictures of a folder by their paths from it."""

    def __init__(self, folder: Path, files: list[str]) -> None:
        self.folder = folder
        self.paths = [path for path in files if path.lower().endswith(IMAGE_SUFFIXES)]
        self._known = set(self.paths)

    def find(self, name: object, beside: str, where: str) -> Path:
        """The picture that a label file in the subfolder `beside` calls `name`.

        It lies there from that subfolder or from the folder, or a single picture's path ends so. Raises
        DataError for a name that leads out of the folder, and for none or several such pictures.
        """
        text = name.replace("\\", "/") if isinstance(name, str) else ""
        near = posixpath.normpath(posixpath.join(beside, text))
        if not text or text.startswith("/") or text[1:2] == ":" or near == ".." or near.startswith("../"):
            raise DataError(
                f"{where} names the picture {quoted(name, 120)}: give a path inside {self.folder}"
            )
        plain = posixpath.normpath(text)
        for exact in (near, plain):
            if exact in self._known:
                return self.folder / exact
        ending = [path for path in self.paths if path.endswith(f"/{plain}")]
        if len(ending) == 1:
            return self.folder / ending[0]
        fault = f"{len(ending)} pictures are called so" if ending else "there is no such picture"
        raise DataError(f"{where} names the picture {quoted(name, 120)}, and in {self.folder} {fault}")


def size_of(path: Path, stated_size: tuple[object, object], where: str) -> Size:
    """A picture's (height, width) as it is read, which must be what the label file says (or None).

    Raises DataError.
    """
    size = stored_as(path).upright
    if any(value is not None for value in stated_size) and stated_size != size:
        raise DataError(
            f"{where} is drawn on {stated_size[1]} x {stated_size[0]} pixels, but {path.name} has "
            f"{size[1]} x {size[0]}: "
            "draw it on this picture, stored upright"
        )
    return size


def entry(record: object, key: str, kind: type | tuple[type, ...], where: str) -> object:
    """A value of a JSON object. Raises DataError naming the place if it is not of that type."""
    value = record.get(key) if isinstance(record, Mapping) else None
    if not isinstance(value, kind) or isinstance(value, bool):
        raise DataError(f"{where}: {key} is {quoted(value, 80)}: export the labels again")
    return value
