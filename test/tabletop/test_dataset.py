"""The rendered data set: its layout, its truth, and taking up where it stopped."""

import json
import os
import shutil

import cv2
import numpy as np
import pytest

from selcon_ros.core.errors import SelconError
from selcon_tabletop import dataset
from selcon_tabletop.objects import TRAINED, TRAINING_ONLY, UNSEEN
from selcon_tabletop.parts import ACTIONS, PART_KINDS
from selcon_tabletop.scene import CameraView, Scene, look_at
from selcon_tabletop.splits import PROCEDURAL, draw, splits
from selcon_tabletop.view_files import WALL_PERCENT, ViewWriter, labels, write_view
from selcon_tabletop.views import find_images
from selcon_training.ranks import Ranks
from support.disk import files_of_at_most


def _files(root, pattern):
    return sorted(root.glob(pattern))


def test_every_split_is_there_with_what_belongs_to_it(small_world):
    about = json.loads((small_world / "dataset.json").read_text())
    assert about["actions"] == sorted(ACTIONS) and about["synthetic"] is True
    for split in ("Seen/valset", "Seen/testset", "Unseen/testset"):
        images = _files(small_world, f"{split}/egocentric/*/*/*.jpg")
        assert images
        for image in images:
            for kind, suffix in (
                ("GT", ".png"),
                ("mask", ".png"),
                ("objectmask", ".png"),
                ("depth", ".png"),
                ("camera", ".json"),
            ):
                beside = image.parents[3] / kind / image.parts[-3] / image.parts[-2]
                assert (beside / (image.stem + suffix)).is_file(), (image, kind)
    assert _files(small_world, "Seen/trainset/exocentric/*/*/*.jpg")
    assert _files(small_world, "Seen/tableset/GT/*/*/*.png")


def test_trained_and_unseen_kinds_do_not_mix(small_world):
    def kinds(pattern):
        return {path.parts[-2] for path in _files(small_world, pattern)}

    assert kinds("Seen/t*set/*/*/*/*.jpg") <= {*TRAINED, *TRAINING_ONLY, "nothing"}
    assert kinds("Unseen/testset/egocentric/*/*/*.jpg") <= set(UNSEEN)


