"""Depth images in metres and camera intrinsics, out of `sensor_msgs` messages (REP 117, REP 118)."""

from __future__ import annotations

import struct

import cv2
import numpy as np
import numpy.typing as npt
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from selcon_ros.core.cameras.camera import Intrinsics, pinhole
from selcon_ros.core.cameras.distortion import distortion_from
from selcon_ros.core.pictures.image_decoding import decode
from selcon_ros.core.pictures.image_formats import png
from selcon_ros.core.pictures.pixel_limit import DEFAULT_LIMIT, PixelLimit
from selcon_ros.core.text import quoted
from selcon_ros.ros.conversions import MessageError, rows

Depth = npt.NDArray[np.float32]

# The encodings of depth in millimetres; or a file's codec, where the format does not say the encoding.
_MILLIMETRES = ("16uc1", "mono16", "png", "tiff")
# image_transport's compressedDepth begins with an enum and the two parameters of its inverse-depth code.
_TRANSPORT_HEADER = struct.Struct("<iff")


def depth_from_message(message: Image | CompressedImage, limit: PixelLimit = DEFAULT_LIMIT) -> Depth:
    """Decode a depth image; the encoding says the unit.

    Returns H x W float32 in metres; 0 or NaN where there is no measurement (0, infinite, NaN, negative). The
    message is raw `16UC1` or `mono16` in millimetres or `32FC1` in metres, a 16 bit grey file in millimetres
    (format `16UC1; png`, or `png` alone), a TIFF of floats in metres (`32FC1; tiff`), or image_transport's
    `compressedDepth` (PNG, of either unit). Raises MessageError for other encodings, wrong sizes, damaged
    data.
    """
    if isinstance(message, CompressedImage):
        return _valid(_decompress(message, limit))
    name = message.encoding.strip().lower()
    if name in ("16uc1", "mono16"):
        millimetres = rows(message, np.uint16, 1, what="depth image", limit=limit)
        return np.asarray(millimetres * np.float32(0.001), np.float32)
    if name == "32fc1":
        return _valid(rows(message, np.float32, 1, what="depth image", limit=limit).astype(np.float32))
    raise MessageError(
        f"unknown depth encoding {quoted(message.encoding)}; known are 16UC1 (millimetres) and 32FC1 (metres)"
    )


def _valid(metres: npt.NDArray[np.generic]) -> Depth:
    depth = np.asarray(metres, np.float32)
    with np.errstate(invalid="ignore"):
        depth[~((depth > 0) & np.isfinite(depth))] = np.nan
    return depth


def _decompress(message: CompressedImage, limit: PixelLimit) -> Depth:
    data = bytes(message.data)
    encoding = message.format.split(";")[0].strip().lower()
    parameters = None
    if data[_TRANSPORT_HEADER.size :].startswith(png.MAGIC):
        _, *parameters = _TRANSPORT_HEADER.unpack_from(data)
        data = data[_TRANSPORT_HEADER.size :]
    elif "rvl" in message.format.lower():
        raise MessageError(
            f"the depth image has the format {quoted(message.format)}; only PNG is known: set the "
            "publisher's compressedDepth format to png, or use the raw depth image"
        )
    if encoding not in (*_MILLIMETRES, "32fc1"):
        raise MessageError(
            f"unknown compressed depth format {quoted(message.format)}; known are 'png', '16UC1; png', "
            "'32FC1; tiff' and '16UC1' or '32FC1' with 'compressedDepth png'"
        )
    values = decode(
        data, "the compressed depth image", cv2.IMREAD_UNCHANGED, MessageError, limit=limit, turn=False
    )
    if encoding == "32fc1" and values.dtype == np.float32 and values.ndim == 2:
        return values
    if values.dtype != np.uint16 or values.ndim != 2 or (encoding == "32fc1" and not parameters):
        raise MessageError(
            f"the compressed depth image, of format {quoted(message.format)}, decodes to {values.dtype} with "
            f"shape {values.shape}; depth has one channel, of 16 bits or of floats as 32FC1 in TIFF: let the "
            "camera send 16UC1 as PNG"
        )
    if parameters and encoding == "32fc1":
        a, b = parameters
        with np.errstate(divide="ignore", invalid="ignore"):
            metres = np.float32(a) / (values - np.float32(b))
        return np.where(values > 0, metres, np.nan).astype(np.float32)
    return np.asarray(values * np.float32(0.001), np.float32)


def intrinsics_from_message(message: CameraInfo, rectified: bool = False) -> Intrinsics:
    """Intrinsics of the image that a CameraInfo goes with, after its binning and region of interest.

    If the image is `rectified`, its matrix is P and it has no distortion; otherwise they are K and D. Raises
    MessageError for a camera that is not calibrated. Raises CameraError for numbers that no camera has, a
    matrix with skew or by columns, a region of interest outside of the image, a distortion model that is not
    known or has other coefficients.
    """
    matrix, columns = ("P", 4) if rectified else ("K", 3)
    values = [float(value) for value in (message.p if rectified else message.k)]
    fx, fy, cx, cy = (values[place] for place in (0, columns + 1, 2, columns + 2))
    if not (np.isfinite([fx, fy, cx, cy]).all() and fx > 0 and fy > 0):
        raise MessageError(
            f"the camera is not calibrated: {matrix} in camera_info has fx = {fx:g}, fy = {fy:g}, "
            f"cx = {cx:g}, cy = {cy:g}; calibrate it, or set its camera_info_url"
        )
    fx, fy, cx, cy = pinhole(values, f"{matrix} in camera_info")
    distortion = None if rectified else distortion_from(message.distortion_model, message.d)
    whole = Intrinsics(fx, fy, cx, cy, message.width, message.height, distortion)
    whole.check_whole()
    roi = message.roi
    return whole.part(
        (roi.x_offset, roi.y_offset, roi.width, roi.height), (message.binning_x, message.binning_y)
    )
