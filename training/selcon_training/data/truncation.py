"""Image files that are cut short are refused before training: most broken files show at their two ends.

Decoding a whole set takes minutes; reading a few bytes of every file takes seconds.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2

from selcon_ros.core.files.plain_file import read_bytes
from selcon_ros.core.pictures.image_decoding import decode, judge
from selcon_ros.core.pictures.image_formats import jpeg, png
from selcon_training.data.images import PIXEL_LIMIT
from selcon_training.errors import DataError

THREAD_COUNT = 16
"""The time goes into waiting for the disk."""


def refuse_truncated(paths: Sequence[Path], root: Path) -> None:
    """Raise DataError naming the files (from `root`) that are empty, cut short, or no images."""
    with ThreadPoolExecutor(THREAD_COUNT) as pool:
        faults = [fault for fault in pool.map(quick_check, paths) if fault is not None]
    if not faults:
        return
    more = f"; and {len(faults) - 5} more" if len(faults) > 5 else ""
    raise DataError(
        f"{len(faults)} of {len(paths)} image files cannot be used: {'; '.join(faults[:5])}{more}. "
        f"List them with: selcon data check {root} --out skip.txt; then replace them, "
        "or leave them out with data.skip: skip.txt"
    )


def quick_check(path: Path) -> str | None:
    """What is wrong with an image file, in words, or None if both its ends are those of a JPEG or PNG.

    Of anything else, other formats and pictures with notes behind their end, the header tells whether its
    data are all there and within the limit. A GIF is decoded: not every OpenCV reads it.
    """
    try:
        with path.open("rb", buffering=0) as file:
            head = file.read(len(png.MAGIC))
            file.seek(-min(len(png.END_OF_IMAGE), os.fstat(file.fileno()).st_size), os.SEEK_END)
            tail = file.read()
    except OSError as error:
        return f"cannot read {path}: {error.strerror}"
    if (head.startswith(jpeg.MAGIC) and tail.endswith(jpeg.END_OF_IMAGE)) or (head, tail) == (
        png.MAGIC,
        png.END_OF_IMAGE,
    ):
        return None
    try:
        content = read_bytes(path, DataError)
        header = judge(content, path, DataError)
        PIXEL_LIMIT.check(path, (header.width, header.height), header.weight, DataError)
        if header.kind == "GIF":
            decode(content, path, cv2.IMREAD_COLOR, DataError, None, PIXEL_LIMIT)
    except DataError as error:
        return str(error)
    return None
