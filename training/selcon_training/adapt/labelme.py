"""Labels of labelme: a JSON file beside every photo (its manual, "Annotation file format")."""

from __future__ import annotations

import base64
import binascii
import math
import posixpath
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from selcon_ros.core.files.json_file import parse_object
from selcon_ros.core.files.plain_file import read_bytes
from selcon_ros.core.pictures.image_decoding import decode
from selcon_ros.core.text import quoted
from selcon_training.adapt.picture_files import PictureFiles, entry, size_of
from selcon_training.adapt.shapes import Bitmap, Labelled, Shape, Size, ellipse, polygon, rectangle
from selcon_training.data.images import PIXEL_LIMIT, U8
from selcon_training.errors import DataError

MAX_FILE_BYTES = 64 << 20
"""Bytes of a file: labelme puts the picture into it, unless told not to."""


def is_labelme(record: object) -> bool:
    """Whether a JSON object is a labelme file's."""
    return isinstance(record, dict) and {"shapes", "imagePath"} <= record.keys()


def read_labelme(folder: Path, name: str, record: dict[str, Any], pictures: PictureFiles) -> Labelled:
    """The photo that the labelme file `name` (a path from `folder`) is about. Raises DataError."""
    where = str(folder / name)
    path = pictures.find(record["imagePath"], posixpath.dirname(name), where)
    stated_size = (record.get("imageHeight"), record.get("imageWidth"))
    size = size_of(path, stated_size, where)
    shapes: dict[str, list[Shape]] = {}
    listed = entry(record, "shapes", list, where)
    assert isinstance(listed, list)
    for number, each in enumerate(listed, 1):
        label = entry(each, "label", str, f"{where}: shape {number}")
        shapes.setdefault(str(label), []).append(_shape(each, size, f"{where}: shape {number} ({label})"))
    return Labelled(path, shapes)


def read_file(path: Path) -> dict[str, Any]:
    """A JSON file's object, as large as labelme's may be. Raises DataError."""
    return parse_object(read_bytes(path, DataError, MAX_FILE_BYTES), path, DataError)


def _shape(record: dict[str, Any], size: Size, where: str) -> Shape:
    kind, points = record.get("shape_type", "polygon"), record.get("points")
    if kind in ("polygon", "oriented_rectangle"):
        return polygon(points, size, where)
    if kind == "rectangle":
        return rectangle(points, size, where)
    if kind == "circle":
        try:
            centre, edge = np.asarray(points, np.float64)
            radius = math.dist(centre, edge)
        except (TypeError, ValueError):
            raise DataError(f"{where} must have a centre and a point of its edge") from None
        return ellipse(centre, (radius, radius), size, where)
    if kind == "mask":
        return Bitmap(partial(_pasted, record, size, where), where)
    raise DataError(f"{where} is of type {quoted(kind, 40)}: draw a polygon around the part")


def _pasted(record: dict[str, Any], size: Size, where: str) -> U8:
    """A mask shape: a PNG of the pixels between its two points, which are in it."""
    try:
        content = base64.b64decode(str(record.get("mask")), validate=True)
        (left, top), (right, bottom) = np.asarray(record["points"], np.float64).round().astype(int).tolist()
    except (binascii.Error, KeyError, TypeError, ValueError):
        raise DataError(f"{where} must have two points and a mask: draw it again") from None
    part = decode(content, Path(where), cv2.IMREAD_GRAYSCALE, DataError, None, PIXEL_LIMIT)
    height, width = bottom - top + 1, right - left + 1
    inside = 0 <= top <= bottom < size[0] and 0 <= left <= right < size[1]
    if part.shape != (height, width) or not inside:
        raise DataError(f"{where}: its mask does not lie between its points: draw it again")
    mask = np.zeros(size, np.uint8)
    mask[top : bottom + 1, left : right + 1] = (part > 0).astype(np.uint8) * np.uint8(255)
    return mask
