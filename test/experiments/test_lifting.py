"""A simulated hand lifts what it closes on, and only that."""

import json

import numpy as np
import pytest

pytest.importorskip("mujoco", reason="MuJoCo is missing: pip install 'selcon_ros[sim]'")

from experiments.lifting.bodies import Body, body_of
from experiments.lifting.decomposition import convex_pieces
from experiments.lifting.lift import Grasp, Outcome, lift
from experiments.lifting.scenes import IMAGE_SIZE
from experiments.lifting.sensor import measured
from experiments.lifting.table import markdown, summary
from experiments.lifting.trials import TrialPlan, TrialRow, run
from experiments.lifting.world import Pose, build, settled
from selcon_ros.core.errors import SelconError
from selcon_tabletop.objects import TRAINED
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
