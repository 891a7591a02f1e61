import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import Result

from selcon_ros.cli.main import main
from selcon_ros.core.bundle import default_bundle_path
from selcon_ros.core.files import read_image, write_image
from support.bundles import COLOURS, colour_bundle
from support.commands import runner

CAMERA = {"width": 640, "height": 480, "fx": 600, "fy": 600, "cx": 320, "cy": 240, "depth_scale": 0.0005}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A green bar, 128 x 32 pixels, 0.6 m from the camera, with its depth in half millimetres."""
    colour_bundle(tmp_path / "colours")
    image = np.full((480, 640, 3), 127, np.uint8)
    image[200:260, 200:360] = COLOURS["hold"]
    write_image(tmp_path / "bar.png", image)
    depth = np.full((480, 640), 1400, np.uint16)
    depth[200:260, 200:360] = 1200
    cv2.imwrite(str(tmp_path / "depth.png"), depth)
    (tmp_path / "camera.json").write_text(json.dumps(CAMERA))
    return tmp_path


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
    assert json.loads(ground(folder, "--json").stdout)["rendered_only"] is False
    for extra in ((), ("--json",)):
        told = ground(folder, "--bundle", str(default_bundle_path()), *extra)
        (line,) = (line for line in told.stderr.splitlines() if line.startswith("warning: "))
        assert "model tabletop: trained on rendered scenes alone" in line and "real camera" in line
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
        (("--depth", "@bar.png", "--camera", "@camera.json"), {}, "must be a 16 bit grey image"),
        (("--depth", "@depth.png", "--camera", "@depth.png"), {}, "Error: camera file"),
    ],
)
def test_bad_input_is_one_line(
    folder: Path, arguments: tuple[str, ...], options: dict[str, str], message: str
) -> None:
    result = ground(folder, *arguments, **options)
    assert result.exit_code == 1
    assert message in result.stderr and len(result.stderr.strip().splitlines()) == 1


def test_depth_needs_its_unit(folder: Path) -> None:
    result = ground(folder, "--depth", "@depth.png")
    assert result.exit_code == 2 and "--depth needs --camera" in result.stderr


def test_depth_of_another_size(folder: Path) -> None:
    cv2.imwrite(str(folder / "small.png"), np.ones((240, 320), np.uint16))
    result = ground(folder, "--depth", "@small.png", "--camera", "@camera.json")
    assert result.exit_code == 1 and "depth is 320x240, the image 640x480" in result.stderr
