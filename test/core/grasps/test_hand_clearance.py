"""From which side a hand comes to a part: clear of the table and of what is beside it."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selcon_ros.core.grasps.grasp import find_grasps
from selcon_ros.core.grasps.grasp_result import GraspPoint
from selcon_ros.core.grasps.hand_clearance import best_way, ways
from selcon_ros.core.grasps.hand_hold import FINGER_WIDTH, hold, lay, room
from selcon_ros.core.grasps.support import Plane
from selcon_ros.core.grounding.heatmap import Heatmap
from support.shapes import CAMERA, Table, angle, box_depth, matrix, scene

UP = np.array([0.0, 0.0, -1.0])
"""Of a table seen from straight above."""
RAY = np.array([0.0, 0.0, 1.0])
DOWN = np.eye(3)


def lowest_finger(grasp: GraspPoint, table: Table, reach: float) -> float:
    """Return the height in metres above the table of the open fingers' lowest corner."""
    axes, place = matrix(grasp.orientation), np.array(grasp.position)
    corners = [
        place + axes @ [x, y, reach] for x in (-0.06, 0.06) for y in (-FINGER_WIDTH / 2, FINGER_WIDTH / 2)
    ]
    return min(float(table.up @ (corner - table.origin)) for corner in corners)


@settings(max_examples=20, deadline=None)
@given(yaw=st.floats(0, math.pi), tilt=st.floats(0.2, 1.05))
def test_fingers_stay_above_the_table_beside_a_lying_bar(yaw: float, tilt: float) -> None:
    """The bar's visible side faces the camera; a hand along its normal would meet the table."""
    table, axes = Table(tilt, 0.6), Table(tilt, 0.6).axes(yaw)
    bar = box_depth(table.origin + 0.012 * table.up, axes, np.array([0.16, 0.024, 0.024]))
    depth, (visible,) = scene(table, bar)
    (grasp,) = find_grasps(Heatmap("hold", visible.astype(np.float32), 0.9), depth, CAMERA).points
    # Half of the bar's height must be between the fingers.
    height = table.up @ (np.array(grasp.position) - table.origin)
    assert lowest_finger(grasp, table, 0.4 * height) > -0.001
    assert angle(matrix(grasp.orientation)[:, 0], axes[:, 0]) > 70, "closes across the bar"


def test_a_standing_can_is_closed_level_with_the_table() -> None:
    table = Table(1.0, 0.6)
    can = box_depth(table.origin + 0.06 * table.up, table.axes(0.2), np.array([0.06, 0.06, 0.12]))
    depth, (visible,) = scene(table, can)
    (grasp,) = find_grasps(Heatmap("hold", visible.astype(np.float32), 0.9), depth, CAMERA).points
    axes = matrix(grasp.orientation)
    assert abs(axes[:, 0] @ table.up) < 0.1
    assert axes[:, 2] @ table.up < 0.1, "not from below"
    assert 0.055 < grasp.width < 0.09


def block(low: tuple[float, float, float], high: tuple[float, float, float]) -> np.ndarray:
    """Return points of a block's top and sides, seen from above."""
    grid = np.stack(np.meshgrid(*(np.arange(a, b + 1e-9, 0.003) for a, b in zip(low, high, strict=True))), -1)
    return grid.reshape(-1, 3).astype(np.float32)


BAR = block((-0.01, -0.07, 0), (0.01, 0.07, 0.02))
"""A bar along y, from 0 to 2 cm below the grasp point, on a table at 2 cm."""


def judged(*things: np.ndarray, frame: np.ndarray = DOWN, height: float = 0.022) -> float:
    tips, palm = room(frame.T[None], height, tuple(UP), 0.10)
    laid = lay(np.concatenate(things).T, frame.T[None], 0.10)
    return hold(laid, 0, tips[0], palm[0], 0.10)[0]


def test_a_bar_alone_is_good_to_close_on() -> None:
    assert judged(BAR) > 0.7


