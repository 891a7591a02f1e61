"""Labels of CVAT, exported as "CVAT for images 1.1": one annotations.xml (its manual, "CVAT for image")."""

from __future__ import annotations

import posixpath
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from selcon_ros.core.files.plain_file import read_bytes
from selcon_training.adapt.picture_files import PictureFiles, size_of
from selcon_training.adapt.shapes import Bitmap, Labelled, Polygon, Shape, Size, ellipse, polygon, runs
from selcon_training.data.images import U8
from selcon_training.errors import DataError

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

MAX_FILE_BYTES = 64 << 20
"""Bytes of a file."""
_NOTES = ("tag", "attribute")


def read_cvat(folder: Path, name: str, pictures: PictureFiles) -> list[Labelled]:
    """The photos of the CVAT file `name` (a path from `folder`). Raises DataError."""
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import ParseError, fromstring

    where = str(folder / name)
    try:
        root = fromstring(read_bytes(folder / name, DataError, MAX_FILE_BYTES), forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise DataError(f"{where} is not plain XML ({error}): export it again") from None
    if root.tag != "annotations":
        raise DataError(f"{where} is no export of CVAT: choose the format 'CVAT for images 1.1'")
    if root.find("track") is not None:
        raise DataError(f"{where} is of a video: export it in the format 'CVAT for images 1.1'")
    return [_photo(each, name, where, pictures) for each in root.iter("image")]


def _photo(image: Element, name: str, where: str, pictures: PictureFiles) -> Labelled:
    called = image.get("name")
    path = pictures.find(called, posixpath.dirname(name), where)
    place = f"{where}: {called}"
    stated_size = (_whole(image, "height", place), _whole(image, "width", place))
    size = size_of(path, stated_size, place)
    shapes: dict[str, list[Shape]] = {}
    for each in image:
        if each.tag in _NOTES:
            continue
        label = each.get("label")
        if not label:
            raise DataError(f"{place}: a {each.tag} has no label: export it again")
        shapes.setdefault(label, []).append(_shape(each, size, f"{place}: {each.tag} ({label})"))
    return Labelled(path, shapes)


def _shape(element: Element, size: Size, where: str) -> Shape:
    if element.tag == "polygon":
        points = [pair.split(",") for pair in (element.get("points") or "").split(";")]
        return polygon(points, size, where)
    if element.tag == "box":
        left, top, right, bottom = (_number(element, key, where) for key in ("xtl", "ytl", "xbr", "ybr"))
        return _rotated_box(left, top, right, bottom, _number(element, "rotation", where, "0"), size, where)
    if element.tag == "ellipse":
        x, y, across, down = (_number(element, key, where) for key in ("cx", "cy", "rx", "ry"))
        return ellipse((x, y), (across, down), size, where, _number(element, "rotation", where, "0"))
    if element.tag == "mask":
        return Bitmap(partial(_pasted, element, size, where), where)
    raise DataError(f"{where} is no region: draw a polygon or mask around the part")


def _rotated_box(
    left: float, top: float, right: float, bottom: float, degrees: float, size: Size, where: str
) -> Polygon:
    """A box turned about its middle, cut at the picture's border."""
    centre = np.array([left + right, top + bottom]) / 2
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]]) - centre
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    points = np.clip(corners @ turn + centre, 0.0, np.array(size[::-1], np.float64))
    return polygon(points, size, where)


def _pasted(element: Element, size: Size, where: str) -> U8:
    """A mask: run lengths, row by row, of a rectangle of the picture."""
    left, top, width, height = (_whole(element, key, where) for key in ("left", "top", "width", "height"))
    inside = 0 <= left <= size[1] - width and 0 <= top <= size[0] - height
    try:
        counts = [int(each) for each in (element.get("rle") or "").split(",")]
    except ValueError:
        counts = []
    if not inside or min(width, height) < 1:
        raise DataError(f"{where} lies outside its photo: export it again")
    mask = np.zeros(size, np.uint8)
    mask[top : top + height, left : left + width] = runs(counts, (height, width), where)
    return mask


def _number(element: Element, key: str, where: str, default: str | None = None) -> float:
    text = element.get(key, default)
    try:
        value = float(text or "")
    except ValueError:
        value = float("nan")
    if not np.isfinite(value):
        raise DataError(f"{where}: {key} is {text!r:.40}, not a number: export it again")
    return value


def _whole(element: Element, key: str, where: str) -> int:
    return round(_number(element, key, where))
