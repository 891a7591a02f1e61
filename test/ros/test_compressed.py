"""Compressed colour images: what the file holds counts, and what the format says of a mosaic."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from selcon_ros.core.pictures.pixel_limit import PixelLimit
from selcon_ros.ros.conversions import MessageError, image_from_message
from support.messages import compressed_image, encoded, raw_image

COLOUR = np.full((16, 20, 3), (200, 120, 40), np.uint8)
MOSAIC = np.tile(np.array([[200, 120], [120, 40]], np.uint8), (8, 10))
GREY = np.full((16, 20), 90, np.uint8)


def read(data: bytes, format: str) -> list[int]:
    """RGB of a pixel in the middle."""
    image = image_from_message(compressed_image(data, format))
    assert image.shape == (16, 20, 3) and image.dtype == np.uint8 and image.flags.c_contiguous
    return image[8, 8].tolist()


@pytest.mark.parametrize("ending", [".jpg", ".png", ".webp", ".tiff"])
@pytest.mark.parametrize(
    "format",
    [
        "jpeg", "png", "", "rgb8; jpeg compressed bgr8", "bgr8; png compressed ", "mono8; jpeg compressed ",
        "bayer_rggb8; jpeg compressed bgr8", "bayer_rggb8; jpeg compressed ", "bayer_grbg8",
    ],
)  # fmt: skip
def test_three_channels_are_colour(ending: str, format: str) -> None:
    assert read(encoded(COLOUR[..., ::-1], ending), format) == pytest.approx([200, 120, 40], abs=3)


@pytest.mark.parametrize("ending", [".jpg", ".png"])
@pytest.mark.parametrize(
    "format",
    [
        "jpeg", "png", "mono8; jpeg compressed ", "mono8", "rgb8; jpeg compressed bgr8",
        "bayer_rggb8; jpeg compressed bgr8", "bayer_rggb8; jpeg compressed mono8", "bayer_xyz; jpeg",
    ],
)  # fmt: skip
def test_one_channel_is_grey(ending: str, format: str) -> None:
    assert len(set(read(encoded(MOSAIC, ending), format))) == 1
    assert read(encoded(GREY, ending), format) == pytest.approx([90, 90, 90], abs=2)


@pytest.mark.parametrize(
    "format",
    [
        "bayer_rggb8; png compressed ", "BAYER_RGGB8; png compressed", "bayer_rggb8",
        "bayer_rggb8; png compressed bayer_rggb8", "bayer_rggb16; png compressed ",
    ],
)  # fmt: skip
def test_one_channel_is_a_mosaic_where_the_format_says_so(format: str) -> None:
    assert read(encoded(MOSAIC, ".png"), format) == [200, 120, 40]


@pytest.mark.parametrize(
    ("values", "format", "expected"),
    [
        (COLOUR[..., ::-1], "rgb16; png compressed bgr16", [200, 120, 40]),
        (GREY, "mono16; png compressed ", [90, 90, 90]),
        (MOSAIC, "bayer_rggb16; png compressed ", [200, 120, 40]),
    ],
)
def test_the_upper_eight_bits_of_sixteen(values: np.ndarray, format: str, expected: list[int]) -> None:
    assert read(encoded(values.astype(np.uint16) * 256 + 255, ".png"), format) == expected


@pytest.mark.parametrize("tail", [b"\r\n", b"\xff", bytes(37), b"\xff\xd8\xff\xe0 stale \xff\xd9"])
@pytest.mark.parametrize("ending", [".jpg", ".png"])
def test_bytes_behind_the_end_are_accepted(ending: str, tail: bytes) -> None:
    assert read(encoded(COLOUR[..., ::-1], ending) + tail, "") == pytest.approx([200, 120, 40], abs=3)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "PNG"])
def test_an_orientation_is_not_applied(kind: str) -> None:
    exif = Image.Exif()
    exif[274] = 6
    data = io.BytesIO()
    Image.fromarray(COLOUR).save(data, kind, exif=exif)
    assert image_from_message(compressed_image(data.getvalue(), "")).shape == COLOUR.shape


def test_a_larger_image_than_the_limit_is_refused_before_it_is_decoded(monkeypatch) -> None:
    message = compressed_image(encoded(COLOUR, ".png"), "png")
    assert image_from_message(message, PixelLimit(320)).shape == COLOUR.shape
    monkeypatch.setattr(cv2, "imdecode", None)
    says = "the compressed image has 20 x 16 pixels; at most 319 are read: raise max_image_pixels"
    with pytest.raises(MessageError, match=says):
        image_from_message(message, PixelLimit(319, "raise max_image_pixels"))


def test_raw_images_have_the_same_limit() -> None:
    assert image_from_message(raw_image(COLOUR, "rgb8"), PixelLimit(320)).shape == COLOUR.shape
    with pytest.raises(MessageError, match="the image has 20 x 16 pixels; at most 319 are read"):
        image_from_message(raw_image(COLOUR, "rgb8"), PixelLimit(319))
    deep = raw_image(np.zeros((16, 20, 4), np.uint16), "rgba16")
    with pytest.raises(MessageError, match="20 x 16 pixels, which take the room of 640; at most 639 are"):
        image_from_message(deep, PixelLimit(639))
