import json
from pathlib import Path

import pytest

from selcon_ros.core.camera import Intrinsics
from selcon_ros.core.camera_files import read_camera
from selcon_ros.core.errors import CameraError

CAMERA = {"width": 640, "height": 480, "fx": 600.0, "fy": 600, "cx": 320.0, "cy": 240, "depth_scale": 0.0005}


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
