"""The files of a data set's folders: which are images by their names, which are in a format that is not read,
and which are no plain files and stay unopened."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from selcon_ros.core.pictures.picture_folder import IMAGE_SUFFIXES
from selcon_training.errors import DataError

NOTE_SUFFIXES = (".txt", ".md", ".json", ".xml", ".csv", ".yaml", ".yml", ".html", ".log")
"""Of files that people keep beside images, and that are no images."""
SYSTEM_FILES = ("Thumbs.db", "desktop.ini")
MAX_FILES_SHOWN = 5
"""Files that a message names; of more, it says how many there are."""


@dataclass(frozen=True)
class Item:
    """One image file of a split: its action and object folder, its stem and its path."""

    action: str
    object: str
    stem: str
    path: Path

    @property
    def name(self) -> str:
        """`action/object/stem`, as printed in messages and tables."""
        return f"{self.action}/{self.object}/{self.stem}"


@dataclass
class SortedFiles:
    """Files in the bytewise order of their names, which no file system and no locale changes."""

    images: list[Path] = field(default_factory=list)
    unread: list[Path] = field(default_factory=list)
    """In another format: neither empty, nor notes, nor files of a system."""
    special: list[Path] = field(default_factory=list)
    """No plain files: pipes, devices, sockets, links that lead nowhere. Nobody may open them."""


def files_in(folder: Path) -> SortedFiles:
    """Sort the visible files of one folder. Raises DataError for a folder that cannot be listed."""
    files = SortedFiles()
    for entry in _entries(folder):
        path = Path(entry.path)
        if entry.name in SYSTEM_FILES or _is_folder(entry):
            continue
        if not _is_plain_file(entry):
            files.special.append(path)
        elif path.suffix.lower() in IMAGE_SUFFIXES:
            files.images.append(path)
        elif path.suffix.lower() not in NOTE_SUFFIXES and path.stat().st_size:
            files.unread.append(path)
    return files


def by_stem(folder: Path) -> dict[str, SortedFiles]:
    """`files_in`, those of one stem together. Raises DataError for a folder that cannot be listed."""
    files, found = files_in(folder), defaultdict[str, SortedFiles](SortedFiles)
    for path in files.images:
        found[path.stem].images.append(path)
    for path in files.unread:
        found[path.stem].unread.append(path)
    for path in files.special:
        found[path.stem].special.append(path)
    return dict(found)


def survey(folder: Path) -> tuple[list[Item], SortedFiles]:
    """The images in `folder/<action>/<object>/` as items, and all files there (`special` also of the
    folders above them). Raises DataError for a folder that cannot be listed."""
    items: list[Item] = []
    files = SortedFiles(special=files_in(folder).special)
    for action in folders_in(folder):
        files.special += files_in(action).special
        for thing in folders_in(action):
            own = files_in(thing)
            items += [Item(action.name, thing.name, path.stem, path) for path in own.images]
            files.images += own.images
            files.unread += own.unread
            files.special += own.special
    return items, files


def find_items(folder: Path) -> list[Item]:
    """The images in `folder/<action>/<object>/`, sorted bytewise by action, object and file name."""
    return survey(folder)[0]


def folders_in(folder: Path) -> list[Path]:
    """The visible folders in a folder, sorted bytewise by name. Raises DataError if it cannot be listed."""
    return [Path(entry.path) for entry in _entries(folder) if _is_folder(entry)]


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """What a folder holds, sorted bytewise by name, but names that begin with a dot (`.DS_Store`,
    `._x.jpg`). An entry knows what it is without a further look at the disk."""
    try:
        with os.scandir(folder) as entries:
            found = [entry for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        raise DataError(f"cannot list {folder}: {error.strerror}") from None
    return sorted(found, key=lambda entry: os.fsencode(entry.name))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    return os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir(follow_symlinks=False)


def _is_plain_file(entry: os.DirEntry[str]) -> bool:
    return os.path.isfile(entry.path) if entry.is_symlink() else entry.is_file(follow_symlinks=False)


def suffix_counts(paths: Sequence[Path]) -> str:
    """`120 .heic, 3 .npy`: at most five suffixes, the most frequent first."""
    counts = Counter(path.suffix.lower() or "without a suffix" for path in paths).most_common()
    more = [f"{sum(count for _, count in counts[5:])} others"] if len(counts) > 5 else []
    return ", ".join([f"{count} {suffix}" for suffix, count in counts[:5]] + more)
