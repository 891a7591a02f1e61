import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from selcon_ros.core.camera import Intrinsics
from selcon_ros.core.errors import CameraError, DepthError, ImageError
from selcon_ros.core.files import read_camera, read_depth, read_image, write_image

CAMERA = {"width": 640, "height": 480, "fx": 600.0, "fy": 600, "cx": 320.0, "cy": 240, "depth_scale": 0.0005}
CUT_SHORT = cv2.imencode(".png", np.ones((9, 9, 3)))[1].tobytes()[:40]


def test_pictures_are_rgb(tmp_path: Path) -> None:
    image = np.zeros((4, 6, 3), np.uint8)
    image[..., 0], image[..., 2] = 250, 10
    write_image(tmp_path / "new" / "red.png", image)
    np.testing.assert_array_equal(read_image(tmp_path / "new" / "red.png"), image)
    assert (cv2.imread(str(tmp_path / "new" / "red.png"))[0, 0] == (10, 0, 250)).all()


@pytest.mark.parametrize("channels", [1, 4])
def test_grey_and_transparent_pictures_become_rgb(tmp_path: Path, channels: int) -> None:
    cv2.imwrite(str(tmp_path / "x.png"), np.full((4, 6, channels), 99, np.uint8))
    assert (read_image(tmp_path / "x.png") == 99).all() and read_image(tmp_path / "x.png").shape == (4, 6, 3)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "x.png is empty"), (b"no image", "x.png is not an image"), (CUT_SHORT, "x.png is cut short"),
        (b"\xff\xd8 no jpeg", "x.png is not an image"),
    ],
)
def test_damaged_pictures(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(ImageError, match=message):
        read_image(tmp_path / "x.png")
    with pytest.raises(DepthError, match=message):
        read_depth(tmp_path / "x.png", 0.001)


def test_missing_picture_and_unwritable_name(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="cannot read .*No such file"):
        read_image(tmp_path / "none.png")
    with pytest.raises(ImageError, match="ends in .png or .jpg"):
        write_image(tmp_path / "x.doc", np.zeros((4, 4, 3), np.uint8))
    (tmp_path / "file").write_text("")
    with pytest.raises(ImageError, match="cannot write"):
        write_image(tmp_path / "file" / "x.png", np.zeros((4, 4, 3), np.uint8))


def test_depth_is_in_metres(tmp_path: Path) -> None:
    raw = np.array([[0, 1000], [2500, 65535]], np.uint16)
    cv2.imwrite(str(tmp_path / "d.png"), raw)
    depth = read_depth(tmp_path / "d.png", 0.0005)
    assert depth.dtype == np.float32
    np.testing.assert_allclose(depth, raw * 0.0005)


@pytest.mark.parametrize("raw", [np.ones((4, 4), np.uint8), np.ones((4, 4, 3), np.uint16)])
def test_depth_of_another_type_is_refused(tmp_path: Path, raw: np.ndarray) -> None:
    cv2.imwrite(str(tmp_path / "d.png"), raw)
    with pytest.raises(DepthError, match="must be a 16 bit grey image"):
        read_depth(tmp_path / "d.png", 0.001)


def test_camera_file(tmp_path: Path) -> None:
    file = tmp_path / "c.json"
    file.write_text(json.dumps(CAMERA))
    assert read_camera(file) == (Intrinsics(600, 600, 320, 240, 640, 480), 0.0005)
    file.write_text(json.dumps({key: value for key, value in CAMERA.items() if key != "depth_scale"}))
    assert read_camera(file)[1] == 0.001


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cannot be read"), ("[1]", "must be a JSON object"),
        (json.dumps(CAMERA | {"fx": "600"}), "fx must be a number, got '600'"),
        (json.dumps(CAMERA | {"fx": 0}), "c.json: the camera is not calibrated"),
        (json.dumps(CAMERA | {"cx": None}), "cx must be a number, got None"),
        (json.dumps(CAMERA | {"width": 640.5}), "width must be a whole number"),
        (json.dumps(CAMERA | {"width": float("inf")}), "width must be a whole number"),
        (json.dumps(CAMERA | {"depth_scale": 0}), "depth_scale must be above zero"),
        (json.dumps(CAMERA | {"depth_scale": float("nan")}), "depth_scale must be above zero"),
    ],
)
def test_wrong_camera_files(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "c.json").write_text(text)
    with pytest.raises(CameraError, match=message):
        read_camera(tmp_path / "c.json")
