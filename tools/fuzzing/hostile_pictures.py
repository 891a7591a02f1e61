"""Images and depth images, raw and compressed, right or with something said wrongly."""

from __future__ import annotations

import array
import struct

import cv2
import numpy as np
from sensor_msgs.msg import CompressedImage, Image

from fuzzing.damage import damage
from fuzzing.odd_values import DEPTHS, NUMBERS, TEXTS, Random, whole
from fuzzing.report import choose
from selcon_ros.ros.conversions import ENCODINGS
from support.messages import raw_image

ENCODING_NAMES = [
    "",
    "32FC1",
    "16UC1",
    "mono16",
    "64FC1",
    "8SC1",
    "16SC1",
    "32SC1",
    "16UC3",
    "32FC3",
    "TYPE_8UC3",
    "rgb8; jpeg",
    "RGB8",
    " bgr8 ",
    "yuv420",
    "nv24",
    "bayer_rggb12",
    "8UC2",
    "rgb",
    "mono",
    "jpeg",
]
FORMATS = [
    "jpeg",
    "png",
    "rgb8; jpeg compressed bgr8",
    "bgr8; png compressed bgr8",
    "bayer_rggb8; jpeg compressed",
    "mono8; png compressed ",
    "16UC1; png",
    "16UC1; compressedDepth png",
    "32FC1; compressedDepth png",
    "16UC1; compressedDepth rvl",
    "32FC1; compressedDepth",
    "webp",
    "h264",
    "rgb16; png compressed",
    "jpg",
    "tiff",
]


def raw_picture(random: Random, pixels: np.ndarray, bad: bool) -> Image:
    """Return a raw image of RGB pixels [H, W, 3] in any encoding; a bad one contradicts itself."""
    height, width = pixels.shape[:2]
    encoding = str(random.choice(ENCODINGS)) if bad or random.random() < 0.5 else "rgb8"
    name = encoding.lower()
    order = pixels[..., ::-1] if name.startswith(("bgr", "8uc")) else pixels
    if name in ("nv12", "nv21"):
        data = np.full(((height + 1) // 2 * 3, width), 128, np.uint8)
        data[:height] = pixels[..., 1]
    elif name in ("yuv422", "uyvy", "yuv422_yuy2", "yuyv"):
        data = np.dstack([pixels[..., 1], np.full((height, width), 128, np.uint8)])
    elif "mono" in name or "bayer" in name or name == "8uc1":
        data = pixels[..., 1]
    elif name.startswith(("rgba", "bgra", "8uc4")):
        data = np.dstack([order, np.full((height, width), 255, np.uint8)])
    else:
        data = order
    if name.endswith("16"):
        data = data.astype(np.uint16) << 8
    padding = int(random.integers(0, 9)) if random.random() < 0.3 else 0
    message = raw_image(data, encoding, padding, bool(random.random() < 0.2))
    message.height = height
    return _spoil_raw(random, message) if bad else message


def _spoil_raw(random: Random, message: Image) -> Image:
    """One thing, at times two, said wrongly."""
    for _ in range(1 + (random.random() < 0.2)):
        match choose(random, dict.fromkeys(("width", "height", "step", "order", "data", "encoding"), 1.0)):
            case "width":
                message.width = whole(random, message.width)
            case "height":
                message.height = whole(random, message.height)
            case "step":
                message.step = whole(random, message.step)
            case "order":
                message.is_bigendian = int(random.integers(0, 256))
            case "data":
                message.data = array.array("B", damage(random, bytes(message.data)))
            case "encoding":
                message.encoding = str(random.choice([*ENCODING_NAMES, *TEXTS, *ENCODINGS]))
    return message


def raw_depth(random: Random, metres: np.ndarray, bad: bool) -> Image:
    """Return a raw depth image of metres [H, W]; a bad one has values or units that cannot be."""
    if random.random() < 0.5:
        return _spoil_depth(random, raw_image((metres * 1000).astype(np.uint16), "16UC1"), bad)
    if bad and random.random() < 0.7:
        metres = _odd_metres(random, metres)
    message = raw_image(metres.astype(np.float32), "32FC1", 0, bool(random.random() < 0.2))
    return _spoil_depth(random, message, bad)


def _spoil_depth(random: Random, message: Image, bad: bool) -> Image:
    return _spoil_raw(random, message) if bad and random.random() < 0.5 else message


def _odd_metres(random: Random, metres: np.ndarray) -> np.ndarray:
    metres = metres.copy()
    match choose(random, dict.fromkeys(("fill", "spots", "unit", "noise", "tiny"), 1.0)):
        case "fill":
            metres[:] = random.choice(DEPTHS)
        case "spots":
            spots = random.random(metres.shape) < random.random()
            metres[spots] = random.choice(DEPTHS, int(spots.sum()))
        case "unit":
            metres *= np.float32(random.choice([1000.0, 0.001, 1e6]))
        case "noise":
            metres += random.normal(0, random.choice([0.001, 0.1, 10.0]), metres.shape).astype(np.float32)
        case "tiny":
            metres *= np.float32(1e-42)
    return metres


def compressed_picture(random: Random, pixels: np.ndarray, bad: bool) -> CompressedImage:
    """Return a compressed image of RGB pixels [H, W, 3]; a bad one is damaged or of another format."""
    ending = str(random.choice([".jpg", ".png", ".webp", ".bmp", ".tiff"])) if bad else ".jpg"
    if bad and random.random() < 0.3 and ending != ".webp":
        pixels = pixels[..., 1]
    if bad and ending == ".png" and random.random() < 0.3:
        pixels = pixels.astype(np.uint16) << 8
    picture = np.ascontiguousarray(pixels[..., ::-1] if pixels.ndim == 3 else pixels)
    data = cv2.imencode(ending, picture)[1].tobytes()
    if bad and random.random() < 0.7:
        data = damage(random, data)
    format_ = str(random.choice([*FORMATS, *TEXTS])) if bad and random.random() < 0.5 else "jpeg"
    return CompressedImage(format=format_, data=array.array("B", data))


def compressed_depth(random: Random, metres: np.ndarray, bad: bool) -> CompressedImage:
    """Return a compressed depth image of metres [H, W]; a bad one is damaged or of another format."""
    with np.errstate(all="ignore"):
        values = np.nan_to_num(metres * 1000).clip(0, 65535).astype(np.uint16)
    data = cv2.imencode(".png", values)[1].tobytes()
    format_ = "16UC1; png"
    if bad and random.random() < 0.4:
        a, b = (float(random.choice(NUMBERS)) for _ in range(2))
        with np.errstate(all="ignore"):
            head = struct.pack("<iff", int(random.integers(-5, 5)), *np.array([a, b], np.float32))
        data, format_ = (
            head + data,
            str(random.choice(["32FC1; compressedDepth png", "16UC1; compressedDepth"])),
        )
    if bad and random.random() < 0.4:
        format_ = str(random.choice([*FORMATS, *TEXTS]))
    if bad and random.random() < 0.5:
        data = damage(random, data)
    return CompressedImage(format=format_, data=array.array("B", data))
