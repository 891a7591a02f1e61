"""Camera messages as drivers send them, made from arrays; and a log for tests to look into."""

import array
import sys

import cv2
import numpy as np
from builtin_interfaces.msg import Time
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

FRAME = "camera_color_optical_frame"


def header(seconds: float = 100.0, frame: str = FRAME) -> Header:
    """A header with a stamp in seconds."""
    return Header(stamp=Time(sec=int(seconds), nanosec=int(seconds % 1 * 1e9)), frame_id=frame)


def raw_image(
    pixels: np.ndarray, encoding: str, padding: int = 0, big_endian: bool = False, stamp: Header | None = None
) -> Image:
    """A raw image message with `padding` bytes of rubbish after every row."""
    order = ">" if big_endian else "<"
    data = pixels.astype(pixels.dtype.newbyteorder(order)) if pixels.dtype.itemsize > 1 else pixels
    rows = np.ascontiguousarray(data).reshape(pixels.shape[0], -1).view(np.uint8)
    rows = np.concatenate([rows, np.full((rows.shape[0], padding), 0xAB, np.uint8)], axis=1)
    return Image(
        header=stamp or header(),
        height=pixels.shape[0],
        width=pixels.shape[1],
        encoding=encoding,
        is_bigendian=int(big_endian if pixels.dtype.itemsize > 1 else sys.byteorder == "big"),
        step=rows.shape[1],
        data=array.array("B", rows.tobytes()),
    )


def compressed_image(data: bytes, format: str, stamp: Header | None = None) -> CompressedImage:
    """A compressed image message."""
    return CompressedImage(header=stamp or header(), format=format, data=array.array("B", data))


def encoded(pixels: np.ndarray, ending: str) -> bytes:
    """The bytes of a file of this ending."""
    done, data = cv2.imencode(ending, pixels)
    assert done
    return data.tobytes()


def camera_info(width: int, height: int, focal: float = 600.0, stamp: Header | None = None) -> CameraInfo:
    """The calibration of an ideal camera; a focal length of 0 is what an uncalibrated one sends."""
    cx, cy = (width - 1) / 2, (height - 1) / 2
    info = CameraInfo(header=stamp or header(), width=width, height=height)
    info.k = [focal, 0.0, cx, 0.0, focal, cy, 0.0, 0.0, 1.0]
    info.p = [focal, 0.0, cx, 0.0, 0.0, focal, cy, 0.0, 0.0, 0.0, 1.0, 0.0]
    return info


class Lines:
    """A logger that keeps its lines."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def warning(self, text: str) -> None:
        self.said.append(text)

    info = warning