@pytest.mark.parametrize(
    "thing",
    [
        block((0.045, -0.01, 0.0), (0.06, 0.01, 0.02)),  # where the open finger goes
        block((0.028, -0.01, 0.0), (0.04, 0.01, 0.02)),  # in the finger's way
        block((-0.06, -0.03, -0.08), (0.06, -0.015, -0.06)),  # where the palm goes
    ],
)
def test_a_thing_in_the_hand_s_way_forbids_it(thing: np.ndarray) -> None:
    assert judged(BAR, thing) == 0
    # It is no matter a hand's width aside.
    assert judged(BAR, thing + np.float32([0, 0.07, 0])) > 0.7 or thing[:, 2].min() < -0.05


def test_the_table_forbids_a_hand_that_leans_over() -> None:
    lean = math.radians(40)
    over = np.array([[math.cos(lean), 0, math.sin(lean)], [0, 1, 0], [-math.sin(lean), 0, math.cos(lean)]])
    assert judged(BAR, frame=over) == 0
    assert judged(BAR, frame=over, height=0.15) > 0


def test_what_is_as_wide_as_the_hand_opens_cannot_be_closed_on() -> None:
    assert judged(block((-0.05, -0.02, 0), (0.05, 0.02, 0.02))) == 0


def test_sides_that_lean_are_worse_than_steep_ones() -> None:
    x, y = np.meshgrid(np.arange(-0.04, 0.041, 0.003), np.arange(-0.04, 0.041, 0.003))
    roof = np.stack([x, y, 0.7 * np.abs(x)], -1).reshape(-1, 3).astype(np.float32)
    assert 0 < judged(roof, height=0.032) < 0.8 * judged(BAR, height=0.032)


def test_the_surface_s_own_way_is_kept_where_it_is_good() -> None:
    place = np.float32([0, 0, 0.5])
    plane = Plane(UP, -0.522, 0.005)
    kept = best_way((BAR + place).T, plane, place, DOWN, 0.10)
    assert kept.axes is DOWN and kept.reach == math.inf
    beside = block((0.028, -0.01, 0.0), (0.05, 0.01, 0.02))
    turned = best_way((np.concatenate([BAR, beside]) + place).T, plane, place, DOWN, 0.10)
    assert 20 < angle(turned.axes[:, 0], DOWN[:, 0]) < 40, "past what is beside the bar"
    everywhere = block((-0.06, -0.07, -0.001), (0.06, 0.07, 0.02))
    stuck = best_way((everywhere + place).T, plane, place, DOWN, 0.10)
    assert stuck.axes is DOWN, "no way is possible: the first stands"
    lid = best_way((everywhere + place).T, plane, place, DOWN, 0.10, lid=True)
    assert lid.axes is DOWN and lid.reach == math.inf and lid.quality == 0
    lean = math.radians(40)
    over = np.array([[math.cos(lean), 0, math.sin(lean)], [0, 1, 0], [-math.sin(lean), 0, math.cos(lean)]])
    better = best_way((BAR + place).T, plane, place, over, 0.10)
    assert angle(better.axes[:, 2], RAY) < 1 and angle(better.axes[:, 0], np.array([1.0, 0, 0])) < 1


@given(st.integers(0, 2**32 - 1))
def test_ways_are_right_handed_and_level(seed: int) -> None:
    random = np.random.default_rng(seed)
    axes, _ = np.linalg.qr(random.normal(size=(3, 3)))
    axes *= np.sign(np.linalg.det(axes))
    normal, ray = (vector / np.linalg.norm(vector) for vector in random.normal(size=(2, 3)))
    frames = ways(axes, tuple(normal), tuple(ray)).transpose(0, 2, 1)
    np.testing.assert_allclose(
        frames.transpose(0, 2, 1) @ frames, np.tile(np.eye(3), (len(frames), 1, 1)), atol=1e-9
    )
    assert np.linalg.det(frames) == pytest.approx(1)
    assert np.abs(frames[1:, :, 0] @ normal).max() < 1e-9
    assert (frames[1:, :, 2] @ normal).max() < 1e-9
