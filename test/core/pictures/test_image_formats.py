"""Every kind of image file comes out as the same RGB picture, and a damaged one never comes out at all."""

import io
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from selcon_ros.core.errors import ImageError
from selcon_ros.core.pictures.image_decoding import decode
from selcon_ros.core.pictures.image_header import read_header
from selcon_ros.core.pictures.picture_files import read_image

HEIGHT, WIDTH = 60, 100
ROWS, COLUMNS = np.mgrid[:HEIGHT, :WIDTH]
PICTURE = np.stack([2 * COLUMNS, 4 * ROWS, 128 + ROWS - COLUMNS], -1).astype(np.uint8)
"""Smooth, and different in all four corners."""
PIL = Image.fromarray(PICTURE)


def encoded(image: Image.Image = PIL, kind: str = "JPEG", **options: object) -> bytes:
    data = io.BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


def rotated(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[274] = orientation
    thumbnail = encoded(PIL.resize((20, 12)))  # holds an end mark of its own
    return encoded(exif=exif.tobytes() + thumbnail, quality=95)


FLIP = Image.Transpose
TURNS: dict[int, Callable[[Image.Image], Image.Image]] = {1: lambda image: image} | {
    number: (lambda image, way=way: image.transpose(way))
    for number, way in {
        2: FLIP.FLIP_LEFT_RIGHT,
        3: FLIP.ROTATE_180,
        4: FLIP.FLIP_TOP_BOTTOM,
        5: FLIP.TRANSPOSE,
        6: FLIP.ROTATE_270,
        7: FLIP.TRANSVERSE,
        8: FLIP.ROTATE_90,
    }.items()
}
"""EXIF's orientations as Pillow's turns."""


def png16(values: np.ndarray) -> bytes:
    return cv2.imencode(".png", values)[1].tobytes()


def words(values: np.ndarray) -> bytes:
    return b" ".join(b"%d" % value for value in values.ravel()) + b"\n"


def read(tmp_path: Path, content: bytes, at_least: tuple[int, int] | None = None) -> np.ndarray:
    (tmp_path / "x").write_bytes(content)
    return read_image(tmp_path / "x", at_least)


def difference(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one.astype(int) - other).mean())


ALPHA = np.dstack([PICTURE, 2 * COLUMNS]).astype(np.uint8)
PALETTE = PIL.quantize(64)
GREY = PIL.convert("L")


