import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import Result
from PIL import Image

from selcon_ros.cli.main import main
from selcon_ros.core.pictures.picture_files import read_image
from support.bundles import colour_bundle
from support.processes import runner

CAMERA = {"width": 640, "height": 480, "fx": 600, "fy": 600, "cx": 320, "cy": 240, "depth_scale": 0.0005}


def ground(folder: Path, *arguments: str, image: str = "bar.png", action: str = "hold") -> Result:
    fixed = ["ground", str(folder / image), "--action", action, "--bundle", str(folder / "colours")]
    return runner().invoke(main, [*fixed, *(text.replace("@", f"{folder}/") for text in arguments)])


def test_overlay_and_printed_grasp(folder: Path) -> None:
    result = ground(folder, "--out", "@new/overlay.png")
    assert result.exit_code == 0, result.output
    assert "hold: confidence 0.9" in result.stdout
    assert "grasp 1: pixel (2" in result.stdout and "position" not in result.stdout
    assert "knows nothing about objects" in result.stderr
    overlay, image = read_image(folder / "new" / "overlay.png"), read_image(folder / "bar.png")
    assert (overlay != image)[210:250, 220:340].any(axis=-1).mean() > 0.9


def test_a_model_that_saw_no_photograph_is_told_of(folder: Path) -> None:
    assert "rendered" not in ground(folder).stderr
    plain = json.loads(ground(folder, "--json").stdout)
    assert plain["rendered_only"] is False
    assert plain["engine"].startswith("ONNX Runtime") and plain["engine_choice"].startswith("onnxruntime: ")
    colour_bundle(folder / "rendered", training={"synthetic": True, "data": "cubes"})
    for extra in ((), ("--json",)):
        told = ground(folder, "--bundle", str(folder / "rendered"), *extra)
        (line,) = (line for line in told.stderr.splitlines() if line.startswith("warning: "))
        assert "model colours: trained on rendered scenes alone (cubes)" in line and "real camera" in line
    assert json.loads(told.stdout)["rendered_only"] is True


def test_json_with_a_pose(folder: Path) -> None:
    result = ground(folder, "--depth", "@depth.png", "--camera", "@camera.json", "--json", action="HOLD ")
    record = json.loads(result.stdout)
    assert record["action"] == "hold" and record["confidence"] > 0.9 and record["overlay"] is None
    (grasp,) = record["grasps"]
    u, v = grasp["pixel"]
    assert 200 <= u < 360 and 200 <= v < 260
    assert grasp["position"] == pytest.approx([(u - 320) * 0.001, (v - 240) * 0.001, 0.6], abs=1e-4)
    assert grasp["width"] == pytest.approx(0.060, abs=0.012)
    assert len(grasp["orientation"]) == 4


def test_a_description_stays_one_line(folder: Path) -> None:
    manifest = folder / "colours" / "manifest.json"
    record = json.loads(manifest.read_text()) | {"description": "first\n\x1b[2Jsecond"}
    manifest.write_text(json.dumps(record))
    assert "model colours: first\\n\\x1b[2Jsecond\n" in ground(folder).stderr


def test_printed_position_is_in_millimetres(folder: Path) -> None:
    result = ground(folder, "--depth", "@depth.png", "--camera", "@camera.json")
    assert ", 600) mm, width " in result.stdout


def test_what_is_not_there_is_not_grasped(folder: Path) -> None:
    result = ground(folder, action="pour")
    assert result.exit_code == 0
    assert "pour: confidence 0.0" in result.stdout and "no grasp: confidence 0.0" in result.stdout
    assert "grasp 1" not in result.stdout


