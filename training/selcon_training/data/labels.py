"""Label maps of rendered pictures: what kind of part and of object every pixel shows."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from selcon_ros.core.files.json_file import read_object
from selcon_training.data.agd20k import DataSet
from selcon_training.data.images import U8, read_labels, same_aspect
from selcon_training.data.transforms import Size
from selcon_training.errors import DataError

UNKNOWN_KIND = 255
"""Part kind of what has no label map."""
PARTS_FILE = "parts.json"
CLUTTER = "clutter"
"""Part kind of things that are no objects of the list. Renders name them as a kind of object, too."""
MAX_KINDS = 127
_ON_OBJECT = 128


@dataclass(frozen=True)
class Labels:
    """Of one picture: `parts` h x w uint8, kinds by id, and `objects` h x w uint8, kinds by id; None
    where there is no such map."""

    parts: U8 | None = None
    objects: U8 | None = None

    @property
    def mask(self) -> U8 | None:
        """255 on the objects, 0 on the background."""
        return None if self.objects is None else (self.objects > 0).astype(np.uint8) * np.uint8(255)

    def packed(self, size: Size) -> bytes:
        """Parts and mask, shrunk to at most `size` (h, w), as a PNG, which takes a few KB."""
        both = [each for each in (self.parts, self.objects) if each is not None]
        if not both:
            return b""
        shape = tuple(min(side, limit) for side, limit in zip(both[0].shape, size, strict=True))
        parts = np.full(shape, MAX_KINDS, np.uint8)
        if self.parts is not None:
            shown = nearest(self.parts, shape)
            parts = np.where(shown == UNKNOWN_KIND, np.uint8(MAX_KINDS), shown)
        if self.objects is not None:
            parts = parts + np.uint8(_ON_OBJECT) * (nearest(self.objects, shape) > 0)
        done, data = cv2.imencode(".png", parts, [cv2.IMWRITE_PNG_COMPRESSION, 1])
        assert done
        return data.tobytes()


def unpacked(content: bytes, has_parts: bool, has_objects: bool) -> tuple[U8 | None, U8 | None]:
    """Parts and mask of `Labels.packed`."""
    if not content:
        return None, None
    both = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert both is not None
    parts = cv2.LUT(both, _PART_TABLE) if has_parts else None
    return parts, cv2.LUT(both, _MASK_TABLE) if has_objects else None  # type: ignore[return-value]


_PART_TABLE = np.tile(np.append(np.arange(MAX_KINDS), UNKNOWN_KIND), 2).astype(np.uint8)
_MASK_TABLE = np.repeat([0, 255], _ON_OBJECT).astype(np.uint8)


def part_kinds(data: DataSet) -> tuple[str, ...] | None:
    """The names of part kinds by id, from parts.json of the data set; None without that file. Kind 0 is
    everything that is no part. Raises DataError."""
    path = data.root / PARTS_FILE
    if not os.path.lexists(path):
        return None
    names = read_object(path, DataError).get("parts")
    if not (
        isinstance(names, list)
        and 0 < len(names) <= MAX_KINDS
        and all(isinstance(name, str) for name in names)
    ):
        raise DataError(f'{path} must hold {{"parts": [names]}} by id, at most {MAX_KINDS} of them')
    return tuple(names)


def read_label_maps(
    parts: Path | None,
    objects: Path | None,
    picture: Size,
    kinds: int | None = None,
    clutter: int | None = None,
) -> Labels:
    """Label maps of a picture (h, w); where the part is `clutter`, the object is 0 (background).

    Raises DataError for another shape than the picture's, for maps of two sizes, and for part kinds that
    parts.json does not name (`kinds`: how many it does).
    """
    found = [None if path is None else _read(path, picture) for path in (parts, objects)]
    if found[0] is not None:
        known = found[0][found[0] != UNKNOWN_KIND]
        most = int(known.max()) if known.size else 0
        if most >= (kinds or MAX_KINDS):
            raise DataError(f"label map {parts} holds id {most}, but {PARTS_FILE} names {kinds} kinds")
        if found[1] is not None and found[1].shape != found[0].shape:
            raise DataError(f"label maps {parts} and {objects} of one picture have two sizes")
        if found[1] is not None and clutter is not None:
            found[1] = np.where(found[0] == clutter, np.uint8(0), found[1])
    return Labels(found[0], found[1])


def _read(path: Path, picture: Size) -> U8:
    labels = read_labels(path)
    if not same_aspect(picture, (labels.shape[0], labels.shape[1])):
        raise DataError(
            f"label map {path} is {labels.shape[1]} x {labels.shape[0]} pixels: not the shape of its picture"
        )
    return labels


def nearest(labels: U8, shape: tuple[int, ...]) -> U8:
    """Labels at another size (h, w)."""
    if labels.shape == shape:
        return labels
    return cv2.resize(labels, (shape[1], shape[0]), interpolation=cv2.INTER_NEAREST)  # type: ignore[return-value]
