"""Labels in COCO's JSON: polygons, and masks as run lengths (cocodataset.org, "Data format")."""

from __future__ import annotations

import posixpath
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from selcon_ros.core.text import quoted
from selcon_training.adapt.picture_files import PictureFiles, entry, size_of
from selcon_training.adapt.shapes import Bitmap, Labelled, Shape, Size, polygon, runs
from selcon_training.data.images import U8
from selcon_training.errors import DataError

_FIRST_CODE = 48
"""The first of the signs that compressed run lengths are written with."""


def is_coco(record: object) -> bool:
    """Whether a JSON object is a COCO file's."""
    return isinstance(record, dict) and {"images", "annotations", "categories"} <= record.keys()


def read_coco(folder: Path, name: str, record: dict[str, Any], pictures: PictureFiles) -> list[Labelled]:
    """The photos of the COCO file `name` (a path from `folder`).

    An entry that is listed twice counts once, and what an exporter of videos marks as outside of its picture
    (datumaro: the attribute `outside`) not at all. Raises DataError, also for a number of two labels or
    photos.
    """
    where = str(folder / name)
    labels = _labels(record, where)
    drawn: dict[object, dict[str, list[Shape]]] = {}
    found: dict[object, tuple[Path, Size]] = {}
    for each in _listed(record, "images", where):
        number = entry(each, "id", int, f"{where}: images")
        path = pictures.find(each.get("file_name"), posixpath.dirname(name), f"{where}: image {number}")
        stated_size = (each.get("height"), each.get("width"))
        size = size_of(path, stated_size, f"{where}: image {number}")
        first, _ = found.setdefault(number, (path, size))
        if first != path:
            names = (quoted(photo.relative_to(pictures.folder).as_posix(), 120) for photo in (first, path))
            raise DataError(
                f"{where}: image {number} is {' and '.join(names)}: "
                "export it again with a number of its own for every photo"
            )
        drawn[number] = {}
    for each in _listed(record, "annotations", where):
        place = f"{where}: annotation {each.get('id')}"
        image, category = entry(each, "image_id", int, place), entry(each, "category_id", int, place)
        if image not in found or category not in labels:
            raise DataError(f"{place}: image {image} or category {category} is not listed: export it again")
        if _is_outside(each.get("attributes")):
            continue
        shapes = drawn[image].setdefault(labels[category], [])
        shapes += _shapes(each.get("segmentation"), found[image][1], place)
    return [Labelled(path, drawn[number]) for number, (path, _) in found.items()]


def _is_outside(attributes: object) -> bool:
    return isinstance(attributes, dict) and attributes.get("outside") is True


def _labels(record: dict[str, Any], where: str) -> dict[object, str]:
    """The names of the categories by their numbers. Raises DataError for a number with two names."""
    labels: dict[object, str] = {}
    for each in _listed(record, "categories", where):
        number = entry(each, "id", int, f"{where}: categories")
        label = str(entry(each, "name", str, f"{where}: categories"))
        first = labels.setdefault(number, label)
        if first != label:
            raise DataError(
                f"{where}: category {number} is {quoted(first)} and {quoted(label)}: "
                "export it again with a number of its own for every label (labelme2coco needs all labels in "
                "coco_category_list; labelme's own files are read without it)"
            )
    return labels


def _listed(record: dict[str, Any], key: str, where: str) -> list[dict[str, Any]]:
    listed = entry(record, key, list, where)
    assert isinstance(listed, list)
    if not all(isinstance(each, dict) for each in listed):
        raise DataError(f"{where}: {key} must be a list of objects: export the labels again")
    return listed


def _shapes(segmentation: object, size: Size, where: str) -> list[Shape]:
    if isinstance(segmentation, list) and segmentation:
        return [polygon(_pairs(each, where), size, where) for each in segmentation]
    if isinstance(segmentation, dict):
        return [Bitmap(partial(_decoded, segmentation, size, where), where)]
    raise DataError(f"{where} has a box alone: draw a polygon or mask around the part, not a box")


def _pairs(values: object, where: str) -> object:
    if not isinstance(values, list) or len(values) % 2:
        raise DataError(f"{where}: a polygon must be a list x, y, x, y ...: export it again")
    return [values[place : place + 2] for place in range(0, len(values), 2)]


def _decoded(rle: dict[str, Any], size: Size, where: str) -> U8:
    """The mask of run lengths, which go down the columns."""
    if rle.get("size") != list(size):
        raise DataError(f"{where}: its mask is of size {rle.get('size')}, not {list(size)}: export it again")
    counts = rle.get("counts")
    if isinstance(counts, str):
        from pycocotools import mask as coco_mask

        _check_runs(counts, size, where)
        decoded = np.asarray(coco_mask.decode({"size": list(size), "counts": counts.encode()}))
        mask: U8 = decoded * np.uint8(255)
        return mask
    if not isinstance(counts, list) or not all(type(each) is int for each in counts):
        raise DataError(f"{where}: counts must be text or a list of whole numbers: export it again")
    return np.ascontiguousarray(runs(counts, size[::-1], where).T)


def _check_runs(text: str, size: Size, where: str) -> None:
    """Raise DataError unless compressed run lengths cover the picture: the library trusts them."""
    lengths: list[int] = []
    value, shift = 0, 0
    for sign in text:
        code = ord(sign) - _FIRST_CODE
        if not 0 <= code < 64 or shift > 30:
            break
        value |= (code & 31) << shift
        shift += 5
        if not code & 32:
            if code & 16:
                value -= 1 << shift
            lengths.append(value + (lengths[-2] if len(lengths) > 2 else 0))
            value, shift = 0, 0
    else:
        if not shift and lengths and min(lengths) >= 0 and sum(lengths) == size[0] * size[1]:
            return
    raise DataError(f"{where}: its runs do not add up to {size[1]} x {size[0]} pixels: export it again")