@pytest.mark.parametrize(
    ("content", "expected", "tolerance"),
    [
        (encoded(quality=95), PICTURE, 2),
        (encoded(quality=95, progressive=True), PICTURE, 2),
        (encoded(kind="PNG"), PICTURE, 0),
        (encoded(Image.fromarray(ALPHA), "PNG"), PICTURE, 0),
        (encoded(Image.fromarray(ALPHA), "TIFF"), PICTURE, 0),
        (encoded(PALETTE, "PNG"), np.asarray(PALETTE.convert("RGB")), 0),
        (encoded(PALETTE, "PNG", transparency=3), np.asarray(PALETTE.convert("RGB")), 0),
        (encoded(GREY, "PNG"), np.asarray(GREY.convert("RGB")), 0),
        (encoded(GREY, quality=95), np.asarray(GREY.convert("RGB")), 2),
        (encoded(PIL.convert("CMYK"), quality=95), PICTURE, 3),
        (png16(PICTURE[..., ::-1].astype(np.uint16) * 257), PICTURE, 1),
        (png16(PICTURE[..., 0].astype(np.uint16) * 257), PICTURE[..., :1].repeat(3, 2), 1),
        (encoded(kind="WEBP", lossless=True), PICTURE, 0),
        (encoded(kind="BMP"), PICTURE, 0),
        (encoded(kind="TIFF", compression="tiff_lzw"), PICTURE, 0),
        (cv2.imencode(".tiff", PICTURE[..., ::-1].astype(np.uint16) * 257)[1].tobytes(), PICTURE, 0),
        (encoded(kind="PPM"), PICTURE, 0),
        (b"P6 100 60 4080\n" + (PICTURE.astype(np.uint16) * 16).astype(">u2").tobytes(), PICTURE, 0.5),
        (b"P6 100 60 127\n" + (PICTURE // 2).tobytes(), PICTURE, 1),
        (b"P3 100 60 4080\n" + words(PICTURE.astype(np.uint16) * 16), PICTURE, 0.5),
        (b"P3 100 60 127\n" + words(PICTURE // 2), PICTURE, 1),
    ],
    ids=[
        "jpeg",
        "progressive",
        "png",
        "alpha",
        "tiff alpha",
        "palette",
        "palette-transparent",
        "grey png",
        "grey jpeg",
        "cmyk",
        "16 bit",
        "16 bit grey",
        "webp",
        "bmp",
        "tiff",
        "16 bit tiff",
        "ppm",
        "12 bit ppm",
        "7 bit ppm",
        "12 bit ppm in words",
        "7 bit ppm in words",
    ],
)
def test_every_format_gives_the_same_picture(
    tmp_path: Path, content: bytes, expected: np.ndarray, tolerance: float
) -> None:
    picture = read(tmp_path, content)
    assert picture.dtype == np.uint8 and picture.shape == expected.shape and picture.flags.c_contiguous
    assert difference(picture, expected) <= tolerance


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_applied(tmp_path: Path, orientation: int) -> None:
    content = rotated(orientation)
    expected = np.asarray(TURNS[orientation](PIL))
    assert expected.shape[:2] == ((WIDTH, HEIGHT) if orientation > 4 else (HEIGHT, WIDTH))
    assert difference(read(tmp_path, content), expected) < 1
    half = read(tmp_path, content, at_least=(30, 30))
    assert half.shape == (expected.shape[0] // 2, expected.shape[1] // 2, 3)
    assert difference(half, np.asarray(Image.fromarray(expected).resize(half.shape[1::-1]))) < 4


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_format_is_turned_alike_on_every_opencv(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    options = {"tiffinfo": {274: orientation}} if kind == "TIFF" else {"exif": exif, "lossless": True}
    content, expected = encoded(PIL, kind, **options), np.asarray(TURNS[orientation](PIL))
    picture = decode(content, "x", cv2.IMREAD_COLOR, ImageError)
    np.testing.assert_array_equal(picture[..., ::-1], expected)
    as_sent = decode(content, "x", cv2.IMREAD_COLOR, ImageError, turn=False)
    np.testing.assert_array_equal(as_sent[..., ::-1], PICTURE)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_deep_tiffs_are_turned_too(orientation: int) -> None:
    deep = Image.fromarray(PICTURE[..., 0].astype(np.uint16) * 200 + 3)
    content = encoded(deep, "TIFF", tiffinfo={274: orientation})
    values = decode(content, "x", cv2.IMREAD_UNCHANGED, ImageError)
    np.testing.assert_array_equal(values, np.asarray(TURNS[orientation](deep)))


@settings(max_examples=60, deadline=None)
@given(
    share=st.floats(0, 1),
    content=st.sampled_from(
        [encoded(), encoded(progressive=True), encoded(PIL.convert("CMYK")), rotated(6), encoded(kind="PNG")]
    ),
    zeros=st.booleans(),
)
def test_a_picture_cut_anywhere_is_an_error(share: float, content: bytes, zeros: bool) -> None:
    kept = content[: int(share * (len(content) - 2))]
    cut = kept + bytes(len(content) - len(kept)) if zeros else kept
    header = read_header(cut)
    assert header is None or not header.whole  # not left to the decoder: some fill the rest with grey
    with pytest.raises(ImageError, match=r"some\.jpg"):
        decode(cut, "some.jpg", cv2.IMREAD_COLOR, ImageError)


@settings(max_examples=60, deadline=None)
@given(
    data=st.binary(max_size=300),
    start=st.sampled_from([b"", b"\xff\xd8", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"]),
)
def test_bytes_that_are_no_picture_are_an_error(data: bytes, start: bytes) -> None:
    with pytest.raises(ImageError, match=r"some\.jpg"):
        decode(start + data, "some.jpg", cv2.IMREAD_COLOR, ImageError)


@settings(max_examples=30, deadline=None)
@given(height=st.integers(16, 700), width=st.integers(16, 700), needed=st.tuples(*[st.integers(1, 200)] * 2))
def test_reduced_pictures_stay_as_large_as_asked(height: int, width: int, needed: tuple[int, int]) -> None:
    content = cv2.imencode(".jpg", np.zeros((height, width, 3), np.uint8))[1].tobytes()
    picture = decode(content, "x", cv2.IMREAD_COLOR, ImageError, needed)
    for side, full, least in zip(picture.shape, (height, width), needed, strict=False):
        assert side >= min(full, least)
    assert picture.shape[0] < height or min(height, width) < 2 * max(needed)


def test_only_jpeg_is_reduced(tmp_path: Path) -> None:
    assert read(tmp_path, encoded(kind="PNG"), (8, 8)).shape == (HEIGHT, WIDTH, 3)
    assert read(tmp_path, encoded(), (7, 7)).shape == (8, 13, 3)


@pytest.mark.parametrize(
    ("content", "bits", "colours"),
    [
        (encoded(), 8, "colour"),
        (rotated(6), 8, "colour"),
        (encoded(GREY), 8, "grey"),
        (encoded(PIL.convert("CMYK")), 8, "cmyk"),
        (encoded(Image.fromarray(ALPHA), "PNG"), 8, "colour with alpha"),
        (encoded(PALETTE, "PNG"), 8, "palette"),
        (encoded(GREY.convert("LA"), "PNG"), 8, "grey with alpha"),
        (png16(PICTURE.astype(np.uint16)), 16, "colour"),
    ],
)
def test_headers(content: bytes, bits: int, colours: str) -> None:
    header = read_header(content)
    assert header is not None and header.whole
    assert (header.width, header.height, header.bits, header.colours) == (WIDTH, HEIGHT, bits, colours)
