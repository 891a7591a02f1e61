import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selcon_ros.core.cameras.camera import Intrinsics
from selcon_ros.core.cameras.camera_files import read_camera
from selcon_ros.core.cameras.distortion import Distortion
from selcon_ros.core.errors import CameraError
from support.camera_files import CALIBRATION, CAMERA, EXPECTED, MESSAGE, OST, REALSENSE, D, K, opencv

MESSAGE_ROS1 = MESSAGE.replace("d:\n", "D:\n").replace("k:\n", "K:\n").replace("p:\n", "P:\n")
OPEN3D = {"width": 640, "height": 480, "intrinsic_matrix": [600.5, 0, 0, 0, 601.0, 0, 321.0, 239.0, 1]}


def written(folder: Path, content: str | bytes | dict[str, Any]) -> Path:
    if isinstance(content, dict):
        content = json.dumps(content)
    (folder / "c.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder / "c.json"


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["", "byte order mark"])
@pytest.mark.parametrize(
    "text",
    [
        json.dumps(
            {
                **CAMERA,
                "fx": 600.5,
                "fy": 601.0,
                "cx": 321.0,
                "cy": 239.0,
                "d": D,
                "distortion_model": "plumb_bob",
            }
        ),
        CALIBRATION,
        CALIBRATION.replace("distortion_model", "camera_model"),
        CALIBRATION.replace("\n", "\r\n"),
        MESSAGE,
        MESSAGE + MESSAGE,
        MESSAGE_ROS1,
        OST,
        opencv(".yml"),
        opencv(".json"),
        opencv(".yml").replace("%YAML 1.2", "%YAML:1.0"),
        json.dumps(REALSENSE),
        f"{{d: {list(D)}, distortion_model: plumb_bob, height: 480, k: {K}, width: 640}}\n---\n",
    ],
    ids=[
        "own",
        "calibration",
        "older calibration",
        "line ends",
        "message",
        "messages",
        "ROS 1",
        "ost",
        "OpenCV YAML",
        "OpenCV JSON",
        "older OpenCV",
        "librealsense",
        "flow style",
    ],
)
def test_forms_with_distortion(tmp_path: Path, text: str, mark: bytes) -> None:
    assert read_camera(written(tmp_path, mark + text.encode()))[0] == EXPECTED


def test_our_own_form(tmp_path: Path) -> None:
    assert read_camera(written(tmp_path, CAMERA)) == (Intrinsics(600, 600, 320, 240, 640, 480), 0.0005)
    more = {**CAMERA, "undistorted": True, "distortion_type": "none", "k1": 0, "distortions": [0, 0]}
    assert read_camera(written(tmp_path, more)) == read_camera(written(tmp_path, CAMERA))
    without = {key: value for key, value in CAMERA.items() if key != "depth_scale"}
    assert read_camera(written(tmp_path, without))[1] == 0.001


@pytest.mark.parametrize(
    "record",
    [OPEN3D, {"class_name": "PinholeCameraParameters", "extrinsic": [1] * 16, "intrinsic": OPEN3D}],
    ids=["intrinsic", "parameters"],
)
def test_open3d(tmp_path: Path, record: dict[str, Any]) -> None:
    expected = Intrinsics(600.5, 601.0, 321.0, 239.0, 640, 480)
    assert read_camera(written(tmp_path, record)) == (expected, 0.001)


def test_open3d_s_depth_scale_is_units_a_metre(tmp_path: Path) -> None:
    assert read_camera(written(tmp_path, {**OPEN3D, "depth_scale": 4000.0}))[1] == 0.00025


@pytest.mark.parametrize("text", [CALIBRATION, MESSAGE, OST])
def test_a_rectified_picture_has_the_projection_matrix(tmp_path: Path, text: str) -> None:
    expected = Intrinsics(580.0, 581.0, 322.0, 238.0, 640, 480)
    assert read_camera(written(tmp_path, text), rectified=True)[0] == expected


def test_a_trace_of_skew_does_no_harm_and_a_projection_by_columns_is_refused(tmp_path: Path) -> None:
    text = CALIBRATION.replace("0.     , 321", "0.2    , 321")
    assert read_camera(written(tmp_path, text))[0] == EXPECTED
    text = CALIBRATION.replace("[580, 0, 322, 0, 0, 581, 238, 0,", "[580, 0, 0, 0, 0, 581, 0, 0,")
    text = text.replace("0, 0, 1, 0]", "322, 238, 1, 0]")
    with pytest.raises(CameraError, match="projection_matrix is .*row by row"):
        read_camera(written(tmp_path, text), rectified=True)


