"""Reading truth maps, masks and label maps; pictures, depth and cameras are read by selcon_ros.core.files."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from selcon_ros.core.files import decode, read_bytes
from selcon_training.data.layout import DataError

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]


def read_grey(path: Path) -> U8:
    """Read a grey image (truth map or mask) as H x W uint8. Raises DataError."""
    return decode(read_bytes(path, DataError), path, cv2.IMREAD_GRAYSCALE, DataError)  # type: ignore[return-value]


def read_labels(path: Path) -> U8:
    """Read a label map as H x W uint8 ids, without any conversion. Raises DataError for anything but 8-bit
    grey."""
    labels = decode(read_bytes(path, DataError), path, cv2.IMREAD_UNCHANGED, DataError)
    if labels.ndim != 2 or labels.dtype != np.uint8:
        raise DataError(
            f"label map {path} is {labels.dtype} {labels.shape}: it must be an 8-bit single-channel image"
        )
    return labels  # type: ignore[return-value]
