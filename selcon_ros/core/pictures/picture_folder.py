"""Which files of a folder are pictures, by their names."""

import os
from pathlib import Path

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp")
"""Of pictures and of maps alike, in upper or lower case."""


def is_picture(name: str, suffixes: tuple[str, ...] = IMAGE_SUFFIXES) -> bool:
    """Whether a file is a picture by its name; a hidden one, such as `._x.jpg` of macOS, is none."""
    return not name.startswith(".") and name.lower().endswith(suffixes)


def pictures_below(folder: Path) -> list[Path]:
    """Return the pictures in a folder and below, but for hidden files and folders.

    They are sorted by the names of the folders, then of the files, in no locale's order.
    """
    found: list[Path] = []
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(parent, name) for name in names if is_picture(name)]
    return sorted(found)
