"""Photos with masks from a folder, in whichever of the known layouts they are."""

from __future__ import annotations

import posixpath
from collections import Counter
from pathlib import Path
from typing import Any

from selcon_ros.core.errors import SelconError
from selcon_ros.core.pictures.picture_folder import IMAGE_SUFFIXES
from selcon_training.adapt.coco import is_coco, read_coco
from selcon_training.adapt.cvat import read_cvat
from selcon_training.adapt.folders import read_folders, split_folder
from selcon_training.adapt.labelme import is_labelme, read_file, read_labelme
from selcon_training.adapt.picture_files import PictureFiles, walk
from selcon_training.adapt.shapes import Labelled
from selcon_training.errors import DataError

ACCEPTED_LAYOUTS = (
    "labelme's JSON beside each photo, one COCO JSON, a CVAT export ('CVAT for images 1.1' or COCO), or "
    "AGD20K's folders (egocentric/ACTION/OBJECT with mask/ or GT/)"
)


def read_photos(folder: Path, negatives: Path | None = None) -> tuple[str, list[Labelled]]:
    """The layout's name, and the photos below `folder` in it with what is drawn on them.

    Pictures below `nothing` may lie in the folder without a label. Raises DataError for a folder in none
    or several layouts, a photo without a label file, and one with two.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder: give the one with your photos and masks")
    split = split_folder(folder)
    if split is not None:
        return "AGD20K layout", read_folders(split)
    files = walk(folder)
    pictures = PictureFiles(folder, files)
    if not pictures.paths:
        raise DataError(f"{folder} holds no photo ({', '.join(IMAGE_SUFFIXES)})")
    found: dict[str, list[Labelled]] = {}
    for name in files:
        layout, photos = _read(folder, name, pictures)
        if photos:
            found.setdefault(layout, []).extend(photos)
    if not found:
        raise DataError(f"{folder} holds no masks: give {ACCEPTED_LAYOUTS}")
    if len(found) > 1:
        raise DataError(f"{folder} holds labels of {' and '.join(found)}: keep one of them")
    ((layout, photos),) = found.items()
    twice = [path for path, count in Counter(photo.path for photo in photos).items() if count > 1]
    if twice:
        raise DataError(f"{twice[0]} is labelled in two files of {folder}, or twice in one: keep one of them")
    _check_complete(folder, pictures, photos, negatives)
    return layout, photos


def _read(folder: Path, name: str, pictures: PictureFiles) -> tuple[str, list[Labelled]]:
    ending = posixpath.splitext(name)[1].lower()
    if ending == ".xml":
        return "CVAT", read_cvat(folder, name, pictures)
    if ending != ".json":
        return "", []
    try:
        record: dict[str, Any] = read_file(folder / name)
    except SelconError as error:
        raise DataError(f"{error}; move it away if it holds no labels") from None
    if is_labelme(record):
        return "labelme", [read_labelme(folder, name, record, pictures)]
    return ("COCO", read_coco(folder, name, record, pictures)) if is_coco(record) else ("", [])


def _check_complete(
    folder: Path, pictures: PictureFiles, photos: list[Labelled], negatives: Path | None
) -> None:
    known = {photo.path for photo in photos}
    apart = None if negatives is None else negatives.resolve()
    bare = [
        path
        for path in (folder / name for name in pictures.paths)
        if path not in known and (apart is None or apart not in path.resolve().parents)
    ]
    if bare:
        shown = ", ".join(path.relative_to(folder).as_posix() for path in bare[:5])
        more = f" and {len(bare) - 5} more" if len(bare) > 5 else ""
        raise DataError(
            f"{len(bare)} photos in {folder} have no masks ({shown}{more}): draw them, move the photos away, "
            "or, where nothing in them affords an action, into a folder of their own for --negatives"
        )
