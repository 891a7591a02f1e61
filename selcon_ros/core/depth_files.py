"""Read depth images from disk."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from selcon_ros.core.errors import DepthError
from selcon_ros.core.files import read_bytes
from selcon_ros.core.image_decoding import decode
from selcon_ros.core.pixel_limit import ORDINARY, PixelLimit


def read_depth(path: str | Path, scale: float, limit: PixelLimit = ORDINARY) -> NDArray[np.float32]:
    """Return the depth [H, W] float32 in metres of a 16 bit grey PNG whose unit is `scale` metres.

    0 stays 0: not measured. Raises DepthError.
    """
    depth = decode(read_bytes(path, DepthError), path, cv2.IMREAD_UNCHANGED, DepthError, None, limit)
    if depth.ndim != 2 or depth.dtype != np.uint16:
        raise DepthError(
            f"{path}: depth is {depth.dtype} with shape {depth.shape}: it must be a 16 bit grey image"
        )
    metres: NDArray[np.float32] = depth.astype(np.float32) * np.float32(scale)
    return metres