def test_kinds_for_training_alone_are_in_no_measured_split():
    found: dict[str, set[str]] = {}
    for split in splits():
        # Of mixed scenes every other one has a single kind, each in its turn.
        mixed = range(0, 2 * len(TRAINED), 2) if split.style == "mixed" else range(0)
        for index in {*range(0, split.scenes, split.scenes // 24), *mixed}:
            scene, _ = draw(split, index, np.random.default_rng(index), PROCEDURAL)
            found.setdefault("measured" if split.measured else "trained", set()).update(scene.kinds)
    assert set(TRAINING_ONLY) <= found["trained"] and not set(TRAINING_ONLY) & found["measured"]
    assert set(TRAINED) <= found["measured"]


def test_truth_is_the_blurred_mask(small_world):
    path = _files(small_world, "Seen/testset/mask/*/*/*.png")[0]
    mask = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    truth = cv2.imread(str(path).replace("/mask/", "/GT/"), cv2.IMREAD_GRAYSCALE)
    assert set(np.unique(mask)) == {0, 255} and truth.max() == 255
    assert truth[mask > 0].mean() > 5 * truth[mask == 0].mean()
    whole = cv2.imread(str(path).replace("/mask/", "/objectmask/"), cv2.IMREAD_GRAYSCALE)
    assert (whole[mask > 0] == 255).all() and (whole > 0).sum() > (mask > 0).sum()


def test_depth_files_are_metric(small_world):
    path = _files(small_world, "Seen/testset/depth/*/*/*.png")[0]
    camera = json.loads(
        (path.parents[3] / "camera" / path.parts[-3] / path.parts[-2] / f"{path.stem}.json").read_text()
    )
    depth = cv2.imread(str(path), cv2.IMREAD_UNCHANGED) * camera["depth_scale"]
    assert depth.shape == (camera["height"], camera["width"]) == (480, 640)
    assert 0.3 < np.median(depth[depth > 0]) < 2.0


def test_where_nothing_affords_the_action_there_is_no_truth(small_world):
    assert {path.parts[-3] for path in _files(small_world, "Seen/nothingset/egocentric/*/*/*.jpg")} == set(
        ACTIONS
    )
    assert not _files(small_world, "Seen/nothingset/GT/*/*/*.png")


@pytest.mark.parametrize("split", ["clutterset", "valclutterset"])
def test_scenes_of_clutter_are_asked_for_every_action(small_world, split):
    by_stem = {}
    for path in _files(small_world, f"Seen/{split}/egocentric/*/nothing/*.jpg"):
        by_stem.setdefault(path.stem, []).append(path)
    assert len(by_stem) == len(ACTIONS)
    for paths in by_stem.values():
        assert sorted(path.parts[-3] for path in paths) == sorted(ACTIONS)
        assert len({path.stat().st_ino for path in paths}) == 1
    assert not _files(small_world, f"Seen/{split}/GT/*/*/*.png")


def test_training_holds_negative_pictures(small_world):
    pictures = _files(small_world, "Seen/tableset/egocentric/*/nothing/*.jpg")
    stems = {path.stem for path in _files(small_world, "Seen/tableset/GT/*/*/*.png")}
    assert len(pictures) == 4 * len(ACTIONS) and not stems & {path.stem for path in pictures}
    names = json.loads((small_world / "parts.json").read_text())["objects"]
    shown = set()
    for path in pictures:
        objects = str(path).replace("/egocentric/", "/egocentric_objects/").replace(".jpg", ".png")
        shown |= {names[number] for number in np.unique(cv2.imread(objects, cv2.IMREAD_GRAYSCALE))}
    assert shown == {"background", "clutter"}


def test_truth_for_training_lies_on_the_part_at_half_the_size(small_world):
    names = json.loads((small_world / "parts.json").read_text())["parts"]
    for path in _files(small_world, "Seen/tableset/GT/cut_with/*/*.png"):
        truth = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        parts = cv2.imread(str(path).replace("/GT/", "/egocentric_parts/"), cv2.IMREAD_GRAYSCALE)
        assert parts.shape == (2 * truth.shape[0], 2 * truth.shape[1]) and truth.max() == 255
        blade = (parts == names.index("blade")).astype(np.float32)
        blade = cv2.resize(blade, truth.shape[::-1], interpolation=cv2.INTER_AREA)
        blurred = cv2.GaussianBlur(blade, (0, 0), 0.018 * blade.shape[1])
        assert np.abs(blurred / blurred.max() - truth / 255).max() < 0.1


def test_training_marks_the_handle_more_than_the_wall_beside_it_and_measuring_does_not(renderer, tmp_path):
    rng = np.random.default_rng(0)
    scene = Scene(views=[CameraView(np.array([0, -0.2, 0.1]), _looking_at_the_mug(), 45.0)])
    scene.add(TRAINED["mug"](rng), np.zeros(3), np.eye(3))
    view = renderer.render(scene, rng)[0]
    truths = {}
    for name in ("train-single", "seen"):
        split = next(each for each in splits() if each.name == name)
        write_view(tmp_path, split, name, scene, view, ["hold"])
        path = tmp_path / split.folder / f"GT/hold/mug/{name}.png"
        truths[name] = cv2.resize(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), view.placed.shape[::-1])
    parts = labels(scene, view)[0]
    wall, handle = (
        cv2.erode((parts == PART_KINDS.index(kind)).astype(np.uint8), np.ones((size, size), np.uint8)) > 0
        for kind, size in (("body", 9), ("loop_handle", 3))
    )
    assert wall.sum() > 500 and handle.sum() > 50
    ratio = {name: truth[wall].mean() / truth[handle].max() for name, truth in truths.items()}
    assert ratio["train-single"] == pytest.approx(WALL_PERCENT / 100 * ratio["seen"], rel=0.3)
    assert ratio["train-single"] < 0.8


def _looking_at_the_mug():
    return look_at(np.array([0, -0.2, 0.1]), np.array([0.01, 0, 0.04]), 0.0)


def test_an_image_of_several_actions_is_one_file_under_several_names(small_world):
    by_stem = {}
    for path in _files(small_world, "Seen/tableset/egocentric/*/*/*.jpg"):
        by_stem.setdefault(path.stem, []).append(path)
    shared = [paths for paths in by_stem.values() if len(paths) > 1]
    assert shared and all(len({path.stat().st_ino for path in paths}) == 1 for paths in shared)


def test_a_stopped_rendering_goes_on_where_it_was(small_world, tmp_path):
    world = shutil.copytree(small_world, tmp_path / "world", copy_function=os.link)
    image = _files(world, "Seen/valset/egocentric/*/*/*.jpg")[0]
    before = image.read_bytes()
    index = int(image.stem.split("_")[1])
    (world / ".done" / "validation_0" / f"{index:05d}").unlink()
    image.unlink()
    assert dataset.render(world, scale=0, workers=1, progress=False) == 1
    assert image.read_bytes() == before
    assert dataset.render(world, scale=0, workers=1, progress=False) == 0


@pytest.mark.parametrize("share", [0.0, 0.01, 1.0])
def test_every_split_keeps_a_scene_for_each_action(share):
    assert all(split.scenes >= len(ACTIONS) for split in splits(share))


def test_a_full_disk_leaves_no_half_picture_and_ends_the_rendering(tmp_path):
    writer = ViewWriter(tmp_path, "a")
    with files_of_at_most(1000), pytest.raises(OSError, match="File too large") as caught:
        writer.write("egocentric", "hold", "mug", ".png", lambda: bytes(2000))
    assert caught.value.filename == str(tmp_path / "egocentric/hold/mug/a.png")
    assert not list((tmp_path / "egocentric/hold/mug").iterdir())


def test_a_set_of_other_kinds_is_neither_added_to_nor_trained_on(tmp_path):
    (tmp_path / "parts.json").write_text(json.dumps({"parts": ["background"], "objects": ["background"]}))
    with pytest.raises(SelconError, match="into another folder"):
        dataset.render(tmp_path, scale=0, progress=False)
    with pytest.raises(SelconError, match="into another folder"):
        find_images(tmp_path, list(ACTIONS))
    assert [path.name for path in tmp_path.iterdir()] == ["parts.json"]


def _content(root):
    return {
        path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }


def _without_some_scenes(world, folder):
    """Link the data set to `folder`, but for two scenes of each split; return how many are missing."""
    shutil.copytree(world, folder, copy_function=os.link)
    missing = [f"{split.name}_{index:05d}" for split in splits(0) for index in (2, 3)]
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        mark = f"{path.parent.name.rpartition('_')[0]}_{path.name}" if ".done" in path.parts else ""
        if mark in missing or path.stem.rpartition("_")[0] in missing:
            path.unlink()
    return len(missing)


@pytest.mark.parametrize("folders", ["one", "each"])
def test_processes_that_share_the_scenes_render_what_one_renders(small_world, tmp_path, folders):
    places = [tmp_path / "one"] * 2 if folders == "one" else [tmp_path / "of_0", tmp_path / "of_1"]
    missing, *_ = (_without_some_scenes(small_world, place) for place in dict.fromkeys(places))
    counts = [
        dataset.render(place, scale=0, workers=1, progress=False, ranks=Ranks(rank, 2))
        for rank, place in enumerate(places)
    ]
    assert min(counts) > 0 and sum(counts) == missing
    for place in set(places):
        shutil.copytree(place, tmp_path / "whole", dirs_exist_ok=True)
    assert _content(tmp_path / "whole") == _content(small_world)
    assert dataset.render(tmp_path / "whole", scale=0, workers=1, progress=False, ranks=Ranks(1, 2)) == 0
    assert dataset.render(tmp_path / "whole", scale=0, workers=1, progress=False) == 0
