"""What a file says about itself, in every format and orientation that is read."""

import io
from struct import pack

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from selcon_ros.core.pictures.image_header import FORMATS, image_format, read_header

HEIGHT, WIDTH = 30, 50
PICTURE = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
PIL = Image.fromarray(PICTURE)
ORIENTATION = 274


def saved(kind: str, image: Image.Image = PIL, **options: object) -> bytes:
    data = io.BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


def turned(kind: str, orientation: int) -> bytes:
    """A file of a format that can say its orientation."""
    if kind == "TIFF":
        return saved(kind, tiffinfo={ORIENTATION: orientation})
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return saved(kind, exif=exif)


FILES = {
    "JPEG": saved("JPEG"),
    "progressive": saved("JPEG", progressive=True),
    "PNG": saved("PNG"),
    "WebP": saved("WEBP"),
    "lossless WebP": saved("WEBP", lossless=True),
    "WebP with alpha": saved("WEBP", PIL.convert("RGBA")),
    "BMP": saved("BMP"),
    "BMP of OS/2": b"BM" + pack("<IHHIIHHHH", 26 + 4560, 0, 0, 26, 12, WIDTH, HEIGHT, 1, 24) + bytes(4560),
    "TIFF": saved("TIFF"),
    "LZW": saved("TIFF", compression="tiff_lzw"),
    "TIFF of another order": b"MM\0*"
    + pack(">I", 8)
    + pack(">H", 3)
    + b"".join(pack(">HHII", tag, 4, 1, value) for tag, value in ((256, WIDTH), (257, HEIGHT), (258, 8))),
    "GIF": saved("GIF"),
    "PNM": saved("PPM"),
    "grey PNM": cv2.imencode(".pgm", PICTURE[..., 0])[1].tobytes(),
    "bitmap": saved("PPM", PIL.convert("1")),
    "PNM in words": b"P3 # comment\n50 30\n255\n" + b"7 " * PICTURE.size,
}


@pytest.mark.parametrize("name", FILES)
def test_size_and_wholeness_of_every_format(name: str) -> None:
    header = read_header(FILES[name])
    assert header is not None and header.kind in FORMATS and image_format(FILES[name]) == header.kind
    assert (header.width, header.height, header.bits, header.orientation) == (WIDTH, HEIGHT, 8, 1)
    assert header.whole and header.pixels == header.weight


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation(kind: str, orientation: int) -> None:
    header = read_header(turned(kind, orientation))
    assert header is not None and header.orientation == orientation
    assert (header.width, header.height) == (WIDTH, HEIGHT)


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_there_is_not_is_none(orientation: int) -> None:
    header = read_header(turned("JPEG", orientation))
    assert header is not None and header.orientation == 1


@settings(max_examples=200, deadline=None)
@given(
    name=st.sampled_from(sorted(FILES)),
    share=st.floats(0, 1),
    tail=st.binary(max_size=40),
    changes=st.lists(st.tuples(st.integers(0, 99), st.integers(0, 255)), max_size=4),
)
def test_no_bytes_end_in_more_than_none(name: str, share: float, tail: bytes, changes: list) -> None:
    content = bytearray(FILES[name])
    for at, value in changes:
        content[at % len(content)] = value
    header = read_header(bytes(content[: int(share * len(content))]) + tail)
    assert header is None or (header.weight >= header.pixels >= 0 and 1 <= header.orientation <= 8)


@pytest.mark.parametrize("name", [name for name in FILES if name not in ("TIFF of another order",)])
def test_a_file_cut_inside_its_data_is_not_whole(name: str) -> None:
    header = read_header(FILES[name][:-14])
    assert header is None or not header.whole
