"""Read depth images from disk."""

import io
import math
import warnings
from pathlib import Path

import cv2
import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from selcon_ros.core.errors import DepthError, first_line
from selcon_ros.core.files.plain_file import read_bytes
from selcon_ros.core.pictures.image_decoding import decode, judge
from selcon_ros.core.pictures.pixel_limit import DEFAULT_LIMIT, PixelLimit

ACCEPTED_FORMATS = "16 bit grey, in units of the camera's depth_scale, or floats in metres (PNG, TIFF, .npy)"
# What a .npy file has before its values, at most.
MAX_NPY_HEADER_BYTES = 16_384


def read_depth(
    path: str | Path, scale: float, limit: PixelLimit = DEFAULT_LIMIT, orientation: int = 1
) -> NDArray[np.float32]:
    """Return the depth [H, W] float32 in metres of a file, as it is stored.

    16 bit grey (PNG, TIFF, .npy of uint16) is in units of `scale` metres, floats (TIFF, .npy) are metres,
    as in ROS's 16UC1 and 32FC1. `orientation` is the EXIF orientation of the picture that it belongs to: a
    file that says another one, and not none, is refused. Raises DepthError.
    """
    if Path(path).suffix.lower() in (".npy", ".npz"):
        depth = _read_npy(Path(path), limit)
    else:
        content = read_bytes(path, DepthError)
        header = judge(content, path, DepthError)
        if header.orientation not in (1, orientation):
            raise DepthError(
                f"{path} has EXIF orientation {header.orientation}, its picture {orientation}: store both "
                "without one"
            )
        if 8 < header.bits < 16:  # OpenCV moves them up to 16 bits, so that the unit is another
            raise DepthError(f"{path}: depth has {header.bits} bits: it must be {ACCEPTED_FORMATS}")
        depth = decode(content, path, cv2.IMREAD_UNCHANGED, DepthError, limit=limit, turn=False)
    # A .npy file may be of either byte order.
    if depth.ndim != 2 or not (depth.dtype.kind == "f" or depth.dtype.newbyteorder("=") == np.uint16):
        raise DepthError(
            f"{path}: depth is {depth.dtype} with shape {depth.shape}: it must be {ACCEPTED_FORMATS}"
        )
    with np.errstate(over="ignore"):  # what is too large for 32 bits becomes infinite: no measurement
        metres: NDArray[np.float32] = depth.astype(np.float32)
    return metres if depth.dtype.kind == "f" else metres * np.float32(scale)


def _read_npy(path: Path, limit: PixelLimit) -> NDArray[np.generic]:
    """Return a .npy file's array; nothing is unpickled, or allocated for data that are not there."""
    content = read_bytes(path, DepthError, limit.pixels * 8 + MAX_NPY_HEADER_BYTES)
    stream = io.BytesIO(content)
    try:
        version = npy.read_magic(stream)
        read_header = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}[version]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Python's parser, about a damaged header
            shape, by_columns, kind = read_header(stream)
    except Exception as error:  # numpy lets errors of the parsers of a header through
        raise DepthError(
            f"{path} is not a .npy file with one array, or damaged: {first_line(error)}"
        ) from None
    if len(shape) != 2 or kind.kind not in "fu":
        raise DepthError(f"{path}: depth is {kind} with shape {shape}: it must be {ACCEPTED_FORMATS}")
    limit.check(path, (shape[1], shape[0]), math.prod(shape) * max(4, kind.itemsize) // 4, DepthError)
    expected = math.prod(shape) * kind.itemsize
    if len(content) - stream.tell() != expected:
        raise DepthError(
            f"{path} is cut short or damaged: {shape[1]} x {shape[0]} values of {kind} are {expected} bytes, "
            f"it has {len(content) - stream.tell()}"
        )
    values = np.frombuffer(content, kind, offset=stream.tell())
    return values.reshape(shape, order="F" if by_columns else "C")
