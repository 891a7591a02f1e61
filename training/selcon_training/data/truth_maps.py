"""What the values of one truth map or mask mean. Training, evaluation and `selcon data check` all decide
here, so that none of them takes a map that another refuses.

Read are 0..255 (0: not there, 255: there, between: graded), and what can mean nothing else: two values of
which one is 0, one colour on black, grey in three channels, a map in the alpha channel, 16 bits, 0..1 in
floating point. Anything else is refused with the remedy: labelled maps of several classes, colours,
constants.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from selcon_ros.core.pictures.image_decoding import decode, judge
from selcon_training.data.images import PIXEL_LIMIT, U8
from selcon_training.errors import DataError

FOLDER_KINDS = ("GT", "mask", "objectmask")
"""Kinds of folders that hold such maps."""
BLUR_WIDTH = 0.018
"""Standard deviation of a truth map that is made of a mask, in picture widths: as AGD20K's."""
WEAK_PEAK = 128
"""A graded map whose largest value is below this is read as it is, and said: it may hold percent."""
MIN_PEAK_SHARE = 1 / 16
"""A map of 16 bits or floating point whose largest value is below this share of the range is refused: it was
made for another range, and little or nothing of it would be left."""
MAX_LABEL_VALUES = 16
"""So many values other than 0, or fewer, are labels rather than grades where they are small."""
MAX_LABEL = 32
"""Labels are below this in a map of labels whose border is marked with the largest value (Pascal VOC)."""
JPEG_RINGING = 32
"""JPEG changes values near a sharp edge by up to about this much."""


class TruthError(DataError):
    """The file can be decoded, but what its values mean is not clear."""


@dataclass(frozen=True)
class TruthMap:
    """`values` h x w uint8, as stored; `orientation`: the file's own, EXIF 1..8; `note`: how the values
    were read where not as they are."""

    values: U8
    orientation: int
    note: str = ""

    @property
    def peak(self) -> int:
        """The largest value: 0 where nothing is marked."""
        return int(self.values.max())


def decode_truth(content: bytes, name: str | Path) -> TruthMap:
    """Decode a truth map or mask. Raises TruthError where its values have no clear meaning, DataError where
    it cannot be read; both name the file `name`."""
    header = judge(content, name, DataError)
    image = decode(content, name, cv2.IMREAD_UNCHANGED, DataError, None, PIXEL_LIMIT, turn=False)
    if header.colours == "palette":
        image = _labels(content, image, name)
    values, noted = _one_channel(image, name)
    if values.dtype in (np.float32, np.float64):
        values, noted = _of_unit_range(values, name), "floating point 0..1"
    if values.dtype not in (np.uint8, np.uint16):
        raise TruthError(f"truth map {name} has values of type {values.dtype}: {_REMEDY}")
    lossy = header.kind == "JPEG" or (header.kind == "WebP" and content.find(b"VP8L", 12, 2**16) < 0)
    read, meaning = _of_lossy(values, header.kind, name) if lossy else _grades(values, name)
    return TruthMap(read, header.orientation, ", ".join(filter(None, (noted, meaning))))


_REMEDY = "save it as 8-bit grey, 0 where the part is not and 255 where it is"


def _one_channel(image: NDArray[Any], name: str | Path) -> tuple[NDArray[Any], str]:
    """The one channel that holds the map, and which it is if that is not plain."""
    if image.ndim == 2:
        return image, ""
    if image.shape[2] == 1:
        return image[:, :, 0], ""
    colours, top = image[:, :, :3], _max_value(image)
    if image.shape[2] == 4 and not (image[:, :, 3] == top).all():
        alpha = image[:, :, 3]
        if (colours == colours[0, 0]).all():
            return alpha, "its alpha channel"
        if colours[alpha == 0].any() or not ((alpha == 0) | (alpha == top)).all():
            raise TruthError(f"truth map {name} has both colours and transparency: {_REMEDY}")
    if image.shape[2] not in (3, 4):
        raise TruthError(f"truth map {name} has {image.shape[2]} channels: {_REMEDY}")
    blue, green, red = (colours[:, :, channel] for channel in range(3))
    if np.array_equal(blue, green) and np.array_equal(green, red):
        return blue, ""
    marked = colours.any(axis=2)
    found = colours[marked]
    if not marked.all() and (found == found[0]).all():
        return np.where(marked, top, 0).astype(image.dtype), "one colour on black"
    packed = blue.astype(np.int64) + (green.astype(np.int64) << 16) + (red.astype(np.int64) << 32)
    raise TruthError(
        f"truth map {name} has {len(np.unique(packed))} colours, where only one colour on black is clear: "
        f"{_REMEDY}, for its action alone"
    )


