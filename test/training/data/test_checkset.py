"""The check set of real photographs: its files follow from the polygons, every picture has its licence."""

import json
import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

pytest.importorskip("torch", reason="torch is missing: pip install 'selcon_ros[train]'")

from selcon_ros.cli.main import main
from selcon_training.data.agd20k import open_dataset
from selcon_training.data.checkset import (
    LICENCES,
    build,
    command,
    found,
    make,
    part_mask,
    read_actions,
    read_photos,
    read_polygons,
)
from selcon_training.errors import DataError

ROOT = Path(__file__).resolve().parents[3]
CHECKSET = ROOT / "training/checkset"
BUNDLE = ROOT / "selcon_ros/assets/tabletop"


@pytest.fixture
def copied(tmp_path):
    """The list, one hammer and one negative picture."""
    whole = json.loads((CHECKSET / "pictures.json").read_text())
    names = ("pictures/hammer2.webp", "pictures/bulb.webp")
    chosen = [entry for entry in whole["files"] if entry["path"] in names]
    root = tmp_path / "set"
    (root / "pictures").mkdir(parents=True)
    for name in (*names, "pictures/hammer2.json", "dataset.json"):
        shutil.copy(CHECKSET / name, root / name)
    (root / "pictures.json").write_text(json.dumps(whole | {"files": chosen}))
    return root


