"""What lies behind a picture's end does not count; what is missing before it does."""

import io

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from selcon_ros.core.errors import ImageError
from selcon_ros.core.pictures.image_decoding import decode
from selcon_ros.core.pictures.image_header import read_header

PIL = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8))


def encoded(kind: str, image: Image.Image = PIL, **options: object) -> bytes:
    data = io.BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


def read(content: bytes) -> np.ndarray:
    return decode(content, "x", cv2.IMREAD_COLOR, ImageError)


def with_thumbnail() -> bytes:
    exif = Image.Exif()
    exif[274] = 1
    return encoded("JPEG", exif=exif.tobytes() + encoded("JPEG", PIL.resize((24, 16))))


def with_restarts() -> bytes:
    options = [cv2.IMWRITE_JPEG_RST_INTERVAL, 1]
    return cv2.imencode(".jpg", np.asarray(PIL), options)[1].tobytes()


WHOLE = {
    "jpeg": encoded("JPEG"),
    "progressive": encoded("JPEG", progressive=True),
    "thumbnail": with_thumbnail(),
    "restarts": with_restarts(),
    "png": encoded("PNG"),
    "interlaced": encoded("PNG", interlace=1),
}
OTHER = encoded("JPEG", PIL.rotate(180))
TAILS = {
    "line end": b"\r\n",
    "fill byte": b"\xff",
    "zeros": bytes(500),
    "end marks": b"\xff\xd9\xff\xd9",
    "rest of another": OTHER[len(OTHER) // 2 :],
    "another picture": OTHER,
    "another png": encoded("PNG"),
}


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("name", WHOLE)
def test_a_picture_with_bytes_behind_its_end_is_whole(name: str, tail: str) -> None:
    np.testing.assert_array_equal(read(WHOLE[name] + TAILS[tail]), read(WHOLE[name]))


@pytest.mark.parametrize("between", [b"\0\0", b"\x12", b"\xff", b"\xff\0"])
@pytest.mark.parametrize("mark", [b"\xff\xdb", b"\xff\xda", b"\xff\xd9"])
def test_odd_bytes_between_a_jpeg_s_segments_do_no_harm(mark: bytes, between: bytes) -> None:
    """Cameras send them, and libjpeg steps over them, with a warning."""
    start, found, end = WHOLE["jpeg"].rpartition(mark)
    np.testing.assert_array_equal(read(start + between + found + end), read(WHOLE["jpeg"]))


@given(name=st.sampled_from(sorted(WHOLE)), tail=st.binary(max_size=60))
def test_any_bytes_behind_the_end_change_nothing(name: str, tail: bytes) -> None:
    assert read_header(WHOLE[name] + tail) == read_header(WHOLE[name])


@given(
    name=st.sampled_from(sorted(WHOLE)),
    share=st.floats(0, 1, exclude_max=True),
    tail=st.sampled_from([b"", b"\r\n", bytes(500), OTHER]),
)
def test_a_picture_cut_before_its_end_is_refused(name: str, share: float, tail: bytes) -> None:
    """Also where a whole picture follows: its end is not the first one's."""
    content = WHOLE[name]
    start = max(content.rfind(b"\xff\xda"), 23) + 14  # in its data
    header = read_header(content[: start + int(share * (len(content) - 2 - start))] + tail)
    assert header is None or not header.whole


def test_the_refusal_says_why() -> None:
    with pytest.raises(ImageError, match="x is cut short or damaged: its JPEG data have no end"):
        read(WHOLE["jpeg"][:-40] + OTHER)
    with pytest.raises(ImageError, match="x is cut short or damaged: its PNG data have no end"):
        read(WHOLE["png"][:-40] + WHOLE["png"])


def test_odd_bytes_between_later_segments_are_damage() -> None:
    """Behind the first scan, what was cut in a segment must not go on in another picture."""
    start, scan, end = WHOLE["progressive"].rpartition(b"\xff\xda")
    header = read_header(start + b"\0" + scan + end)
    assert header is not None and not header.whole


def test_a_cut_inside_another_pictures_scan_cannot_be_told() -> None:
    """A known limit: the data of a scan have no length, so the second half may be another picture's."""
    half = len(OTHER) // 2
    header = read_header(WHOLE["jpeg"][: len(WHOLE["jpeg"]) // 2] + OTHER[half:])
    assert header is not None and header.whole


def test_an_end_without_a_picture_is_none() -> None:
    assert read_header(b"\xff\xd8\xff\xd9") is None
    jpeg = WHOLE["jpeg"]
    header = read_header(jpeg[: jpeg.index(b"\xff\xda")] + b"\xff\xd9")
    assert header is not None and not header.whole
