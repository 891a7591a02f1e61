"""The check set of real photographs: what is made of its list of pictures and of the polygons drawn on them.

`ROOT/pictures.json` lists every picture with its origin and licence; beside a picture of the testset lies
its labelme file, polygons labelled with actions. Made of them are links to the pictures in the AGD20K layout,
part masks, truth maps and LICENCES.md. Command line: python -m selcon_training.data.checkset ROOT
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Any

import click
import cv2
import numpy as np

from selcon_ros.core.files.atomic_write import write_file
from selcon_ros.core.files.json_file import read_object
from selcon_ros.core.files.plain_file import read_bytes
from selcon_training.data.agd20k import open_dataset
from selcon_training.data.images import U8, read_picture
from selcon_training.data.truth_maps import BLUR_WIDTH
from selcon_training.errors import DataError

SPLITS = ("testset", "nothingset")
LICENCES = {
    "public domain": "https://creativecommons.org/publicdomain/mark/1.0/",
    "CC0-1.0": "https://creativecommons.org/publicdomain/zero/1.0/",
    "CC-BY-4.0": "https://creativecommons.org/licenses/by/4.0/",
    "MIT": "https://opensource.org/license/mit",
}
"""What pictures may have, and where its text is."""
ARGUABLE_ACTIONS = ("hold",)
"""Not asked of the negative pictures: a ball can be held, though it has no handle."""
RASTER_FACTOR = 8
"""Polygons are filled on a raster so many times finer: OpenCV takes in the pixels of their border whole."""


@dataclass(frozen=True)
class CheckPhoto:
    """A picture's place, use, origin and licence, as in pictures.json. `changes`: to the package's file;
    empty if none."""

    path: str
    split: str
    object: str
    sha256: str
    title: str
    author: str
    licence: str
    link: str
    package: str
    source: str
    source_sha256: str
    changes: str

    @property
    def stem(self) -> str:
        """The picture's name without its suffix."""
        return PurePosixPath(self.path).stem


@dataclass(frozen=True)
class Made:
    """What belongs into a check set beside the pictures: links (to paths relative to themselves), maps and
    texts, by their paths from its root."""

    links: Mapping[str, str]
    maps: Mapping[str, U8]
    texts: Mapping[str, str]


def read_photos(root: Path) -> list[CheckPhoto]:
    """The pictures of ROOT/pictures.json, none of which differs from its hash. Raises DataError."""
    path = root / "pictures.json"
    listed = read_object(path, DataError)
    entries = listed.get("files")
    if listed.get("format") != 1 or not isinstance(entries, list) or not entries:
        raise DataError(f"{path} must hold format 1 and a list of files")
    photos = [_photo(path, entry) for entry in entries]
    stems = [photo.stem for photo in photos]
    if len(set(stems)) < len(stems):
        raise DataError(f"{path}: {max(stems, key=stems.count)} comes twice: give every picture its own name")
    for photo in photos:
        found = sha256(read_bytes(root / photo.path, DataError)).hexdigest()
        if found != photo.sha256:
            raise DataError(f"{root / photo.path} is not the picture of {path}: its sha256 is {found}")
    return photos


def read_actions(root: Path) -> tuple[str, ...]:
    """The actions of ROOT/dataset.json. Raises DataError."""
    actions = open_dataset(root).actions
    if actions is None:
        raise DataError(f"{root / 'dataset.json'} must hold the list of actions")
    return actions


def read_polygons(
    root: Path, photo: CheckPhoto, actions: Sequence[str]
) -> dict[str, list[list[list[float]]]]:
    """The polygons [x, y] of each action in the labelme file beside a picture. Raises DataError."""
    picture = root / photo.path
    path = picture.with_suffix(".json")
    drawn = read_object(path, DataError)
    height, width = read_picture(picture).shape[:2]
    size = drawn.get("imageWidth"), drawn.get("imageHeight")
    if size != (width, height) or drawn.get("imagePath") != picture.name:
        raise DataError(
            f"{path} is drawn on {drawn.get('imagePath')!r} of {size[0]} x {size[1]} pixels, but "
            f"{picture.name} has {width} x {height}: draw it anew on this picture"
        )
    shapes = drawn.get("shapes")
    if not isinstance(shapes, list) or not shapes:
        raise DataError(f"{path} has no shapes: draw the parts as polygons, labelled with their actions")
    polygons: dict[str, list[list[list[float]]]] = {}
    for number, shape in enumerate(shapes, 1):
        label, points = _polygon(f"{path}: shape {number}", shape, actions, width, height)
        polygons.setdefault(label, []).append(points)
    return polygons