def test_the_gripper_s_opening(folder: Path) -> None:
    result = ground(folder, "--depth", "@depth.png", "--camera", "@camera.json", "--max-width", "0.04")
    assert "the gripper opens 0.040 m" in result.stdout and "grasp 1" not in result.stdout


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((), {"action": "hld"}, "Error: unknown action 'hld': did you mean 'hold'?"),
        ((), {"action": ""}, "Error: the action is empty"),
        ((), {"image": "none.png"}, "Error: cannot read"),
        ((), {"image": "camera.json"}, "camera.json is not an image: it begins with"),
        (("--max-pixels", "100"), {}, "at most 100 are read: shrink it, or raise --max-pixels"),
        (("--bundle", "@none"), {}, "Error: no model bundle at"),
        (("--out", "@overlay.doc"), {}, "ends in .png or .jpg"),
        (("--depth", "@bar.png", "--camera", "@camera.json"), {}, "must be 16 bit grey, in units of"),
        (("--depth", "@depth.png", "--camera", "@depth.png"), {}, "Error: camera file"),
    ],
)
def test_bad_input_is_one_line(
    folder: Path, arguments: tuple[str, ...], options: dict[str, str], message: str
) -> None:
    result = ground(folder, *arguments, **options)
    assert result.exit_code == 1
    assert message in result.stderr and len(result.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("name", ["bar.png", "depth.png", "camera.json", "link.png"])
def test_an_input_is_not_overwritten(folder: Path, name: str) -> None:
    (folder / "link.png").symlink_to(folder / "bar.png")
    before = (folder / name).read_bytes()
    result = ground(folder, "--depth", "@depth.png", "--camera", "@camera.json", "--out", f"@{name}")
    assert result.exit_code == 2 and "which would be lost: choose another name" in result.stderr
    assert (folder / name).read_bytes() == before


def test_depth_needs_its_unit(folder: Path) -> None:
    result = ground(folder, "--depth", "@depth.png")
    assert result.exit_code == 2 and "--depth needs --camera" in result.stderr


def test_rectified_alone_says_nothing(folder: Path) -> None:
    result = ground(folder, "--rectified")
    assert result.exit_code == 2 and "--rectified says how to read --camera" in result.stderr


def test_depth_and_calibration_of_another_size(folder: Path) -> None:
    """Told before the model is opened, with the file's name."""
    cv2.imwrite(str(folder / "small.png"), np.full((240, 320), 1200, np.uint16))
    result = ground(folder, "--depth", "@small.png", "--camera", "@camera.json")
    says = f"Error: {folder / 'small.png'} is 320 x 240, the picture 640 x 480: take depth that is registered"
    assert result.exit_code == 1 and result.stderr.startswith(says)
    half = {"width": 320, "height": 240, "fx": 300, "fy": 300, "cx": 160, "cy": 120}
    (folder / "half.json").write_text(json.dumps(half))
    result = ground(folder, "--depth", "@depth.png", "--camera", "@half.json")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: {folder / 'half.json'} is 320 x 240, the picture 640 x 480")


# Forms of depth and camera.


@pytest.mark.parametrize("name", ["d.npy", "d.tiff"])
def test_depth_as_floats_is_in_metres(folder: Path, name: str) -> None:
    metres = cv2.imread(str(folder / "depth.png"), cv2.IMREAD_UNCHANGED).astype(np.float32) * np.float32(5e-4)
    np.save(folder / name, metres) if name.endswith("npy") else cv2.imwrite(str(folder / name), metres)
    result = ground(folder, "--depth", f"@{name}", "--camera", "@camera.json")
    assert ", 600) mm, width " in result.stdout


DISTORTED = """
image_width: 640
image_height: 480
camera_matrix: {rows: 3, cols: 3, data: [600, 0, 320, 0, 600, 240, 0, 0, 1]}
distortion_model: plumb_bob
distortion_coefficients: {rows: 1, cols: 5, data: [-1.5, 0.1, 0, 0, 0]}
projection_matrix: {rows: 3, cols: 4, data: [600, 0, 320, 0, 0, 600, 240, 0, 0, 0, 1, 0]}
"""


def test_a_calibration_s_distortion_counts_unless_the_picture_is_rectified(folder: Path) -> None:
    (folder / "ost.yaml").write_text(DISTORTED)
    depth = cv2.imread(str(folder / "depth.png"), cv2.IMREAD_UNCHANGED) // 2
    cv2.imwrite(str(folder / "mm.png"), depth)
    arguments = ("--depth", "@mm.png", "--camera", "@ost.yaml", "--json")
    (raw,) = json.loads(ground(folder, *arguments).stdout)["grasps"]
    u, v = raw["pixel"]
    k, d = np.array([[600.0, 0, 320], [0, 600, 240], [0, 0, 1]]), np.array([-1.5, 0.1, 0, 0, 0])
    x, y = cv2.undistortPoints(np.array([[[u, v]]]), k, d)[0, 0]
    assert raw["position"] == pytest.approx([0.6 * x, 0.6 * y, 0.6], abs=1e-4)
    assert abs(0.6 * x - (u - 320) * 0.001) > 2e-4, "the lens bends the ray"
    (rectified,) = json.loads(ground(folder, *arguments, "--rectified").stdout)["grasps"]
    u, v = rectified["pixel"]
    assert rectified["position"] == pytest.approx([(u - 320) * 0.001, (v - 240) * 0.001, 0.6], abs=1e-4)


def test_a_camera_without_depth_is_not_used(folder: Path) -> None:
    result = ground(folder, "--camera", "@camera.json")
    assert result.exit_code == 0 and "camera.json is not used: without --depth" in result.stderr


def test_depth_in_another_unit_is_refused(folder: Path) -> None:
    np.save(folder / "d.npy", np.full((480, 640), 600, np.float32))
    result = ground(folder, "--depth", "@d.npy", "--camera", "@camera.json")
    assert result.exit_code == 1 and len(result.stderr.strip().splitlines()) == 1
    assert "d.npy: the median depth is 600 m" in result.stderr and "floats must be metres" in result.stderr


def test_a_scale_in_units_a_metre_is_refused(folder: Path) -> None:
    (folder / "camera.json").write_text(json.dumps({**CAMERA, "depth_scale": 1000}))
    result = ground(folder, "--depth", "@depth.png", "--camera", "@camera.json")
    assert result.exit_code == 1 and "depth_scale makes 1000 m of a unit of depth" in result.stderr


# Pictures that are stored turned.


def store(folder: Path, orientation: int, square: bool = False) -> None:
    """Store bar.jpg turned: the bar's pixels as in bar.png, and an EXIF orientation."""
    picture = Image.open(folder / "bar.png").crop((0, 0, 480, 480) if square else (0, 0, 640, 480))
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture.save(folder / "bar.jpg", exif=exif, quality=95)


GEOMETRY = ("--depth", "@depth.png", "--camera", "@camera.json")


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_a_turned_picture_is_grasped_as_its_depth_is_stored(folder: Path, orientation: int) -> None:
    store(folder, orientation)
    result = ground(folder, *GEOMETRY, "--json", "--out", "@overlay.png", image="bar.jpg")
    record = json.loads(result.stdout)
    (grasp,) = record["grasps"]
    u, v = grasp["pixel"]
    assert 200 <= u < 360 and 200 <= v < 260
    assert grasp["position"] == pytest.approx([(u - 320) * 0.001, (v - 240) * 0.001, 0.6], abs=1e-4)
    assert (record["exif_orientation"], record["raster"]) == (orientation, "stored")
    overlay = read_image(folder / "overlay.png")
    assert overlay.shape == (480, 640, 3)
    assert (overlay != read_image(folder / "bar.png"))[210:250, 220:340].any(axis=-1).mean() > 0.9
    assert f"has EXIF orientation {orientation}: it was grounded upright" in result.stderr


def test_without_depth_a_turned_picture_is_upright(folder: Path) -> None:
    store(folder, 6)
    result = ground(folder, "--json", "--out", "@overlay.png", image="bar.jpg")
    record = json.loads(result.stdout)
    u, v = record["grasps"][0]["pixel"]
    assert 480 - 260 <= u < 480 - 200 and 200 <= v < 360  # turned a quarter clockwise
    assert (record["exif_orientation"], record["raster"]) == (6, "upright")
    assert read_image(folder / "overlay.png").shape == (640, 480, 3)


@pytest.mark.parametrize("orientation", [2, 3, 4])
def test_a_turn_that_keeps_the_size_is_not_guessed(folder: Path, orientation: int) -> None:
    store(folder, orientation)
    result = ground(folder, *GEOMETRY, image="bar.jpg")
    assert result.exit_code == 1 and len(result.stderr.strip().splitlines()) == 1
    assert f"EXIF orientation {orientation}, which keeps its size 640 x 480" in result.stderr
    assert "exiftool -Orientation=" in result.stderr


def test_a_square_picture_that_is_turned_is_not_guessed(folder: Path) -> None:
    store(folder, 6, square=True)
    depth = cv2.imread(str(folder / "depth.png"), cv2.IMREAD_UNCHANGED)
    cv2.imwrite(str(folder / "depth.png"), depth[:, :480])
    (folder / "camera.json").write_text(json.dumps({**CAMERA, "width": 480}))
    result = ground(folder, *GEOMETRY, image="bar.jpg")
    assert result.exit_code == 1 and "orientation 6, which keeps its size 480 x 480" in result.stderr


def test_depth_of_the_turned_picture_is_refused(folder: Path) -> None:
    store(folder, 6)
    depth = cv2.imread(str(folder / "depth.png"), cv2.IMREAD_UNCHANGED)
    cv2.imwrite(str(folder / "depth.png"), np.rot90(depth, -1))
    (folder / "camera.json").write_text(json.dumps({**CAMERA, "width": 480, "height": 640}))
    result = ground(folder, *GEOMETRY, image="bar.jpg")
    assert result.exit_code == 1
    assert "depth.png is 480 x 640, as the picture is when turned, not as it is stored" in result.stderr


def test_depth_with_another_orientation_is_refused(folder: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.full((480, 640), 1200, np.uint16)).save(folder / "depth.png", exif=exif)
    result = ground(folder, *GEOMETRY)
    assert result.exit_code == 1
    assert "depth.png has EXIF orientation 6, its picture 1" in result.stderr


def test_a_nearly_black_picture_is_answered_and_told(folder: Path) -> None:
    image = read_image(folder / "bar.png")
    cv2.imwrite(str(folder / "twelve.png"), image[..., ::-1].astype(np.uint16) * 16)  # 12 bits in 16
    result = ground(folder, image="twelve.png")
    assert result.exit_code == 0 and "warning: " in result.stderr
    assert "twelve.png is nearly black, its brightest value is" in result.stderr
    assert "nearly black" not in ground(folder).stderr
