"""Meshes as kinds of objects: the list, cutting, varied looks, rendering."""

import json
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("trimesh", reason="trimesh is missing: pip install 'selcon_ros[media]'")

from selcon_tabletop import mesh_kinds
from selcon_tabletop.mesh_cuts import cut, lightened, posed, wanted
from selcon_tabletop.mesh_files import MeshError, Piece
from selcon_tabletop.mesh_rooms import render_rooms, room_scene
from selcon_tabletop.objects import TRAINED, UNSEEN
from selcon_tabletop.scene import CameraView, Scene, look_at
from selcon_tabletop.shapes import Mesh, lathe, line, merged, sweep
from selcon_tabletop.world import mesh_files_in
from support.disk import files_of_at_most
from support.mesh_knife import write_knife

KNIFE = """
- mesh: tools/knife
  kind: knife
  size: 0.2
  pose: lie
  parts:
  - {kind: blade, action: cut_with, look: metal, material: steel}
  - {kind: rod_handle, action: hold, look: wood}
"""


def _list(tmp_path: Path, objects: str = KNIFE) -> Path:
    path = tmp_path / "list.yaml"
    path.write_text(f"objects:{objects}\nthings: []\n")
    return path


def _media(tmp_path: Path, **about: object) -> Path:
    write_knife(tmp_path / "meshes" / "tools" / "knife")
    entry = {"path": "meshes/tools/knife/knife.obj", "kind": "mesh", **about}
    (tmp_path / "media.json").write_text(json.dumps({"format": 1, "files": [entry]}))
    return tmp_path


@pytest.fixture
def knife(tmp_path, monkeypatch):
    """The maker of the knife, the only kind of its list."""
    listed = mesh_kinds.listed("objects", _list(tmp_path))
    monkeypatch.setattr(mesh_kinds, "listed", lambda section: listed)
    return mesh_kinds.mesh_makers(mesh_files_in(_media(tmp_path)))["knife"]


def test_a_mesh_becomes_an_object_with_parts_and_a_grip(knife):
    model = knife(np.random.default_rng(0))
    assert model.kind == "knife" and model.actions == ["cut_with", "hold"] and not model.stands
    handle = next(part for part in model.parts if part.action == "hold")
    blade = next(part for part in model.parts if part.action == "cut_with")
    assert handle.mesh.vertices[:, 0].max() <= blade.mesh.vertices[:, 0].min() + 1e-9
    length = np.ptp(np.concatenate([part.mesh.vertices for part in model.parts])[:, 0])
    assert 0.85 * 0.2 <= length <= 1.2 * 0.2
    assert handle.mesh.vertices[:, 0].min() < model.grips["hold"].point[0] < 0


def test_a_mesh_is_drawn_in_many_looks(knife):
    models = [knife(np.random.default_rng(seed)) for seed in range(40)]
    handles = [next(part for part in model.parts if part.action == "hold") for model in models]
    plain = sum(handle.texture is None for handle in handles)
    assert 4 <= plain <= 24
    colours = {tuple(handle.texture[0, 0]) for handle in handles if handle.texture is not None}
    assert len(colours) > 10
    assert len({tuple(np.ptp(handle.mesh.vertices, axis=0).round(6)) for handle in handles}) == 40


def test_a_mesh_is_rendered_with_its_map_on_the_right_part(knife, renderer, monkeypatch):
    monkeypatch.setattr(mesh_kinds, "PLAIN_SHARE", 0.0)
    monkeypatch.setattr("selcon_tabletop.mesh_looks.BOLD_HUE_SHARE", 0.0)
    scene = Scene()
    scene.add(knife(np.random.default_rng(3)), np.zeros(3), np.eye(3))
    eye = np.array([0, -0.05, 0.35])
    scene.views = [CameraView(eye, look_at(eye, np.zeros(3), 0), 45)]
    (view,) = renderer.render(scene, np.random.default_rng(0))
    for index, placed in enumerate(scene.parts):
        seen = view.placed == index
        assert seen.sum() > 100
        red, green, blue = np.median(view.image[seen], axis=0)
        if placed.part.action == "hold":
            assert red > 2 * max(green, blue)
        else:
            assert blue > green > red


def _mug() -> list[Piece]:
    wall = lathe([(0, 0), (4, 0), (4, 10), (3.6, 10), (3.6, 0.5), (0, 0.5)])
    angle = np.linspace(-np.pi / 2, np.pi / 2, 12)
    loop = sweep(
        np.stack([3.9 + 2.5 * np.cos(angle), 0 * angle, 5 + 3 * np.sin(angle)], -1), 0.5, up=(0, 1, 0)
    )
    mesh = merged([wall, loop])
    turned = mesh.vertices @ np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]]).T  # y up, as files have it
    return [Piece("mug", "clay", Mesh(turned, mesh.faces), (1, 1, 1), None)]