def part_mask(polygons: list[list[list[float]]], height: int, width: int) -> U8:
    """The union of polygons as a mask H x W uint8: 255 where half of a pixel or more is inside, else 0.

    A hole is cut by a polygon that runs into it and back along the same line (even-odd rule).
    """
    mask = np.zeros((height, width), bool)
    for points in polygons:
        fine = np.zeros((RASTER_FACTOR * height, RASTER_FACTOR * width), np.uint8)
        # labelme's coordinates are those of borders between pixels, OpenCV's those of their middles.
        cv2.fillPoly(fine, [np.rint(RASTER_FACTOR * np.asarray(points) - 0.5).astype(np.int32)], 255)
        mask |= cv2.resize(fine, (width, height), interpolation=cv2.INTER_AREA) > 127
    return np.where(mask, 255, 0).astype(np.uint8)


def truth_map(mask: U8) -> U8:
    """The mask blurred, scaled to 0..255."""
    blurred = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), BLUR_WIDTH * mask.shape[1])
    return np.asarray(np.rint(255 * blurred / max(float(blurred.max()), 1e-6)), dtype=np.uint8)


def make(root: Path) -> Made:
    """Make, in memory, everything that follows from the list and the polygons. Raises DataError."""
    links: dict[str, str] = {}
    maps: dict[str, U8] = {}
    photos, actions = read_photos(root), read_actions(root)
    for photo in photos:
        asked: list[str] = [action for action in actions if action not in ARGUABLE_ACTIONS]
        if photo.split == "testset":
            polygons = read_polygons(root, photo, actions)
            asked = sorted(polygons)
            height, width = read_picture(root / photo.path).shape[:2]
            for action, drawn in polygons.items():
                mask = part_mask(drawn, height, width)
                name = f"{action}/{photo.object}/{photo.stem}.png"
                maps[f"{photo.split}/mask/{name}"] = mask
                maps[f"{photo.split}/GT/{name}"] = truth_map(mask)
        for action in asked:
            place = f"{photo.split}/egocentric/{action}/{photo.object}/{PurePosixPath(photo.path).name}"
            links[place] = f"../../../../{photo.path}"
    return Made(links, maps, {"LICENCES.md": licences(photos)})


def licences(photos: list[CheckPhoto]) -> str:
    """LICENCES.md: a table of all pictures, for readers and for the licences that ask for it."""
    rows = "".join(
        f"| {photo.path} | [{_cell(photo.title)}](<{photo.link}>) | {_cell(photo.author)} "
        f"| [{photo.licence}]({LICENCES[photo.licence]}) | {_cell(photo.package)}, {_cell(photo.source)} "
        f"| {photo.changes or 'none'} |\n"
        for photo in photos
    )
    return _HEAD + rows + _FOOT


def build(root: Path) -> Made:
    """Write what `make` gives; maps and links that nothing asks for any more are removed."""
    made = make(root)
    wanted = {*made.links, *made.maps}
    for path in found(root) - wanted:
        (root / path).unlink()
    for path, target in made.links.items():
        link = root / path
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        os.symlink(target, link)
    for path, values in made.maps.items():
        done, content = cv2.imencode(".png", values, [cv2.IMWRITE_PNG_COMPRESSION, 9])
        if not done:
            raise DataError(f"{root / path}: PNG encoding of a {values.shape} map failed")
        write_file(root / path, content.tobytes())
    for path, text in made.texts.items():
        write_file(root / path, text.encode())
    return made


