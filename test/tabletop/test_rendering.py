"""Renders are exact: depth, which part is seen where, and the intrinsics that tie pixels to metres."""

import os
import subprocess
import sys

import numpy as np

from selcon_ros.core.cameras.depth_points import deproject
from selcon_tabletop.exocentric import exocentric_scene
from selcon_tabletop.objects import TRAINED, UNSEEN
from selcon_tabletop.parts import ACTIONS, ObjectModel, Part
from selcon_tabletop.rendering import Renderer
from selcon_tabletop.scene import CameraView, Scene, look_at, table_scene
from selcon_tabletop.shapes import Mesh, box, merged
from selcon_tabletop.view_files import MIN_PART_SHARE

BLOCK = ObjectModel(
    "block", [Part("body", box((0.1, 0.06, 0.04)).moved((0.05, 0.02, 0.02)), "plastic", "hold")], stands=True
)


def _view_from_above(height: float) -> CameraView:
    position = np.array([0.0, 0.0, height])
    return CameraView(position, look_at(position, np.array([0, 1e-9, 0]), 0.0), 45.0)


def _block_scene() -> Scene:
    scene = Scene()
    scene.add(BLOCK, np.zeros(3), np.eye(3))
    scene.views = [_view_from_above(0.7)]
    return scene


def test_depth_is_the_distance_along_the_optical_axis(renderer):
    (view,) = renderer.render(_block_scene(), np.random.default_rng(0))
    assert np.allclose(view.depth[view.placed == 0], 0.66, atol=0.0005)
    assert np.allclose(view.depth[60, 5], 0.7, atol=0.0005)


def test_pixels_back_projected_through_the_intrinsics_span_the_block(renderer):
    (view,) = renderer.render(_block_scene(), np.random.default_rng(0))
    points = deproject(view.depth, view.intrinsics)[view.placed == 0]
    # Seen from above with y up in the image: optical x is world x, optical y is world −y.
    assert np.allclose(points[:, 0].min(), 0.0, atol=0.006) and np.allclose(
        points[:, 0].max(), 0.1, atol=0.006
    )
    assert np.allclose(-points[:, 1].max(), -0.01, atol=0.006) and np.allclose(
        -points[:, 1].min(), 0.05, atol=0.006
    )


def test_the_same_seed_gives_the_same_picture_and_another_seed_another(renderer):
    def picture(seed: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        return renderer.render(table_scene(rng, [TRAINED["mug"](rng)], 2, 1), rng)[0].image

    assert np.array_equal(picture(3), picture(3))
    assert not np.array_equal(picture(3), picture(4))


def test_two_sizes_can_be_rendered_in_turn(renderer):
    other = Renderer(96, 64)
    assert other.render(_block_scene(), np.random.default_rng(0))[0].image.shape == (64, 96, 3)
    assert renderer.render(_block_scene(), np.random.default_rng(0))[0].image.shape == (120, 160, 3)
    other.close()


def test_exocentric_views_show_a_hand_on_the_object(renderer):
    for action in ACTIONS:
        rng = np.random.default_rng(5)
        kind = next(
            kind for kind, make in TRAINED.items() if action in make(np.random.default_rng(0)).actions
        )
        scene = exocentric_scene(rng, TRAINED[kind](rng), action, 1, 3)
        hands = [i for i, placed in enumerate(scene.parts) if placed.part.kind == "hand"]
        shares = [np.isin(view.placed, hands).mean() for view in renderer.render(scene, rng)]
        assert max(shares) > 0.01, action


def test_a_table_holds_the_objects_asked_for_apart_from_each_other():
    rng = np.random.default_rng(2)
    models = [TRAINED[kind](rng) for kind in ("mug", "jar", "glass")]
    scene = table_scene(rng, models, 0, 1)
    assert scene.kinds == ["mug", "jar", "glass"]
    centres = [
        np.mean([p.part.mesh.vertices.mean(0)[:2] for p in scene.parts if p.owner == owner], axis=0)
        for owner in range(3)
    ]
    assert min(np.linalg.norm(centres[i] - centres[j]) for i in range(3) for j in range(i)) > 0.05


def test_a_texture_lies_on_the_mesh_as_its_coordinates_say(renderer):
    corners = np.array([(-0.1, -0.1, 0.01), (0.1, -0.1, 0.01), (0.1, 0.1, 0.01), (-0.1, 0.1, 0.01)])
    texture = np.zeros((64, 64, 3), np.uint8)
    texture[:32, :32], texture[:32, 32:] = (250, 0, 0), (0, 250, 0)  # above: red, green; below: blue, black
    texture[32:, :32] = (0, 0, 250)
    uv = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float32)
    sheet = Mesh(corners, np.array([(0, 1, 2), (0, 2, 3)], np.int32), uv)
    scene = Scene()
    scene.add(ObjectModel("sheet", [Part("body", sheet, "cloth", "hold", texture)]), np.zeros(3), np.eye(3))
    scene.views = [_view_from_above(0.5)]
    (view,) = renderer.render(scene, np.random.default_rng(0))
    rows, columns = np.nonzero(view.placed == 0)
    middle = rows.mean(), columns.mean()
    for colour, above, left in ((0, True, True), (1, True, False), (2, False, True)):
        quarter = ((rows < middle[0] - 5) == above) & ((columns < middle[1] - 5) == left)
        part = view.image[rows, columns][quarter]
        assert np.median(part[:, colour]) > 2 * np.median(np.delete(part, colour, 1)), colour