def test_a_mug_of_one_material_is_cut_into_handle_inside_and_wall():
    pieces = posed(_mug(), "stand", 0.1, 0)
    rules = [{"beyond": 1.04, "sector": [-40, 40]}, {"inside": True}, {}]
    handle, inside, wall = (each.piece.mesh for each in cut(pieces, rules))
    scale = 0.1 / 10.9  # from the wall at -4 to the loop at 6.9
    axis = np.array([(4 - 6.9) / 2 * scale, 0])  # the bounding box is centred, not the axis
    radius = {
        name: np.linalg.norm(mesh.vertices[mesh.faces].mean(1)[:, :2] - axis, axis=1) / scale
        for name, mesh in (("handle", handle), ("inside", inside), ("wall", wall))
    }
    assert radius["handle"].min() > 4.1
    assert radius["inside"].max() < 4 and inside.vertices[:, 2].max() == pytest.approx(10 * scale, rel=0.01)
    assert len(handle.faces) + len(inside.faces) + len(wall.faces) == len(pieces[0].mesh.faces)
    outer = radius["wall"][wall.vertices[wall.faces].mean(1)[:, 2] > scale]
    assert outer.min() > 3.9


def test_a_tool_is_laid_along_x_and_cut_by_length():
    rod = sweep(line((0, 0, 0), (3, 0, 10), 11), 0.5)  # askew in its file
    pieces = posed([Piece("rod", "", rod, (1, 1, 1), None)], "level", 0.3, 0)
    extent = np.ptp(pieces[0].mesh.vertices, axis=0)
    assert extent[0] == pytest.approx(0.3) and extent[1:].max() < 0.05
    first, second = cut(pieces, [{"along": [0, 0.4]}, {"along": [0.4, 1]}])
    assert first.rule == 0 and first.piece.mesh.vertices[:, 0].min() < second.piece.mesh.vertices[:, 0].min()


def test_pieces_are_taken_and_dropped_by_pattern():
    pieces = [
        Piece(name, material, lathe([(1, 0), (1, 1)]), (1, 1, 1), None)
        for name, material in (("Knife.1", "steel"), ("Knife.2", "wood"), ("Rack", "steel"))
    ]
    assert [each.name for each in wanted(pieces, ["Knife*"], ["steel"])] == ["Knife.2"]


def test_a_lightened_mesh_keeps_its_shape_and_coordinates():
    mesh = lathe([(1 + 0.2 * np.sin(t), t) for t in np.linspace(0, 3, 60)], around=300)
    mesh = Mesh(mesh.vertices, mesh.faces, mesh.vertices[:, [0, 2]].astype(np.float32))
    less = lightened(mesh, 0.2)
    assert len(less.faces) <= 0.21 * len(mesh.faces)
    assert np.allclose(np.ptp(less.vertices, axis=0), np.ptp(mesh.vertices, axis=0), atol=0.05)
    assert np.abs(less.uv - less.vertices[:, [0, 2]]).max() < 0.1


def test_the_list_is_consistent():
    objects = mesh_kinds.listed("objects")
    assert len(objects) >= 50 and len(mesh_kinds.listed("things")) >= 90
    for entry in objects:
        assert any(rule.action == "hold" for rule in entry.rules), entry.mesh
        assert entry.held_out or entry.kind not in UNSEEN, f"{entry.kind} must stay unseen"
        assert not (entry.held_out and entry.kind in TRAINED), f"{entry.kind} is trained on"
    trained, held_out = (set(mesh_kinds.mesh_kinds(part)) for part in (False, True))
    assert not trained & held_out


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("kind: blade", "kind: edge"), "edge is not one of"),
        (("action: cut_with", "action: slice"), "slice is not one of"),
        (("look: wood", "look: felt"), "felt is not one of"),
        (("material: steel", "stuff: steel"), "stuff is not one of"),
        (("size: 0.2", "size: 20"), "size is 20"),
        (("pose: lie", "pose: sit"), "pose is sit"),
        (("pose: lie", "pos: lie"), "unknown pos"),
    ],
)
def test_a_wrong_entry_is_named(tmp_path, change, words):
    with pytest.raises(MeshError, match=words) as caught:
        mesh_kinds.listed("objects", _list(tmp_path, KNIFE.replace(*change)))
    assert "tools/knife" in str(caught.value)


def test_a_rule_that_no_face_meets_is_named(tmp_path):
    (entry,) = mesh_kinds.listed("objects", _list(tmp_path, KNIFE.replace("steel", "iron")))
    with pytest.raises(MeshError, match="no face meets .*iron"):
        mesh_kinds.scenery(write_knife(tmp_path / "knife"), entry, np.random.default_rng(0))


def test_a_mesh_that_the_folder_lacks_is_named(tmp_path):
    with pytest.raises(MeshError, match=r"no mesh scopia/marteau/marteau\.obj"):
        mesh_kinds.mesh_makers(mesh_files_in(_media(tmp_path)))


