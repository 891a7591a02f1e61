"""A simulated hand lifts what it closes on, and only that."""

import json

import numpy as np
import pytest

pytest.importorskip("mujoco", reason="MuJoCo is missing: pip install 'selcon_ros[sim]'")

import mujoco

from experiments.lifting.__main__ import command
from experiments.lifting.bodies import Body, body_of
from experiments.lifting.decomposition import convex_pieces
from experiments.lifting.lift import Grasp, Outcome, lift
from experiments.lifting.scenes import IMAGE_SIZE, LiftScene, Sight, kinds_of, read, write
from experiments.lifting.sensor import measured
from experiments.lifting.table import markdown, summary
from experiments.lifting.trials import TrialPlan, TrialRow, run
from experiments.lifting.world import Pose, build, object_pose, settled
from selcon_ros.core.cameras.camera import Intrinsics
from selcon_ros.core.errors import SelconError
from selcon_tabletop.objects import KINDS, TRAINED
from selcon_tabletop.parts import Grip
from selcon_tabletop.rendering import Renderer, RenderError
from selcon_tabletop.shapes import box, lathe

DOWN = np.array([[1.0, 0, 0], [0, -1, 0], [0, 0, -1]])
"""Straight down, closing along x."""
ACROSS = np.array([[0.0, 1, 0], [1, 0, 0], [0, 0, -1]])
"""Straight down, closing along y."""
BLOCK = box((0.04, 0.1, 0.03)), 0.015
CAN = lathe([(0, 0), (0.04, 0), (0.04, 0.1), (0, 0.1)]), 0.0


def tried(thing, grasp, mass=0.2):
    mesh, height = thing
    pieces = convex_pieces(mesh)
    body = Body(pieces, [mass / len(pieces)] * len(pieces), [True] * len(pieces))
    pose = settled(body, Pose(np.array([0, 0, height]), np.eye(3)))
    assert pose is not None
    model, data = build(body, pose)
    return lift(model, data, grasp)


@pytest.mark.parametrize(("thing", "top", "width"), [(BLOCK, 0.03, 0.04), (CAN, 0.1, 0.08)])
def test_a_block_and_a_can_are_lifted(thing, top, width):
    trial = tried(thing, Grasp(np.array([0, 0, top]), DOWN, width))
    assert trial.outcome is Outcome.LIFTED and 0.13 < trial.rise < 0.16


def test_what_is_beside_it_is_not_lifted():
    trial = tried(BLOCK, Grasp(np.array([0.1, 0, 0.03]), DOWN, 0.04))
    assert trial.outcome is Outcome.MISSED and trial.rise < 0.01


def test_a_block_as_long_as_the_hand_opens_is_met_from_above():
    trial = tried((box((0.04, 0.12, 0.03)), 0.015), Grasp(np.array([0, 0, 0.03]), ACROSS, 0.04))
    assert trial.outcome is Outcome.ON_TOP


def test_a_hand_that_comes_through_the_table_is_blocked():
    level = np.array([[0, 0, 1.0], [1, 0, 0], [0, 1, 0]])
    assert tried(CAN, Grasp(np.array([-0.04, 0, 0.01]), level, 0.08)).outcome is Outcome.BLOCKED


def test_what_is_too_heavy_slips():
    trial = tried(BLOCK, Grasp(np.array([0, 0, 0.03]), DOWN, 0.04), mass=12.0)
    assert trial.outcome is Outcome.SLIPPED


CAP = lathe([(0, 0), (0.018, 0), (0.018, 0.025), (0, 0.025)]).moved((0, 0, 0.14))
NECK = lathe([(0, 0), (0.04, 0), (0.04, 0.1), (0.013, 0.12), (0.013, 0.15), (0, 0.15)])
"""A neck that reaches into its cap by 1 cm."""


def opened(grasp):
    """Return the trial of a cap on a neck, how far the body has moved, and how far the cap before."""
    pieces = convex_pieces(CAP)
    cap = Body(pieces, [0.01 / len(pieces)] * len(pieces), [True] * len(pieces))
    place = Pose(np.array([0.02, 0.01, 0]), np.eye(3))
    model, data = build(cap, place, fixed=convex_pieces(NECK))
    mujoco.mj_step(model, data, 250)
    sunk = float(np.abs(object_pose(model, data).position - place.position).max())
    body = [geom for geom in range(model.ngeom) if model.geom(geom).name.startswith("fixed")]
    before = data.geom_xpos[body].copy()
    trial = lift(model, data, grasp)
    return trial, float(np.abs(data.geom_xpos[body] - before).max()), sunk


def test_a_cap_is_lifted_off_a_body_that_stays():
    trial, moved, sunk = opened(Grasp(np.array([0.02, 0.01, 0.165]), DOWN, 0.036))
    assert trial.outcome is Outcome.LIFTED and 0.13 < trial.rise < 0.16
    assert moved == 0 and sunk < 0.0005


def test_a_hand_around_the_body_opens_nothing():
    level = np.array([[0, 0, 1.0], [1, 0, 0], [0, 1, 0]])
    trial, moved, _ = opened(Grasp(np.array([-0.02, 0.01, 0.06]), level, 0.08))
    assert trial.outcome is Outcome.ON_BODY and moved == 0