def found(root: Path) -> set[str]:
    """The files and links in the folders of the splits, by their paths from ROOT."""
    return {
        path.relative_to(root).as_posix()
        for split in SPLITS
        for path in (root / split).rglob("*")
        if path.is_symlink() or path.is_file()
    }


def _photo(path: Path, entry: object) -> CheckPhoto:
    names = [field.name for field in fields(CheckPhoto)]
    if not isinstance(entry, dict) or sorted(entry) != sorted(names):
        raise DataError(f"{path}: every file must have {', '.join(names)}; found {entry!r:.200}")
    for name, value in entry.items():
        if not isinstance(value, str) or (not value and name != "changes"):
            raise DataError(f"{path}: {entry['path']} must have text for {name}, found {value!r}")
    photo = CheckPhoto(**entry)
    if photo.split not in SPLITS:
        raise DataError(f"{path}: {photo.path} has split {photo.split!r}: give one of {', '.join(SPLITS)}")
    if photo.licence not in LICENCES:
        raise DataError(
            f"{path}: {photo.path} has licence {photo.licence!r}: give one of {', '.join(LICENCES)}"
        )
    parts = PurePosixPath(photo.path).parts
    if len(parts) != 2 or parts[0] != "pictures" or "/" in photo.object or photo.object.startswith("."):
        raise DataError(
            f"{path}: {photo.path} must lie in pictures/, and {photo.object!r} be a folder's name"
        )
    return photo


def _polygon(
    where: str, shape: object, actions: Sequence[str], width: int, height: int
) -> tuple[str, list[list[float]]]:
    """The label and points of a labelme shape. Raises DataError."""
    if not isinstance(shape, dict) or shape.get("shape_type") != "polygon":
        kind = shape.get("shape_type") if isinstance(shape, dict) else shape
        raise DataError(f"{where} is of type {kind!r}: draw a polygon")
    label, points = shape.get("label"), shape.get("points")
    if not isinstance(label, str) or label not in actions:
        raise DataError(f"{where} is labelled {label!r}: give one of {', '.join(actions)}")
    if not isinstance(points, list) or len(points) < 3 or not all(map(_is_point, points)):
        raise DataError(f"{where} ({label}) must have three points [x, y] or more")
    low, high = np.min(points, axis=0), np.max(points, axis=0)
    if (low < 0).any() or (high > (width, height)).any():
        raise DataError(
            f"{where} ({label}) has points outside the picture of {width} x {height} pixels, from "
            f"({low[0]:g}, {low[1]:g}) to ({high[0]:g}, {high[1]:g})"
        )
    return label, points


def _is_point(point: object) -> bool:
    return isinstance(point, list) and len(point) == 2 and all(type(value) in (int, float) for value in point)


def _cell(text: str) -> str:
    """Text as it can stand in a cell of a Markdown table."""
    for sign in "\\|[]_*<>":
        text = text.replace(sign, f"\\{sign}")
    return text


_HEAD = """# Licences of the check set's pictures

Made by `python -m selcon_training.data.checkset` from `pictures.json`; do not edit. The polygons, part
masks and truth maps are part of selcon_ros (Apache-2.0). Names and marks on things that are shown belong to
their owners. Authors, licences and links of gcompris-qt's pictures are those of the README beside them in the
package; the others' are those of the package's copyright file or documentation.

| file | title | author | licence | from | changes |
|---|---|---|---|---|---|
"""

_FOOT = """
The licence of pictures/mug.jpg asks for its text: [LICENCE-kivy.txt](LICENCE-kivy.txt).
"""


@click.command()
@click.argument("root", type=click.Path(path_type=Path, file_okay=False, exists=True))
def command(root: Path) -> None:
    """Make the masks, truth maps, links and licence table of the check set in folder ROOT.

    \b
    Example:
      python -m selcon_training.data.checkset training/checkset
    """
    try:
        made: Any = build(root)
    except DataError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{len(made.maps) // 2} masks with truth maps, {len(made.links)} links")


if __name__ == "__main__":
    command()
