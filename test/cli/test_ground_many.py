"""`selcon ground` with many pictures: a line each, and files of their names."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import Result

from selcon_ros.cli.main import main
from selcon_ros.core.pictures.picture_files import read_image, write_image
from support.processes import runner


def many(folder: Path, *arguments: str) -> Result:
    """Ground what is named with @ for the folder, and two bars in `bars`."""
    (folder / "bars").mkdir(exist_ok=True)
    bar = read_image(folder / "bar.png")
    write_image(folder / "bars" / "one.png", bar)
    write_image(folder / "bars" / "two.jpg", bar[:, ::-1])
    (folder / "bars" / "notes.txt").write_text("no picture")
    (folder / "bars" / "._one.png").write_bytes(b"of another system")
    given = [text.replace("@", f"{folder}/") for text in arguments]
    return runner().invoke(main, ["ground", *given, "--action", "hold", "--bundle", str(folder / "colours")])


@pytest.mark.parametrize("given", [["@bars"], ["@bars/*.*g"], ["@bars/one.png", "@bars/two.jpg"]])
def test_of_many_pictures_each_has_a_line(folder: Path, given: list[str]) -> None:
    result = many(folder, *given)
    assert result.exit_code == 0, result.output
    one, two = result.stdout.splitlines()
    assert one.startswith(f"{folder}/bars/one.png: hold 0.9") and ", grasp at (2" in one
    assert two.startswith(f"{folder}/bars/two.jpg: hold 0.9") and ", grasp at (" in two


def test_many_pictures_leave_overlays_heatmaps_and_json(folder: Path) -> None:
    given = ["@bars", "--out", "@overlays", "--heatmaps", "@heat", "--json"]
    result = many(folder, *given)
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert [Path(record["image"]).name for record in records] == ["one.png", "two.jpg"]
    assert [Path(record["overlay"]).name for record in records] == ["one.png", "two.png"]
    assert read_image(folder / "overlays" / "two.png").shape == (480, 640, 3)
    grey = cv2.imread(str(folder / "heat" / "one.png"), cv2.IMREAD_UNCHANGED)
    many(folder, "@bars", "--heatmaps", "@heat", "--heatmap-format", "npy")
    values = np.load(folder / "heat" / "one.npy")
    assert grey.dtype == np.uint16 and values.dtype == np.float32
    assert values.min() >= 0 and values.max() == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(grey / 65535, values, atol=1e-5)
    # Twice the same command writes the same files.
    assert many(folder, *given).stdout == result.stdout


def test_one_of_many_that_cannot_be_used_is_told_and_the_others_are_answered(folder: Path) -> None:
    (folder / "bars").mkdir()
    (folder / "bars" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    result = many(folder, "@bars", "--json")
    assert result.exit_code == 1 and "1 of 3 pictures could not be used" in result.stderr
    broken, one, _ = (json.loads(line) for line in result.stdout.splitlines())
    assert "broken.png" in broken["error"] and one["grasps"]


def test_depth_of_many_pictures_is_a_folder_of_their_names(folder: Path) -> None:
    (folder / "depths").mkdir()
    for name in ("one", "two"):
        (folder / "depths" / f"{name}.png").write_bytes((folder / "depth.png").read_bytes())
    given = ["@bars", "--depth", "@depths", "--camera", "@camera.json", "--json"]
    records = [json.loads(line) for line in many(folder, *given).stdout.splitlines()]
    assert all(record["grasps"][0]["position"] for record in records)
    (folder / "depths" / "two.png").unlink()
    result = many(folder, *given)
    assert result.exit_code == 1 and "depths/two.png" in result.stderr


def test_pictures_of_one_name_have_names_of_their_own(folder: Path) -> None:
    (folder / "more").mkdir()
    (folder / "more" / "one.png").write_bytes((folder / "bar.png").read_bytes())
    result = many(folder, "@bars", "@more", "--out", "@overlays")
    assert result.exit_code == 0, result.output
    names = sorted(path.name for path in (folder / "overlays").iterdir())
    assert names == ["bars_one_png.png", "more_one_png.png", "two.png"]


def test_no_two_overlays_have_one_name(folder: Path) -> None:
    (folder / "bars").mkdir()
    for name in ("x.png", "x.jpg", "bars_x_png.png", "bars_x_png_2.png"):
        write_image(folder / "bars" / name, read_image(folder / "bar.png"))
    assert many(folder, "@bars", "--out", "@overlays").exit_code == 0
    assert len(list((folder / "overlays").iterdir())) == 6


def test_nothing_is_done_where_one_of_many_would_be_lost(folder: Path) -> None:
    (folder / "out").mkdir()
    write_image(folder / "out" / "z.png", read_image(folder / "bar.png"))
    result = many(folder, "@bars", "@out/z.png", "--out", "@out")
    assert result.exit_code == 2 and "out/z.png itself, which would be lost" in result.stderr
    assert [path.name for path in (folder / "out").iterdir()] == ["z.png"] and not result.stdout


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([""], "a picture's name is empty"),
        (["@bars", ""], "a picture's name is empty"),
        (["@empty"], "empty has no picture"),
        (["@bars/*.webp"], "no file matches"),
        (["@bars", "--out", "@bar.png"], "of many pictures it must be a folder"),
        (["@bars", "--heatmaps", "@bars", "--out", "@bars"], "itself, which would be lost"),
        (["@nowhere.png"], "nowhere.png"),
    ],
)
def test_bad_files_of_many_are_told(folder: Path, given: list[str], said: str) -> None:
    (folder / "empty").mkdir()
    result = many(folder, *given)
    assert result.exit_code != 0 and said in result.stderr