def change(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def change_shape(root, **changes):
    path = root / "pictures/hammer2.json"
    shapes = json.loads(path.read_text())["shapes"]
    change(path, shapes=[shapes[0] | changes, *shapes[1:]])


def test_the_committed_files_are_what_the_polygons_give():
    made = make(CHECKSET)
    assert found(CHECKSET) == {*made.links, *made.maps}
    for path, target in made.links.items():
        assert os.readlink(CHECKSET / path) == target and (CHECKSET / path).is_file()
    for path, values in made.maps.items():
        stored = cv2.imread(str(CHECKSET / path), cv2.IMREAD_UNCHANGED)
        # Truth maps are blurred in floating point: another OpenCV may round a value differently.
        allowed = 0 if "/mask/" in path else 1
        assert stored.shape == values.shape
        assert int(cv2.absdiff(stored, values).max()) <= allowed, path
    assert (CHECKSET / "LICENCES.md").read_text() == made.texts["LICENCES.md"]


def test_every_picture_is_listed_and_every_action_but_pour_is_asked():
    photos = read_photos(CHECKSET)
    files = {path.name for path in (CHECKSET / "pictures").iterdir()}
    drawn = {f"{photo.stem}.json" for photo in photos if photo.split == "testset"}
    assert files == {Path(photo.path).name for photo in photos} | drawn
    assert {photo.licence for photo in photos} <= set(LICENCES)
    copyright_line = "Copyright (c) 2010-2022 Kivy Team and other contributors"
    assert copyright_line in (CHECKSET / "LICENCE-kivy.txt").read_text()
    assert all(photo.link.startswith("https://") for photo in photos)
    data = open_dataset(CHECKSET)
    assert not data.exhaustive_truth  # a pair of pliers cuts a little too: what is not drawn is not denied
    assert {item.action for item in data.items("testset")} == set(read_actions(CHECKSET)) - {"pour"}
    assert {item.action for item in data.items("nothingset")} == set(read_actions(CHECKSET)) - {"hold"}


def test_no_picture_of_it_is_on_a_list_of_pictures_to_train_on():
    photos = read_photos(CHECKSET)
    mine = {photo.sha256 for photo in photos} | {photo.source_sha256 for photo in photos}
    for path in (ROOT / "training/selcon_tabletop").rglob("lists/*.json"):
        listed = {entry.get("sha256") for entry in json.loads(path.read_text()).get("files", [])}
        assert not mine & listed, path


def test_masks_cover_parts_and_no_more():
    actions = read_actions(CHECKSET)
    for photo in read_photos(CHECKSET):
        if photo.split == "nothingset":
            continue
        image = cv2.imread(str(CHECKSET / photo.path))
        masks = {
            action: part_mask(polygons, *image.shape[:2]) > 0
            for action, polygons in read_polygons(CHECKSET, photo, actions).items()
        }
        for action, mask in masks.items():
            assert 0.0008 < mask.mean() < 0.5, (photo.path, action)
        # The line between two parts may belong to both.
        both = np.sum(list(masks.values()), axis=0) > 1
        assert both.mean() < 0.005, photo.path


def test_polygons_are_filled_to_the_pixel_and_may_have_holes():
    square = part_mask([[[2, 1], [6, 1], [6, 4], [2, 4]]], 6, 8)
    expected = np.zeros((6, 8), np.uint8)
    expected[1:4, 2:6] = 255
    assert np.array_equal(square, expected)
    outer, hole = [[10, 10], [90, 10], [90, 90], [10, 90]], [[30, 30], [30, 70], [70, 70], [70, 30]]
    mask = part_mask([[*outer, outer[0], *hole, hole[0]]], 100, 100) > 0
    assert mask[20, 50] and mask[50, 20] and not mask[40:60, 40:60].any()


def test_building_again_repairs_what_was_changed(copied):
    assert CliRunner().invoke(command, [str(copied)]).output == "2 masks with truth maps, 9 links\n"
    before = {path: (copied / path).read_bytes() for path in found(copied)}
    (copied / "testset/mask/hit/hammer/hammer2.png").write_bytes(b"")
    (copied / "testset/mask/hit/hammer/old.png").write_bytes(b"")
    build(copied)
    assert {path: (copied / path).read_bytes() for path in found(copied)} == before


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda root: change(root / "pictures.json", format=2), "must hold format 1"),
        (lambda root: change(root / "dataset.json", actions=None), "must hold the list of actions"),
        (lambda root: (root / "pictures/bulb.webp").write_bytes(b"other"), "bulb.webp is not the picture"),
        (lambda root: (root / "pictures/hammer2.json").unlink(), "hammer2.json"),
        (lambda root: change(root / "pictures/hammer2.json", imageWidth=640), "of 640 x 240 pixels, but"),
        (lambda root: change(root / "pictures/hammer2.json", imagePath="../x.jpg"), "drawn on '../x.jpg'"),
        (lambda root: change(root / "pictures/hammer2.json", shapes=[]), "has no shapes: draw the parts"),
        (lambda root: change_shape(root, label="head"), "labelled 'head': give one of brush_with"),
        (lambda root: change_shape(root, shape_type="rectangle"), "type 'rectangle': draw a polygon"),
        (lambda root: change_shape(root, points=[[0, 0], [9, 9]]), "three points"),
        (lambda root: change_shape(root, points=[[0, 0], [9, 9], [900, 0]]), r"outside .* to \(900, 9\)"),
    ],
)
def test_what_does_not_fit_is_told(copied, spoil, message):
    spoil(copied)
    with pytest.raises(DataError, match=message):
        make(copied)
    done = CliRunner().invoke(command, [str(copied)])
    assert done.exit_code == 1 and done.output.startswith("Error: ") and not found(copied)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"licence": "GPL-2"}, "licence 'GPL-2': give one of"),
        ({"author": ""}, "must have text for author"),
        ({"split": "trainset"}, "split 'trainset'"),
        ({"path": "../bulb.webp"}, "must lie in pictures/"),
        ({"object": "../nothing"}, "be a folder's name"),
        ({"path": "pictures/hammer2.webp"}, "hammer2 comes twice"),
        ({"use": "test"}, "every file must have path, split"),
    ],
)
def test_a_picture_without_a_clear_origin_is_refused(copied, changes, message):
    path = copied / "pictures.json"
    first, *others = json.loads(path.read_text())["files"]
    change(path, files=[first | changes, *others])
    with pytest.raises(DataError, match=message):
        make(copied)


def test_the_documented_command_measures_it_and_draws_the_sheet(tmp_path):
    arguments = [str(BUNDLE), str(CHECKSET), "--out", str(tmp_path), "--limit", "12", "--json"]
    sheet = tmp_path / "sheet.jpg"
    done = CliRunner().invoke(main, ["evaluate", *arguments, "--sheet", str(sheet)])
    assert done.exit_code == 0, done.output
    overall = json.loads(done.stdout)["overall"]
    assert (overall["queries"], overall["nothing_queries"]) == (12, 12)
    assert cv2.imread(str(sheet)) is not None