def test_moved_scaled_and_merged_meshes_keep_their_texture_coordinates():
    plain = box((1, 1, 1))
    uv = np.random.default_rng(0).random((len(plain.vertices), 2)).astype(np.float32)
    mesh = Mesh(plain.vertices, plain.faces, uv)
    changed = mesh.moved((1, 0, 0)).scaled((2, 2, 2))
    assert np.array_equal(merged([changed, mesh]).uv, np.concatenate([uv, uv]))
    assert merged([mesh, plain]).uv is None


def test_every_acting_part_of_every_kind_is_seen_by_a_near_camera(renderer):
    rng = np.random.default_rng(7)
    kinds = list({**TRAINED, **UNSEEN}.items())
    for first in range(0, len(kinds), 8):  # eight in a row, a camera for each
        scene = Scene()
        for number, (_, make) in enumerate(kinds[first : first + 8]):
            place = np.array([2.0 * number, 0.0, 0.0])
            scene.add(make(rng), place, np.eye(3))
            target = place + np.array([0, 0, 0.04])
            position = target + np.array([-0.17, -0.27, 0.36])
            scene.views.append(CameraView(position, look_at(position, target, 0.0), 45.0))
        for owner, view in enumerate(renderer.render(scene, rng)):
            own = {i: placed.part.action for i, placed in enumerate(scene.parts) if placed.owner == owner}
            for action in set(own.values()) - {None}:
                acting = [i for i in own if own[i] == action]
                assert np.isin(view.placed, acting).mean() > MIN_PART_SHARE, (scene.kinds[owner], action)


def test_a_cup_shows_its_inside_from_above_and_its_wall_from_the_side(renderer):
    rng = np.random.default_rng(0)
    scene = Scene()
    scene.add(TRAINED["mug"](rng), np.zeros(3), np.eye(3))
    middle = np.array([0.0, 0.0, 0.05])
    for position in (np.array([0.05, 0.0, 0.5]), np.array([-0.45, 0.0, 0.06])):
        scene.views.append(CameraView(position, look_at(position, middle, 0.0), 45.0))
    above, beside = renderer.render(scene, rng)

    def seen(view, kind: str) -> int:
        return int(
            np.isin(
                view.placed, [i for i, placed in enumerate(scene.parts) if placed.part.kind == kind]
            ).sum()
        )

    assert seen(above, "inside") > 3 * seen(above, "rim") > 0
    assert seen(beside, "body") > 3 * seen(beside, "rim") > 0
    assert seen(beside, "inside") < 0.1 * seen(beside, "body")


WITHOUT_OSMESA = """
import ctypes

load = ctypes.CDLL.__init__

def refuse(self, name, *rest, **options):
    if "OSMesa" in str(name):
        raise OSError(f"{name}: cannot open shared object file")
    load(self, name, *rest, **options)

ctypes.CDLL.__init__ = refuse
from selcon_tabletop.rendering import Renderer, RenderError

try:
    Renderer(8, 8)
except RenderError as error:
    print(error)
"""


def test_a_missing_library_is_told_when_something_is_rendered():
    environment = os.environ | {"MUJOCO_GL": "osmesa", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", WITHOUT_OSMESA]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.stdout.startswith("no off-screen rendering with MUJOCO_GL=osmesa: "), done.stderr
    assert "Install libosmesa6" in done.stdout
