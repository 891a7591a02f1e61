"""The files that `selcon ground` reads and writes, of one picture or of many."""

from __future__ import annotations

import glob
import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import cv2
import numpy as np

from selcon_ros.core.errors import SelconError
from selcon_ros.core.files.atomic_write import write_file
from selcon_ros.core.files.user_path import user_path
from selcon_ros.core.grounding.heatmap import Heatmap
from selcon_ros.core.pictures.picture_folder import IMAGE_SUFFIXES, is_picture

PICTURE_SUFFIXES = (*IMAGE_SUFFIXES, ".gif", ".pgm", ".ppm", ".pnm")
"""Endings of the files of a folder that are taken for pictures."""
DEPTH_SUFFIXES = (".png", ".tif", ".tiff", ".npy")
"""Endings of depth images."""


@dataclass(frozen=True)
class InputPicture:
    """A picture, and the name without ending that what is made of it has."""

    path: Path
    name: str


def pictures(given: Sequence[str]) -> list[InputPicture]:
    """Return the pictures of files, folders (not those within) and patterns, each once, in their order.

    Raises UsageError for what is none, and for an empty folder.
    """
    found: dict[Path, None] = {}
    for each in given:
        if not each:
            raise click.UsageError("a picture's name is empty: is a variable of the shell not set?")
        found.update(dict.fromkeys(_of_one(each)))
    # In different folders pictures have one name.
    stems = Counter(path.stem for path in found)
    names = {path.stem for path in found if stems[path.stem] == 1}
    listed = []
    for path in found:
        name = path.stem
        if stems[name] > 1:
            whole = "_".join(path.parts[-2:]).replace(".", "_")
            numbered = (f"{whole}_{number}" for number in itertools.count(2))
            name = next(each for each in itertools.chain([whole], numbered) if each not in names)
            names.add(name)
        listed.append(InputPicture(path, name))
    return listed


def several_pictures(given: Sequence[str]) -> bool:
    """Whether more than one picture may be meant: the answer is then a line each, and the output folders."""
    path = user_path(given[0], SelconError)
    return len(given) > 1 or path.is_dir() or (not path.exists() and glob.has_magic(given[0]))


def depth_of(picture: InputPicture, depth: Path) -> Path:
    """Return the depth image of a picture: `depth`, or the file of the picture's name in that folder."""
    if not depth.is_dir():
        return depth
    there = [depth / f"{picture.path.stem}{ending}" for ending in DEPTH_SUFFIXES]
    return next((file for file in there if file.exists()), there[0])


def write_heatmap(path: Path, heatmap: Heatmap) -> None:
    """Write a heatmap by the ending: .npy float32 in 0..1, or .png 16 bit grey, 65535 for 1."""
    if path.suffix == ".npy":
        import io

        stream = io.BytesIO()
        np.save(stream, heatmap.values, allow_pickle=False)
        write_file(path, stream.getvalue())
        return
    _, data = cv2.imencode(".png", np.rint(heatmap.values * 65535).astype(np.uint16))
    write_file(path, data.tobytes())


def _of_one(given: str) -> list[Path]:
    path = user_path(given, SelconError)
    if path.is_dir():
        inside = sorted(each for each in path.iterdir() if is_picture(each.name, PICTURE_SUFFIXES))
        if not inside:
            raise click.UsageError(f"{path} has no picture: files that end in {', '.join(PICTURE_SUFFIXES)}")
        return inside
    if path.exists() or not glob.has_magic(given):
        return [path]
    matching = [Path(name) for name in sorted(glob.glob(str(path), recursive=True))]
    matching = [each for each in matching if each.is_file()]
    if not matching:
        raise click.UsageError(f"no file matches {given}")
    return matching