def test_a_rectified_picture_of_a_pinhole_needs_none(tmp_path: Path) -> None:
    expected = Intrinsics(600, 600, 320, 240, 640, 480)
    assert read_camera(written(tmp_path, CAMERA), rectified=True)[0] == expected
    with pytest.raises(CameraError, match="has no projection matrix"):
        read_camera(written(tmp_path, opencv(".yml")), rectified=True)


def test_binning_and_region_of_a_message(tmp_path: Path) -> None:
    text = MESSAGE.replace("binning_x: 0", "binning_x: 2").replace("binning_y: 0", "binning_y: 2")
    text = text.replace("x_offset: 0", "x_offset: 100").replace("  height: 0", "  height: 320")
    text = text.replace("  width: 0", "  width: 400")
    camera, _ = read_camera(written(tmp_path, text))
    assert (camera.width, camera.height, camera.fx) == (200, 160, 300.25)
    assert camera.cx == pytest.approx((321 - 100 + 0.5) / 2 - 0.5)
    assert camera.distortion == EXPECTED.distortion


@pytest.mark.parametrize(
    ("model", "coefficients", "expected"),
    [
        ("distortion.none", D, None),
        ("None", D, None),
        ("distortion.modified_brown_conrady", [0] * 5, None),
        ("Brown Conrady", D, EXPECTED.distortion),
        ("rs2_distortion_brown_conrady", D, EXPECTED.distortion),
        ("kannala_brandt4", [0.1, 0.2, 0, 0, 0], Distortion("equidistant", (0.1, 0.2, 0.0, 0.0))),
    ],
)
def test_librealsense_s_models(
    tmp_path: Path, model: str, coefficients: list[float], expected: Distortion | None
) -> None:
    file = written(tmp_path, {**REALSENSE, "model": model, "coeffs": coefficients})
    assert read_camera(file)[0].distortion == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (opencv(".yml", fisheye_model=1, distortion_coefficients=np.full(4, 0.1)), "equidistant"),
        (opencv(".yml", distortion_model="fisheye", distortion_coefficients=np.full(4, 0.1)), "equidistant"),
        (opencv(".yml", fisheye_model=0), "plumb_bob"),
        (opencv(".yml", distortion_coefficients=np.full(8, 0.1)), "rational_polynomial"),
        (opencv(".yml", distortion_coefficients=np.full(14, 0.1)), "rational_polynomial"),
    ],
)
def test_opencv_s_models(tmp_path: Path, text: str, expected: str) -> None:
    assert read_camera(written(tmp_path, text))[0].distortion.model == expected


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "c.json is empty"), ("[1]", "must hold an object of JSON"),
        ("text", "must hold a mapping of YAML"),
        ({**CAMERA, "fx": "600"}, "c.json: fx must be a number, got '600'"),
        ({**CAMERA, "fx": True}, "fx must be a number, got True"),
        ({**CAMERA, "fx": 0}, "c.json: the camera is not calibrated"),
        ({**CAMERA, "fx": 1e-38}, "camera fx = 1e-38"), ({**CAMERA, "fy": 20}, "camera fy is 20"),
        ({**CAMERA, "cx": None}, "cx must be a number, got None"),
        ({**CAMERA, "width": 640.5}, "width must be a whole number"),
        ({**CAMERA, "depth_scale": 0}, "depth_scale must be above zero"),
        ({**CAMERA, "depth_scale": 1000}, "makes 1000 m of a unit of depth: it is metres a unit, 0.001 for"),
        ({**OPEN3D, "depth_scale": 0.001}, "depth_scale makes 1000 m"),
        ({"a": 1}, "it has no form that is read: JSON with width"),
        ({**OPEN3D, "intrinsic_matrix": K}, "intrinsic_matrix is .*column by column"),
        ({**OPEN3D, "intrinsic_matrix": K[:8]}, "intrinsic_matrix must be a list of 9 numbers"),
        ({**CAMERA, "k1": 0.1, "p2": 0.1}, "distortion as 'k1, p2': write distortion_model and a list"),
        ({**CAMERA, "distortion": {"k1": 0.1, "k2": 0, "p2": 0.1}}, "distortion as 'k1, p2': write"),
        ({**CAMERA, "distortionCoefficients": D}, "distortion as 'distortioncoefficients'"),
        ({**CAMERA, "d": {"0": 0.1}}, "the distortion must be a list of some numbers"),
        ({**CAMERA, "d": [0.1, 0.1, 0, 0]}, "4 distortion coefficients and does not say of which model"),
        ({**CAMERA, "d": [0.1] * 5, "distortion_model": "ftheta"}, "model 'ftheta' is not known"),
        ({**CAMERA, "d": "0.1 0.1"}, "the distortion must be a list of some numbers, got '0.1 0.1'"),
        ({**REALSENSE, "model": "modified_brown_conrady"}, "'modified_brown_conrady' is not known"),
        (CALIBRATION.replace("600.50000", "x"), "camera_matrix must be a number, got 'x'"),
        (CALIBRATION.replace("cols: 5", "cols: 4"), "the distortion has 5 numbers, not 1 x 4"),
        (CALIBRATION.replace("image_width: 640", "image_width: 640.5"), "image_width must be a whole number"),
        (CALIBRATION.replace("0.     , 321", "3.     , 321"), "camera_matrix is .*row by row, without skew"),
        (CALIBRATION.replace("0.     ,   1.     ]", "0.     ,   2.     ]"), "camera_matrix ends with 2, not"),
        (CALIBRATION.replace("-0.28", ".nan"), "the distortion must be a number, got '.nan'"),
        (CALIBRATION.replace("-0.28", "nan"), "a coefficient of the lens distortion plumb_bob is nan"),
        (CALIBRATION + "depth_scale: nan\n", "depth_scale must be above zero, got nan"),
        (MESSAGE.replace("x_offset: 0", "x_offset: 700"), "the region of interest, 640 x 480 at"),
        (MESSAGE.replace("x_offset: 0", "x_offset: inf"), "x_offset must be a whole number, got inf"),
        (CALIBRATION.replace("[", "{"), "c.json is not valid YAML: .*, line 9, column 41"),
        (b"\x89PNG\r\n\x1a\n", "c.json is not UTF-8 text"),
        (opencv(".xml"), "is XML: write it as YAML or JSON"),
        ("a: &x [1]\nb: *x\n", "is not valid YAML: it has aliases"),
        ("a: " + 2000 * "[", "is not valid YAML: nested too deep"),
        ('{"a":' + 3000 * "[", "is not valid JSON"),
        ("? [1]\n: 2\n", "is not valid YAML"), (OST + OST, "holds 2 cameras"),
    ],
)  # fmt: skip
def test_wrong_camera_files_are_one_line(
    tmp_path: Path, content: str | bytes | dict[str, Any], message: str
) -> None:
    with pytest.raises(CameraError, match=message) as raised:
        read_camera(written(tmp_path, content))
    assert "camera file" in str(raised.value) and "\n" not in str(raised.value)
    assert len(str(raised.value)) < 600


