"""Every encoding, row padding and byte order; damaged messages; and the way back into a message."""

import array
import tracemalloc

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sensor_msgs.msg import Image

from selcon_ros.ros.conversions import ENCODINGS, MessageError, fill_image, image_from_message
from selcon_ros.ros.depth import depth_from_message
from support.messages import compressed_image, encoded, header, raw_image

sizes = st.integers(1, 9).map(lambda half: 2 * half)
CHANNELS = {"rgb": 3, "bgr": 3, "rgba": 4, "bgra": 4, "mono": 1}
# For each position of a 2 x 2 mosaic the channel of RGB that it measures.
MOSAICS = {"rggb": (0, 1, 1, 2), "bggr": (2, 1, 1, 0), "gbrg": (1, 2, 0, 1), "grbg": (1, 0, 2, 1)}


def noise(height: int, width: int, channels: int, dtype: type, seed: int) -> np.ndarray:
    shape = (height, width) if channels == 1 else (height, width, channels)
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max + 1, shape).astype(dtype)


def expected(pixels: np.ndarray, name: str) -> np.ndarray:
    """RGB by definition: pick the channels by name, keep the upper eight bits."""
    if pixels.dtype == np.uint16:
        pixels = (pixels // 256).astype(np.uint8)
    if name == "mono":
        return np.repeat(pixels[..., None], 3, axis=2)
    return pixels[..., [name.index(letter) for letter in "rgb"]]


@given(
    name=st.sampled_from(sorted(CHANNELS)),
    bits=st.sampled_from([8, 16]),
    height=sizes,
    width=sizes,
    padding=st.integers(0, 7),
    big_endian=st.booleans(),
    seed=st.integers(0, 2**32),
)
def test_colour_and_grey_of_any_padding_and_byte_order(name, bits, height, width, padding, big_endian, seed):
    pixels = noise(height, width, CHANNELS[name], {8: np.uint8, 16: np.uint16}[bits], seed)
    message = raw_image(pixels, f"{name}{bits}", padding, big_endian)
    result = image_from_message(message)
    assert result.dtype == np.uint8 and result.flags.c_contiguous
    np.testing.assert_array_equal(result, expected(pixels, name))


@pytest.mark.parametrize(
    ("alias", "name"), [("8UC1", "mono"), ("8UC3", "bgr"), ("8UC4", "bgra"), ("RGB8", "rgb")]
)
def test_opencv_names_and_capitals(alias, name):
    pixels = noise(4, 6, CHANNELS[name], np.uint8, 0)
    np.testing.assert_array_equal(image_from_message(raw_image(pixels, alias)), expected(pixels, name))


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("mosaic", sorted(MOSAICS))
@pytest.mark.parametrize("big_endian", [False, True])
def test_bayer_mosaics_show_the_painted_colour(mosaic, bits, big_endian):
    colour = np.array([200, 120, 40])
    tile = colour[list(MOSAICS[mosaic])].reshape(2, 2)
    pixels = np.tile(tile, (8, 10)).astype(np.uint8)
    if bits == 16:
        pixels = pixels.astype(np.uint16) * 256 + 7
    result = image_from_message(raw_image(pixels, f"bayer_{mosaic}{bits}", 4, big_endian))
    assert result.shape == (16, 20, 3)
    np.testing.assert_array_equal(result[4:-4, 4:-4], np.broadcast_to(colour, (8, 12, 3)))


def yuv(colour: tuple[int, int, int]) -> tuple[int, int, int]:
    """Y, U, V of an RGB colour (BT.601, video range)."""
    r, g, b = (value / 255 for value in colour)
    return (
        round(16 + 65.481 * r + 128.553 * g + 24.966 * b),
        round(128 - 37.797 * r - 74.203 * g + 112.0 * b),
        round(128 + 112.0 * r - 93.786 * g - 18.214 * b),
    )


@pytest.mark.parametrize("padding", [0, 6])
@pytest.mark.parametrize("encoding", ["yuv422", "uyvy", "yuv422_yuy2", "yuyv", "nv12", "nv21"])
@pytest.mark.parametrize("colour", [(220, 30, 40), (20, 200, 60), (30, 50, 210), (90, 90, 90)])
def test_yuv_shows_the_painted_colour(encoding, colour, padding):
    y, u, v = yuv(colour)
    height, width = 6, 8
    if encoding.startswith("nv"):
        chroma = (u, v) if encoding == "nv12" else (v, u)
        pixels = np.full((height * 3 // 2, width), y, np.uint8)
        pixels[height:] = np.tile(np.array(chroma, np.uint8), (height // 2, width // 2))
        message = raw_image(pixels, encoding, padding)
        message.height = height
    else:
        luma_first = encoding.startswith("yuyv") or encoding.endswith("yuy2")
        pair = (y, u, y, v) if luma_first else (u, y, v, y)
        message = raw_image(
            np.tile(np.array(pair, np.uint8), (height, width // 2)).reshape(height, width, 2),
            encoding,
            padding,
        )
    result = image_from_message(message)
    assert result.shape == (height, width, 3)
    assert np.abs(result.astype(int) - colour).max() <= 3


# rosbags-image takes the height of planar YUV for that of its data, and gives 8UC3 no colour.
@pytest.mark.parametrize("encoding", [name for name in ENCODINGS if not name.startswith(("nv", "8UC"))])
def test_agrees_with_an_independent_converter(encoding):
    rosbags_image = pytest.importorskip("rosbags.image", reason="missing: pip install rosbags-image")
    dtype = np.uint16 if encoding.endswith("16") else np.uint8
    yuv422 = encoding.startswith("yu") or encoding == "uyvy"
    channels = 2 if yuv422 else CHANNELS.get(encoding.rstrip("0168"), 1)
    message = raw_image(noise(16, 24, channels, dtype, 5), encoding)
    theirs = rosbags_image.message_to_cvimage(message, "rgb8")
    # Of 16 bits it keeps 255 / 65535, and only after developing a mosaic: rounding differs.
    assert np.abs(image_from_message(message).astype(int) - theirs).max() <= (2 if dtype == np.uint16 else 0)


@pytest.mark.parametrize(("ending", "tolerance"), [(".jpg", 6), (".png", 0)])
def test_compressed_colour_and_grey(ending, tolerance):
    ramp = cv2.resize(noise(4, 5, 3, np.uint8, 1), (80, 64), interpolation=cv2.INTER_LINEAR)
    colour = image_from_message(
        compressed_image(encoded(ramp[..., ::-1], ending), f"rgb8; {ending[1:]} compressed bgr8")
    )
    assert np.abs(colour.astype(int) - ramp).max() <= 3 * tolerance
    grey = image_from_message(compressed_image(encoded(ramp[..., 0], ending), "jpeg"))
    assert grey.shape == (64, 80, 3) and np.abs(grey[..., 1].astype(int) - ramp[..., 0]).max() <= tolerance


@pytest.mark.parametrize("encoding", ["rgb8", "bgr8", "rgb16", "bgr16", "rgba8", "bgra8"])
def test_image_transport_s_tiff_holds_the_values_of_the_message(encoding):
    """Unlike JPEG and PNG, which it converts to BGR before, as OpenCV wants it."""
    kind = np.uint16 if encoding.endswith("16") else np.uint8
    colour = {"r": 200, "g": 100, "b": 50, "a": 255}
    values = np.full((4, 6, len(encoding.rstrip("816"))), [colour[each] for each in encoding.rstrip("816")])
    sent = (values * (257 if kind == np.uint16 else 1)).astype(kind)
    message = compressed_image(encoded(sent, ".tiff"), f"{encoding}; tiff compressed ")
    assert (image_from_message(message) == (200, 100, 50)).all()


def test_a_true_tiff_of_another_sender_is_read_as_it_is():
    pixels = np.full((4, 6, 3), (200, 100, 50), np.uint8)
    message = compressed_image(encoded(pixels[..., ::-1], ".tiff"), "tiff")
    assert (image_from_message(message) == (200, 100, 50)).all()


def test_compressed_mosaic_is_developed():
    pixels = np.tile(np.array([[200, 120], [120, 40]], np.uint8), (8, 8))
    result = image_from_message(compressed_image(encoded(pixels, ".png"), "bayer_rggb8; png compressed "))
    assert result[8, 8].tolist() == [200, 120, 40]


def test_camera_padding_after_the_end_of_a_jpeg_is_accepted():
    data = encoded(noise(8, 8, 3, np.uint8, 2), ".jpg") + bytes(37)
    assert image_from_message(compressed_image(data, "jpeg")).shape == (8, 8, 3)


def broken(**changes):
    message = raw_image(noise(4, 6, 3, np.uint8, 0), "rgb8")
    for name, value in changes.items():
        setattr(message, name, value)
    return message


@pytest.mark.parametrize(
    ("message", "says"),
    [
        (broken(width=0), "0 x 4 pixels"),
        (broken(height=0), "6 x 0 pixels"),
        (broken(width=2**31, step=2**32 - 1), "2147483648 x 4 pixels"),
        (broken(height=4_000_000_000), "6 x 4000000000 pixels"),
        (broken(step=17), "step = 17 bytes a row, but 6 pixels of 'rgb8' take 18"),
        (broken(step=0), "step = 0"),
        (broken(data=bytes(71)), "truncated: 6 x 4 'rgb8' with step 18 needs 72 bytes, the message has 71"),
        (broken(data=b""), "the message has 0"),
        (broken(encoding="rgb9"), "unknown image encoding 'rgb9'; known are rgb8, bgr8"),
        (broken(encoding=""), "unknown image encoding ''"),
        (broken(encoding="16UC1"), "is depth"),
        (broken(encoding="32FC1"), "is depth"),
        (broken(encoding="yuyv", width=5), "needs even sides, this one is 5 x 4"),
        (broken(encoding="nv12", height=3), "needs even sides, this one is 6 x 3"),
    ],
)
def test_damaged_raw_images_are_named(message, says):
    with pytest.raises(MessageError, match=says.replace("(", r"\(")):
        image_from_message(message)


@pytest.mark.parametrize("missing", [1, 6])
def test_last_row_may_come_without_its_padding(missing):
    pixels = noise(4, 6, 3, np.uint8, 0)
    message = raw_image(pixels, "rgb8", padding=6)
    message.data = message.data[:-missing]
    np.testing.assert_array_equal(image_from_message(message), pixels)


def test_one_row_with_the_largest_step_is_refused():
    message = raw_image(noise(1, 32, 3, np.uint8, 0), "rgb8")
    message.step = 2**32 - 1
    with pytest.raises(MessageError, match="step = 4294967295 bytes a row; no row of 'rgb8' has more than "):
        image_from_message(message)


@settings(max_examples=150, deadline=None)
@given(
    encoding=st.sampled_from([*ENCODINGS, "16UC1", "32FC1"]),
    height=st.sampled_from([0, 1, 2, 4, 16384, 2**32 - 1]),
    width=st.sampled_from([0, 1, 2, 8, 16384, 2**32 - 1]),
    step=st.sampled_from([0, 1, 8, 24, 64, 2**16, 2**31, 2**32 - 1]),
    data=st.binary(max_size=300),
    big_endian=st.booleans(),
)
def test_nothing_is_allocated_for_data_that_are_not_there(encoding, height, width, step, data, big_endian):
    message = Image(encoding=encoding, height=height, width=width, step=step, data=array.array("B", data))
    message.is_bigendian = int(big_endian)
    tracemalloc.start()
    try:
        read = depth_from_message if encoding in ("16UC1", "32FC1") else image_from_message
        assert read(message).shape[:2] == (height, width)
    except MessageError:
        pass
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 2**20


JPEG, PNG = (encoded(noise(32, 32, 3, np.uint8, 3), ending) for ending in (".jpg", ".png"))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "the compressed image is empty"),
        (b"h264", "the compressed image is not an image: it begins with the bytes 68 32 36 34"),
        (JPEG[: len(JPEG) // 2], "the compressed image is cut short"),
        (JPEG[:-9] + JPEG, "the compressed image is cut short"),
        (JPEG[:3], "size cannot be found"),
        (JPEG[:2] + b"\xff\xd9", "size cannot be found"),
        (PNG[: len(PNG) // 2], "cut short"),
        (PNG[:16] + (60000).to_bytes(4, "big") * 2 + PNG[24:], "60000 x 60000 pixels"),
        (PNG[:16] + bytes(8) + PNG[24:], "0 x 0 pixels"),
        (PNG[:40] + bytes(60) + PNG[100:], "damaged"),
    ],
)
def test_damaged_compressed_images_are_named(data, says):
    with pytest.raises(MessageError, match=says):
        image_from_message(compressed_image(data, "jpeg"))


@given(
    data=st.binary(max_size=400),
    prefix=st.sampled_from([b"", JPEG[:200], PNG[:60]]),
    tail=st.sampled_from([b"", b"\xff\xd9", PNG[-12:]]),
)
def test_no_bytes_do_more_than_be_refused(data, prefix, tail):
    try:
        result = image_from_message(compressed_image(prefix + data + tail, "jpeg"))
    except MessageError:
        return
    assert result.ndim == 3


@pytest.mark.parametrize(
    ("dtype", "shape", "encoding"), [(np.float32, (5, 7), "32FC1"), (np.uint8, (5, 7, 3), "bgr8")]
)
def test_filling_a_message_and_filling_it_again(dtype, shape, encoding):
    message = Image()
    rng = np.random.default_rng(0)
    for size in (shape, shape, (3, *shape[1:])):  # the second reuses the memory, the third cannot
        pixels = (255 * rng.random(size)).astype(dtype)
        fill_image(message, pixels, encoding, header(3.5, "there"))
        assert (message.height, message.width) == size[:2]
        assert message.step == pixels[0].nbytes and message.encoding == encoding
        assert message.header.frame_id == "there" and message.header.stamp.sec == 3
        np.testing.assert_array_equal(np.frombuffer(message.data, dtype).reshape(size), pixels)


def test_a_reused_message_keeps_its_memory():
    message = fill_image(Image(), np.zeros((4, 4), np.float32), "32FC1", header())
    memory = message.data
    fill_image(message, np.ones((4, 4), np.float32), "32FC1", header())
    assert message.data is memory


def test_a_part_of_an_array_is_written_row_by_row():
    pixels = np.arange(48, dtype=np.uint8).reshape(6, 8)[1:4, 2:6]
    message = fill_image(Image(), pixels, "mono8", header())
    assert bytes(message.data) == pixels.tobytes() and message.step == 4