def _labels(content: bytes, image: NDArray[Any], name: str | Path) -> NDArray[Any]:
    """Of a picture with a palette: its colours, or label numbers where the palette gives all one colour."""
    try:
        with Image.open(io.BytesIO(content)) as file:
            if file.mode != "P":
                return image
            # A number beyond the palette's end is decoded as black.
            numbers, colours = np.asarray(file), (file.getpalette() or []) + [0] * 768
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"truth map {name}: its palette cannot be read: {error}") from None
    used = np.flatnonzero(np.bincount(numbers.ravel())).tolist()
    shown = {tuple(colours[3 * number : 3 * number + 3]) for number in used}
    if 1 < len(shown) < len(used):
        raise TruthError(f"truth map {name} has {len(used)} labels in {len(shown)} colours: {_REMEDY}")
    return numbers if len(shown) < len(used) else image


def _of_unit_range(values: NDArray[Any], name: str | Path) -> U8:
    low, high = float(values.min()), float(values.max())
    if not (low >= 0.0 and high <= 1.0) or 0.0 < high < MIN_PEAK_SHARE:  # NaN too
        raise TruthError(
            f"truth map {name} has floating point values {low:.3g} to {high:.3g}, not 0 to 1: {_REMEDY}"
        )
    return np.rint(values * 255.0).astype(np.uint8)


def _grades(values: NDArray[Any], name: str | Path) -> tuple[U8, str]:
    """The values as 0..255, and how they were read if not as they are."""
    top, counts = _max_value(values), _counts(values)
    levels = np.flatnonzero(counts)
    marked, peak = levels[levels > 0], int(levels[-1])
    _check_constant(peak, len(levels), name)
    if len(marked) <= 1:
        known = peak in (0, top)
        return (values > 0).astype(np.uint8) * np.uint8(255), "" if known else f"values 0 and {peak}"
    listed = ", ".join(str(level) for level in levels[:5].tolist()) + (" ..." if len(levels) > 5 else "")
    if len(levels) == 2:
        raise TruthError(f"truth map {name} has the values {listed}, and which is the part? {_REMEDY}")
    middle = int(np.searchsorted(np.cumsum(counts[1:]), counts[1:].sum() / 2)) + 1
    with_border = peak == top and marked[-2] < MAX_LABEL and middle < MAX_LABEL
    if len(marked) <= MAX_LABEL_VALUES and (peak < WEAK_PEAK or with_border):
        raise TruthError(
            f"truth map {name} seems to hold label numbers ({listed}), not grades from 0 to 255: {_REMEDY}, "
            "for its action alone"
        )
    if top == 255:
        return np.ascontiguousarray(values, np.uint8), ""
    if peak < MIN_PEAK_SHARE * top:
        raise TruthError(f"truth map {name} has 16 bits, but values up to {peak} of {top} only: {_REMEDY}")
    return np.rint(values / 257.0).astype(np.uint8), "16 bits"


def _of_lossy(values: NDArray[Any], kind: str, name: str | Path) -> tuple[U8, str]:
    """Of a map that was compressed with loss: one of 0 and 255 is made so again, a graded one stays."""
    counts = _counts(values)
    peak = int(np.flatnonzero(counts)[-1])
    _check_constant(peak, int((counts > 0).sum()), name)
    if 0 < peak < WEAK_PEAK:
        raise TruthError(
            f"truth map {name} is {kind} with values up to {peak} only, which compression has mixed: "
            f"{_REMEDY}, as PNG"
        )
    between = counts[JPEG_RINGING : 256 - JPEG_RINGING].sum()
    if peak >= 256 - JPEG_RINGING and counts[:JPEG_RINGING].any() and between <= 0.05 * values.size:
        return (values > 127).astype(np.uint8) * np.uint8(255), f"{kind} of 0 and 255"
    return np.ascontiguousarray(values, np.uint8), f"{kind}, graded" if peak else ""


def _check_constant(peak: int, levels: int, name: str | Path) -> None:
    if peak and levels == 1:
        raise TruthError(
            f"truth map {name} is {peak} everywhere, so it marks no part: {_REMEDY} (all 0: nothing is there)"
        )


def _counts(values: NDArray[Any]) -> NDArray[np.float32]:
    """How many pixels have each value."""
    top = _max_value(values)
    counts = cv2.calcHist([np.ascontiguousarray(values)], [0], None, [top + 1], [0, top + 1])
    return np.asarray(counts, np.float32).ravel()


def _max_value(image: NDArray[Any]) -> int:
    return 65535 if image.dtype == np.uint16 else 255
