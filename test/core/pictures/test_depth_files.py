import io
from pathlib import Path
from struct import pack

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selcon_ros.core.errors import DepthError
from selcon_ros.core.pictures.depth_files import read_depth
from selcon_ros.core.pictures.pixel_limit import PixelLimit

RAW = np.array([[0, 1000], [2500, 65535], [7, 8]], np.uint16)
METRES = np.array([[np.nan, 1.0], [2.5, np.inf], [0.25, -1.0]], np.float32)


@pytest.mark.parametrize("name", ["d.png", "d.tiff", "d.npy"])
def test_whole_numbers_are_in_the_camera_s_unit(tmp_path: Path, name: str) -> None:
    np.save(tmp_path / name, RAW) if name.endswith("npy") else cv2.imwrite(str(tmp_path / name), RAW)
    depth = read_depth(tmp_path / name, 0.0005)
    assert depth.dtype == np.float32
    np.testing.assert_allclose(depth, RAW * 0.0005)


def test_whole_numbers_of_another_byte_order(tmp_path: Path) -> None:
    np.save(tmp_path / "d.npy", RAW.astype(">u2"))
    np.testing.assert_allclose(read_depth(tmp_path / "d.npy", 0.0005), RAW * 0.0005)


def test_a_tiff_of_twelve_bits_is_refused(tmp_path: Path) -> None:
    """OpenCV reads its values times 16."""
    entries = [(256, 2), (257, 1), (258, 12), (259, 1), (262, 1), (273, 8), (277, 1), (278, 1), (279, 3)]
    directory = b"".join(pack("<HHII", tag, 3, 1, value) for tag, value in entries)
    content = b"II*\0" + pack("<I", 12) + b"\x3e\x81\xf4\0" + pack("<H", len(entries)) + directory + bytes(4)
    (tmp_path / "d.tif").write_bytes(content)
    with pytest.raises(DepthError, match="depth has 12 bits: it must be 16 bit grey"):
        read_depth(tmp_path / "d.tif", 0.001)


def test_a_float_tiff_is_in_metres(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "d.tif"), METRES)
    np.testing.assert_array_equal(read_depth(tmp_path / "d.tif", 0.0005), METRES)


@pytest.mark.parametrize("kind", ["<f4", ">f4", "<f8", "<f2"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_float_array_is_in_metres(tmp_path: Path, kind: str, order: str) -> None:
    np.save(tmp_path / "d.npy", np.array(METRES, kind, order=order))
    depth = read_depth(tmp_path / "d.npy", 0.0005)
    assert depth.dtype == np.float32
    np.testing.assert_array_equal(depth, METRES)


def npy(array: np.ndarray, **options: bool) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, **options)
    return stream.getvalue()


def png(array: np.ndarray) -> bytes:
    return cv2.imencode(".png", array)[1].tobytes()


def npz() -> bytes:
    stream = io.BytesIO()
    np.savez(stream, RAW)
    return stream.getvalue()


CLAIMS_MORE = npy(METRES).replace(b"(3, 2)", b"(9, 9)")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.png", b"", "x.png is empty"), ("x.png", b"no image", "x.png is not an image"),
        ("x.png", png(np.ones((4, 4), np.uint8)), "depth is uint8 with shape .4, 4.: it must be 16 bit grey"),
        ("x.png", png(np.ones((4, 4, 3), np.uint16)), "depth is uint16 with shape .4, 4, 3."),
        ("x.npy", b"", "x.npy is not a .npy file"), ("x.npy", png(RAW), "is not a .npy file with one array"),
        ("x.npz", npz(), "is not a .npy file with one array"),
        ("x.npy", npy(np.array([[{}]]), allow_pickle=True), "depth is object with shape"),
        ("x.npy", npy(np.ones((4, 4), np.int32)), "depth is int32"),
        ("x.npy", npy(np.ones((4, 4, 1), np.float32)), "depth is float32 with shape .4, 4, 1."),
        ("x.npy", npy(np.ones((0, 4), np.float32)), "has 4 x 0 pixels: it is damaged"),
        ("x.npy", npy(METRES)[:-1], "x.npy is cut short or damaged: 2 x 3 values of float32 are 24 bytes"),
        ("x.npy", CLAIMS_MORE, "9 x 9 values of float32 are 324 bytes, it has 24"),
        ("x.npy", npy(np.zeros((40, 40), np.float32)), "has 40 x 40 pixels; at most 1000 are read"),
        ("x.npy", npy(np.zeros((100, 100), np.float64)), "bytes, more than the"),
        ("x.npy", npy(METRES).replace(b"'descr'", b"'desc\\'"), "is not a .npy file"),
    ],
)  # fmt: skip
def test_other_depth_is_refused(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DepthError, match=message) as raised:
        read_depth(tmp_path / name, 0.001, PixelLimit(1000))
    assert "\n" not in str(raised.value)


@settings(max_examples=100, deadline=None)
@given(at=st.integers(0, 151), put=st.binary(max_size=6))
def test_a_spoilt_array_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, at: int, put: bytes
) -> None:
    content = npy(METRES)
    file = tmp_path_factory.getbasetemp() / "spoilt.npy"
    file.write_bytes(content[:at] + put + content[at + len(put) :])
    try:
        assert read_depth(file, 0.001, PixelLimit(1000)).ndim == 2
    except DepthError as error:
        assert "\n" not in str(error)