def test_a_lid_is_a_body_of_its_own():
    jar = TRAINED["jar"](np.random.default_rng(0))
    whole = body_of(jar, "open")
    lid, rest = whole.parted()
    assert (
        0 < lid.mass < 0.5 * whole.mass and all(lid.held) and len(lid.pieces) + len(rest) == len(whole.pieces)
    )
    lowest = min(part.mesh.vertices[:, 2].min() for part in jar.parts if part.action == "open")
    assert min(piece[:, 2].min() for piece in lid.pieces) >= lowest - 1e-6
    assert min(piece[:, 2].min() for piece in rest) < 0.001


def scene_file(path, action, fixed):
    body = Body([CAP.vertices], [0.01], [True])
    sight = Sight(
        np.zeros((6, 8, 3), np.uint8),
        np.full((6, 8), 0.5, np.float32),
        np.ones((6, 8), bool),
        Intrinsics(9.0, 9.0, 3.5, 2.5, 8, 6),
        Pose(np.zeros(3), np.eye(3)),
    )
    grip = Grip(np.zeros(3), np.array([0, 0, 1.0]), 0.018, np.array([1.0, 0, 0]))
    pose = Pose(np.zeros(3), np.eye(3))
    write(LiftScene("bottle", body, grip, pose, [], (0.6, 0.5), [sight], action, fixed), path)


def test_a_scene_of_open_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "bottle-0.npz"
    neck = [NECK.vertices, CAN[0].vertices]
    scene_file(path, "open", neck)
    found = read(path)
    assert found.action == "open" and len(found.fixed) == 2
    assert all(np.array_equal(mine, theirs) for mine, theirs in zip(found.fixed, neck, strict=True))


def test_a_scene_file_of_before_is_one_of_hold(tmp_path):
    path = tmp_path / "bottle-0.npz"
    scene_file(path, "hold", [])
    with np.load(path) as file:
        kept = {name: file[name] for name in file if name not in ("action", "fixed", "fixed_sizes")}
    np.savez_compressed(path, **kept)
    found = read(path)
    assert found.action == "hold" and found.fixed == [] and len(found.sights) == 1


def test_files_of_hold_keep_their_names():
    plans = [TrialPlan("truth", grasp, ["jar"], 1, 2, 7, None, "hold") for grasp in ("published", "grip")]
    assert [(plan.name, plan.scenes_folder) for plan in plans] == [
        ("published-truth", "scenes-7-2"),
        ("grip", "scenes-7-2"),
    ]
    other = TrialPlan("truth", "published", ["jar"], 1, 2, 7, None, "open")
    assert (other.name, other.scenes_folder) == ("open-published-truth", "open-scenes-7-2")


def test_kinds_without_a_lid_are_refused(tmp_path):
    assert set(kinds_of("hold")) == set(KINDS)
    words = ["--action", "open", "--kind", "jar", "--kind", "mug", str(tmp_path)]
    with pytest.raises(SelconError, match="nothing to open at mug: choose from kettle, .*, flask$"):
        command.main(words, standalone_mode=False)
    assert not list(tmp_path.iterdir())


def test_a_mug_stays_hollow():
    mug = TRAINED["mug"](np.random.default_rng(0))
    body = body_of(mug)
    assert 0.1 < body.mass < 0.6
    spans = [np.ptp(piece, axis=0) for piece in body.pieces]
    assert len(spans) > 16 and max(float(np.hypot(*span[:2])) for span in spans) < 0.06


def test_depth_is_measured_as_stereo_does():
    depth = np.full((120, 160), 0.5, np.float32)
    depth[40:80, 60:100] = 0.4
    found = measured(depth, 600.0, np.random.default_rng(0))
    flat = found[5:30, 5:150]
    error = flat[np.isfinite(flat)] - 0.5
    # A tenth of a pixel: 0.5² / (600 · 0.05) · 0.1 m.
    assert 0.0005 < error.std() < 0.0012
    assert 0.002 < np.isnan(found).mean() < 0.1


def test_trials_go_on_where_they_stopped(tmp_path):
    try:
        Renderer(*IMAGE_SIZE).close()
    except RenderError as error:
        pytest.skip(f"no off-screen rendering here ({error}): apt-get install libosmesa6")
    plan = TrialPlan("truth", "published", ["knife"], 1, 2, 7)
    rows = run(plan, tmp_path, 1)
    assert [(row.kind, row.number, row.view) for row in rows] == [("knife", 0, 0), ("knife", 0, 1)]
    kept = tmp_path / "published-truth-7-2.jsonl"
    lines = kept.read_text().splitlines()
    changed = json.loads(lines[0]) | {"cause": "kept from before"}
    kept.write_text(json.dumps(changed) + "\n" + lines[1][:20])
    again = run(plan, tmp_path, 1)
    assert again[0].cause == "kept from before" and again[1] == rows[1]
    kept.write_text("{}\n")
    with pytest.raises(SelconError, match="line 1: no row of a trial"):
        run(plan, tmp_path, 1)


def test_rates_by_kind_and_cause():
    plan = TrialPlan("truth", "published", ["knife", "teacup"], 1, 2, 0)
    rows = [
        TrialRow("knife", 0, 0, "lifted"),
        TrialRow("knife", 0, 1, "slipped"),
        TrialRow("teacup", 0, 0, "no grasp", "flat"),
        TrialRow("teacup", 0, 1, "lifted"),
    ]
    figures = summary(plan, rows)
    assert figures["rate"] == 0.5 and figures["trained kinds"] == figures["held-out kinds"] == "1/2"
    assert figures["causes"] == {"lifted": 2, "slipped": 1, "no grasp": 1} and figures["why none"] == {
        "flat": 1
    }
    assert "| teacup | 1/2 |" in markdown([figures]) and "| all | 50.0 % of 4 |" in markdown([figures])