def test_a_media_folder_lists_nothing_outside_it(tmp_path):
    with pytest.raises(MeshError, match="outside its folder"):
        mesh_files_in(_media(tmp_path, path="../knife.obj"))
    with pytest.raises(MeshError, match=r"empty has no media\.json: give .* `selcon tabletop media`"):
        mesh_files_in(tmp_path / "empty")


def test_a_mesh_that_is_not_the_listed_file_is_named(tmp_path):
    right = sha256(write_knife(tmp_path / "knife").read_bytes()).hexdigest()
    assert list(mesh_files_in(_media(tmp_path, sha256=right))) == ["tools/knife/knife.obj"]
    with pytest.raises(MeshError, match=r"knife\.obj is not the file .* its SHA-256 differs; collect"):
        mesh_files_in(_media(tmp_path, sha256="0" * 64))
    folder = _media(tmp_path)
    (folder / "meshes" / "tools" / "knife" / "knife.obj").unlink()
    with pytest.raises(MeshError, match=r"knife\.obj"):
        mesh_files_in(folder)


def test_things_and_furniture_are_scenery_of_their_kind(tmp_path):
    path = tmp_path / "list.yaml"
    path.write_text("things: [{mesh: a/knife, size: 0.2}]\nrooms: [{mesh: a/knife, size: 2}]\n")
    file = write_knife(tmp_path / "knife")
    for section, kind, extent in (("things", "clutter", 0.2), ("rooms", "background", 2)):
        (entry,) = mesh_kinds.listed(section, path)
        parts = mesh_kinds.scenery(file, entry, np.random.default_rng(0))
        assert {part.kind for part in parts} == {kind} and not any(part.action for part in parts)
        length = np.ptp(np.concatenate([part.mesh.vertices for part in parts])[:, 0])
        assert 0.85 * extent <= length <= 1.2 * extent


def _furnished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A media folder whose one mesh is furniture and what stands on it."""
    tmp_path.mkdir(exist_ok=True)
    path = tmp_path / "list.yaml"
    path.write_text(
        "things: [{mesh: tools/knife, size: 0.2, pose: lie}]\n"
        "rooms: [{mesh: tools/knife, size: 0.9, top: true}, {mesh: tools/knife, size: 0.5, raised: 1.4}]\n"
    )
    sections = {section: mesh_kinds.listed(section, path) for section in ("things", "rooms")}
    monkeypatch.setattr(mesh_kinds, "listed", lambda section: sections[section])
    return _media(tmp_path)


def test_a_room_is_furnished_and_seen_from_inside(tmp_path, monkeypatch, renderer):
    files = mesh_files_in(_furnished(tmp_path, monkeypatch))
    for seed in range(3):
        scene = room_scene(np.random.default_rng(seed), files, 2)
        assert not scene.kinds and not scene.actions
        furniture = [each.part.mesh.vertices for each in scene.parts[2:] if each.part.kind == "background"]
        assert len(furniture) >= 4 and all(points[:, 2].min() > -1e-9 for points in furniture)
        assert all(points[:, 0].min() > 0 for points in furniture)
        assert sum(placed.part.kind == "clutter" for placed in scene.parts) >= 2
        for view in scene.views:
            assert view.position[0] > 0 > view.position[1] and view.position[2] > 0
    (view, _) = renderer.render(scene, np.random.default_rng(0))
    assert (view.placed >= 0).mean() > 0.1


def test_as_many_rooms_as_asked_for_and_only_those_that_are_missing(tmp_path, monkeypatch, renderer):
    media, out = _furnished(tmp_path / "media", monkeypatch), tmp_path / "out"
    assert render_rooms(media, out, 3, progress=False) == 3 == len(list(out.iterdir()))
    first = {path.name: path.read_bytes() for path in out.iterdir()}
    assert render_rooms(media, out, 4, progress=False) == 2  # the second pair is whole now
    (out / "room_00000_1.jpg").unlink()
    assert render_rooms(media, out, 4, progress=False) == 2
    assert render_rooms(media, out, 4, progress=False) == 0
    now = {path.name: path.read_bytes() for path in out.iterdir()}
    assert len(now) == 4 and first.items() <= now.items()


def test_a_picture_of_a_room_that_the_disk_does_not_take_is_not_there(tmp_path, monkeypatch, renderer):
    media, out = _furnished(tmp_path / "media", monkeypatch), tmp_path / "out"
    with files_of_at_most(2000), pytest.raises(OSError, match="File too large"):
        render_rooms(media, out, 2, progress=False)
    assert list(out.iterdir()) == []


def test_rooms_without_meshes_are_refused_by_the_command(tmp_path):
    from click.testing import CliRunner

    from selcon_ros.cli.main import main

    _media(tmp_path / "media")
    arguments = [
        "tabletop",
        "rooms",
        str(tmp_path / "out"),
        "--media",
        str(tmp_path / "media"),
        "--count",
        "2",
    ]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 1 and "the media folder has no mesh" in result.output
    assert not (tmp_path / "out").exists()