def test_a_large_file_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(CameraError, match="more than the 64000 that are read"):
        read_camera(written(tmp_path, CALIBRATION + 64_000 * "#"))


def test_yaml_without_pyyaml_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "yaml", None)
    with pytest.raises(CameraError, match="pip install pyyaml, or apt install python3-yaml"):
        read_camera(written(tmp_path, CALIBRATION))
    assert read_camera(written(tmp_path, CAMERA))[1] == 0.0005


FORMS = [CALIBRATION, MESSAGE, OST, opencv(".yml"), *map(json.dumps, (CAMERA, REALSENSE, OPEN3D))]
ODD = ["1e999", "-1", "nan", "[", "]", "{", "null", "1" * 400]


@settings(max_examples=150, deadline=None)
@given(
    text=st.sampled_from(FORMS),
    at=st.floats(0, 1),
    length=st.integers(0, 30),
    put=st.one_of(st.text(max_size=8), st.sampled_from(ODD)),
)
def test_a_spoilt_file_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, text: str, at: float, length: int, put: str
) -> None:
    place = int(at * len(text))
    spoilt = text[:place] + put + text[place + length :]
    file = tmp_path_factory.getbasetemp() / "spoilt.txt"
    file.write_bytes(spoilt.encode("utf-8", "surrogatepass"))
    try:
        camera, scale = read_camera(file)
    except CameraError as error:
        assert "\n" not in str(error)
        return
    assert 0 < scale <= 1 and np.isfinite([camera.fx, camera.fy, camera.cx, camera.cy]).all()
