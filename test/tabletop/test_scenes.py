"""Scenes as people leave them and cameras as they hold them, with real pictures and meshes; a scene depends
on its seed alone."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

from selcon_ros.core.errors import SelconError
from selcon_tabletop import dataset, mesh_kinds
from selcon_tabletop.cameras import MIN_CLEARANCE, CameraView, by_hand, look_at
from selcon_tabletop.objects import TRAINED
from selcon_tabletop.parts import ACTIONS, ObjectModel, Part
from selcon_tabletop.placing import resting, vertices
from selcon_tabletop.room import Room
from selcon_tabletop.scene import Scene, negative_scene, table_scene
from selcon_tabletop.shapes import box
from selcon_tabletop.splits import splits
from selcon_tabletop.surfaces import ScenePictures
from selcon_tabletop.view_files import OBJECT_KINDS, labels
from selcon_tabletop.world import read_world
from support.mesh_knife import write_knife

BLOCK = box((0.2, 0.03, 0.03)).moved((0, 0, 0.015)).vertices


def test_cameras_held_by_hand_are_near_and_far_steep_and_oblique_and_cut_what_they_look_at():
    views = by_hand(np.random.default_rng(0), 300, [BLOCK], [BLOCK], 4 / 3)
    covers, inside, elevations = [], [], []
    for view in views:
        local = (BLOCK - view.position) @ view.rotation
        tall = np.tan(np.deg2rad(view.fovy) / 2)
        seen = local[:, :2] / -local[:, 2:] / [4 / 3 * tall, tall]
        assert (local[:, 2] < 0).all() and 35 <= view.fovy <= 75
        covers.append(np.ptp(seen, axis=0).max() / 2)
        inside.append((np.abs(seen) < 1).all())
        offset = view.position - BLOCK.mean(0)
        elevations.append(np.rad2deg(np.arcsin(offset[2] / np.linalg.norm(offset))))
        gaps = np.maximum(np.maximum(BLOCK.min(0) - view.position, view.position - BLOCK.max(0)), 0)
        assert np.linalg.norm(gaps) > MIN_CLEARANCE
    assert min(covers) < 0.12 and max(covers) > 0.6
    assert 15 < min(elevations) < 20 and max(elevations) > 80
    assert 0.6 < np.mean(inside) < 0.97


def test_what_is_tall_is_often_seen_nearly_level():
    tall = BLOCK[:, [1, 2, 0]] + [0, 0, 0.1]
    views = by_hand(np.random.default_rng(0), 300, [tall], [tall], 4 / 3)
    offsets = np.array([view.position for view in views]) - tall.mean(0)
    elevations = np.rad2deg(np.arcsin(offsets[:, 2] / np.linalg.norm(offsets, axis=1)))
    assert 0.2 < np.mean(elevations < 15) < 0.4 and min(elevations) > 0


@pytest.mark.parametrize("kind", ["hammer", "mug"])
def test_objects_lie_lean_and_stand_and_what_they_lean_on_is_below_them(kind):
    rng = np.random.default_rng(1)
    heights, supported = [], 0
    for _ in range(60):
        model = TRAINED[kind](rng)
        turn, support = resting(rng, model)
        assert np.allclose(turn @ turn.T, np.eye(3)) and np.linalg.det(turn) > 0
        points = vertices(model.parts, turn)
        heights.append(float(np.ptp(points[:, 2])))
        for part in support:
            supported += 1
            assert part.action is None and abs(part.mesh.vertices[:, 2].min()) < 1e-9
            assert part.mesh.vertices[:, 2].max() < heights[-1]
    assert max(heights) > 1.3 * min(heights)
    assert (supported > 3) == (kind == "hammer")


def test_nothing_affords_anything_in_a_negative_scene(renderer):
    for seed in range(3):
        rng = np.random.default_rng(seed)
        scene = negative_scene(rng, 3, 1)
        assert not scene.kinds and not scene.actions
        assert not [placed for placed in scene.parts if placed.part.action]
        (view,) = renderer.render(scene, rng, depth=False)
        assert view.depth.size == 0 and (view.placed >= 0).any()


def test_clutter_is_told_from_background(renderer):
    scene = Scene()
    for x, kind in ((-0.1, "clutter"), (0.1, "background")):
        scene.add_scenery([Part(kind, box((0.1, 0.1, 0.02)), "wood")], np.array([x, 0, 0.01]))
    scene.add(ObjectModel("mug", [Part("body", box((0.05, 0.05, 0.05)), "", "hold")]), np.zeros(3), np.eye(3))
    position = np.array([0, 0, 0.6])
    scene.views = [CameraView(position, look_at(position, np.array([0, 1e-9, 0]), 0.0), 45.0)]
    (view,) = renderer.render(scene, np.random.default_rng(0))
    parts, objects = labels(scene, view)
    names = [np.asarray(OBJECT_KINDS)[objects[view.placed == index]] for index in range(3)]
    assert [set(each) for each in names] == [{"clutter"}, {"background"}, {"mug"}]
    assert (parts[view.placed == 1] == 0).all() and (objects[view.placed < 0] == 0).all()


def test_glass_that_may_be_seen_through_has_a_depth_of_its_own(renderer):
    scene = Scene(room=Room((0.6, 0.6), 0.5))
    block = Part("body", box((0.2, 0.2, 0.04)), "glass", "hold")
    scene.add(ObjectModel("glass", [block]), np.zeros(3), np.eye(3))
    position = np.array([0.0, 0.0, 0.62])
    scene.views = [CameraView(position, look_at(position, np.array([0, 1e-9, 0]), 0.0), 45.0)] * 8
    views = renderer.render(scene, np.random.default_rng(0))
    for view in views:
        assert np.allclose(view.depth[view.placed == 0], 0.6, atol=0.0005)


def test_pictures_are_laid_on_tables_and_parts(renderer):
    magenta = np.zeros((64, 64, 3), np.uint8)
    magenta[..., [0, 2]] = 255
    scene = table_scene(np.random.default_rng(4), [TRAINED["mallet"](np.random.default_rng(4))], 0, 12)
    scene.room = Room((0.6, 0.6), 0.5)

    def is_magenta(pictures: ScenePictures) -> int:
        views = renderer.render(scene, np.random.default_rng(4), pictures=pictures)
        shown = [view.image[view.placed < 0].astype(int) for view in views]
        return sum(bool((np.minimum(c[:, 0], c[:, 2]) > 5 * c[:, 1] + 20).mean() > 0.4) for c in shown)

    assert is_magenta(ScenePictures([magenta])) >= 3 and is_magenta(ScenePictures()) == 0


def test_a_scene_depends_on_its_seed_and_not_on_what_was_rendered_before(small_world, tmp_path):
    split = next(split for split in splits(0) if split.name == "train-table")
    for index in (5, 2):
        dataset.render_scene(tmp_path, split, index, 0)
    files = [path for path in sorted(tmp_path.rglob("*_00002_*")) if path.is_file()]
    assert {path.suffix for path in files} == {".jpg", ".png"}
    for path in files:
        assert path.read_bytes() == (small_world / path.relative_to(tmp_path)).read_bytes(), path


@pytest.fixture
def media(tmp_path, monkeypatch):
    """A media folder with a mesh, a texture and a picture."""
    folder = tmp_path / "media"
    write_knife(folder / "meshes" / "tools" / "knife")
    entries = [{"path": "meshes/tools/knife/knife.obj", "kind": "mesh", "use": ["object"]}]
    for kind, use in (("texture", "texture"), ("picture", "background")):
        (folder / f"{kind}s").mkdir()
        noise = np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)
        cv2.imwrite(str(folder / f"{kind}s" / "a.png"), noise)
        entries.append({"path": f"{kind}s/a.png", "kind": kind, "use": [use]})
    (folder / "media.json").write_text(json.dumps({"format": 1, "files": entries}))
    path = tmp_path / "list.yaml"
    path.write_text(
        "objects:\n- mesh: tools/knife\n  kind: knife\n  size: 0.2\n  pose: lie\n  parts:\n"
        "  - {kind: blade, action: cut_with, look: metal, material: steel}\n"
        "  - {kind: rod_handle, action: hold, look: wood}\n"
    )
    entry = mesh_kinds.listed("objects", path)
    monkeypatch.setattr(mesh_kinds, "listed", lambda section: entry)
    read_world.cache_clear()
    yield folder
    read_world.cache_clear()


def test_training_scenes_hold_the_meshes_and_pictures_of_a_media_folder(renderer, media, tmp_path):
    pytest.importorskip("trimesh")
    world = read_world(media)
    made = {
        len(part.mesh.vertices)
        for seed in range(12)
        for part in world.make("knife", False, np.random.default_rng(seed)).parts
    }
    procedural = {
        len(part.mesh.vertices)
        for seed in range(12)
        for part in TRAINED["knife"](np.random.default_rng(seed)).parts
    }
    assert made > procedural
    split = next(split for split in splits(0) if split.name == "train-single")
    dataset.render_scene(tmp_path / "with", split, 0, 0, media)
    dataset.render_scene(tmp_path / "without", replace(split, views=1), 0, 0)
    assert list((tmp_path / "with").rglob("*.jpg"))


def test_a_data_set_begun_with_other_media_is_not_gone_on_with(media, tmp_path):
    (tmp_path / "data" / ".done").mkdir(parents=True)
    (tmp_path / "data" / "dataset.json").write_text(json.dumps({"actions": list(ACTIONS), "media": "0" * 64}))
    with pytest.raises(SelconError, match="begun with another media folder: go on as it was begun"):
        dataset.render(tmp_path / "data", scale=0)
    with pytest.raises(SelconError, match=r"media\.json"):
        dataset.render(tmp_path / "data", scale=0, media=tmp_path)
