"""Where on a body the grasp point lies, with which pose and width."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from selcon_ros.core.grasps.grasp import GraspParameters, find_grasps
from selcon_ros.core.grounding.heatmap import Heatmap
from support.shapes import (
    CAMERA,
    SHAPE,
    Table,
    angle,
    box_depth,
    heat_of,
    matrix,
    on,
    rectangle,
    ring_depth,
    scene,
)

# A bar on a table: a tool's handle.


@settings(max_examples=25, deadline=None)
@given(
    yaw=st.floats(-math.pi, math.pi),
    tilt=st.floats(
        0.05, 0.85
    ),  # beyond, and far away, a bar's axes are now and then taken for each other (rare: 2 of 1,456 tried)
    distance=st.floats(0.45, 0.9),
    x=st.floats(-0.08, 0.08),
    y=st.floats(-0.06, 0.06),
    noise=st.sampled_from([0.0, 0.001]),
)
@example(yaw=1.0, tilt=0.0625, distance=0.75, x=0.0546875, y=-0.0546875, noise=0.0)  # beads
@example(yaw=0.0, tilt=1.0, distance=0.875, x=0.0, y=0.0, noise=0.0)  # closes at 60 degrees
def test_a_handle_on_a_table_is_gripped_across(
    yaw: float, tilt: float, distance: float, x: float, y: float, noise: float
) -> None:
    table, length, width, height = Table(tilt, distance), 0.14, 0.025, 0.022
    axes = table.axes(yaw)
    centre = table.origin + table.axes(0) @ [x, y, height / 2]
    depth, (visible,) = scene(table, box_depth(centre, axes, np.array([length, width, height])))
    depth += np.random.default_rng(0).normal(0, noise, SHAPE).astype(np.float32) if noise else 0
    grasps = find_grasps(heat_of(visible), depth, CAMERA)

    assert len(grasps.points) == 1, grasps.refused
    grasp = grasps.points[0]
    assert on(visible, grasp.pixel)
    assert grasp.note == ""
    # On its surface.
    local = (np.array(grasp.position) - centre) @ axes
    assert np.abs(local[1]) < width / 2 + 0.003 and np.abs(local[2]) < height / 2 + 0.003 + 3 * noise
    assert np.abs(local[0]) < length / 2 + 0.003
    rotation = matrix(grasp.orientation)
    # Or turned by one of the directions that are tried, which are 30 degrees apart.
    assert angle(rotation[:, 0], axes[:, 0]) > 55, "closes across the bar, not along it"
    assert rotation[:, 2] @ np.array(grasp.position) > 0, "approaches away from the camera"
    assert rotation[:, 2] @ table.up < 0, "approaches from above"
    # Between the bar's width and its diagonal, when both its top and its side are seen.
    assert 0.8 * width < grasp.width < 1.1 * math.hypot(width, height) + 0.004


def test_seen_from_above_the_pose_is_exact() -> None:
    table = Table(tilt=0.0, distance=0.6)
    axes = table.axes(0.5)
    centre = table.origin + 0.01 * table.up
    depth, (visible,) = scene(table, box_depth(centre, axes, np.array([0.15, 0.03, 0.02])))
    (grasp,) = find_grasps(heat_of(visible), depth, CAMERA).points
    rotation = matrix(grasp.orientation)
    assert np.degrees(np.arccos(np.clip(rotation[:, 2] @ -table.up, -1, 1))) < 2
    assert angle(rotation[:, 0], axes[:, 1]) < 3
    assert grasp.width == pytest.approx(0.03, abs=0.003)
    assert grasp.position == pytest.approx((0, 0, 0.58), abs=0.02)
    assert np.linalg.det(rotation) == pytest.approx(1)
    # The fingers touch at the bar's sides, which are 0.03 m apart.
    (u0, v0), (u1, v1) = grasp.jaws
    assert math.hypot(u1 - u0, v1 - v0) == pytest.approx(0.03 * 600 / 0.58, abs=3)
    assert not on(visible, (u0 - 0.15 * (u1 - u0), v0 - 0.15 * (v1 - v0)))


def test_the_closing_direction_does_not_flip() -> None:
    """A bar that turns a little past the vertical closes the same way round."""
    directions = []
    for yaw in np.linspace(1.45, 1.7, 6):
        table = Table(0.3, 0.6)
        bar = box_depth(table.origin + 0.01 * table.up, table.axes(yaw), np.array([0.15, 0.03, 0.02]))
        depth, (visible,) = scene(table, bar)
        directions.append(matrix(find_grasps(heat_of(visible), depth, CAMERA).points[0].orientation)[:, 0])
    assert min(a @ b for a, b in pairwise(directions)) > 0.9


def test_the_table_beside_a_thin_part_does_not_count() -> None:
    """A blurred heatmap covers more table than bar; its width is the bar's all the same."""
    table = Table(0.6, 0.8)
    bar = box_depth(table.origin + 0.006 * table.up, table.axes(0.3), np.array([0.16, 0.014, 0.012]))
    depth, (visible,) = scene(table, bar)
    heatmap = heat_of(visible)
    hot = heatmap.values > 0.5
    assert np.count_nonzero(hot & ~visible) > 0.7 * np.count_nonzero(hot & visible)
    (grasp,) = find_grasps(heatmap, depth, CAMERA).points
    assert on(visible, grasp.pixel)
    assert grasp.width < 0.025


def test_the_width_is_the_object_s_not_the_heat_s() -> None:
    """The heat covers a third of the bar's width, on one side: the fingers must clear the bar."""
    table = Table(0.0, 0.6)
    bar = box_depth(table.origin + 0.02 * table.up, table.axes(0.0), np.array([0.18, 0.06, 0.04]))
    depth, (visible,) = scene(table, bar)
    heatmap = Heatmap("hold", rectangle(280, 215, 360, 235).astype(np.float32), 0.9)
    (grasp,) = find_grasps(heatmap, depth, CAMERA).points
    assert on(visible, grasp.pixel)
    assert grasp.width == pytest.approx(0.06, abs=0.004)
    rotation = matrix(grasp.orientation)
    assert angle(rotation[:, 0], np.array([0.0, 1.0, 0.0])) < 5
    small = find_grasps(heatmap, depth, CAMERA, GraspParameters(max_width=0.05))
    assert small.points == () and "the gripper opens 0.050 m" in small.refused[0].text


def test_a_part_as_flat_as_the_table_is_kept() -> None:
    """A blade of no height lies in the table's plane: it is still grasped, along the table's normal."""
    table = Table(0.5, 0.6)
    heatmap = heat_of(rectangle(250, 210, 400, 240))
    (grasp,) = find_grasps(heatmap, table.depth().astype(np.float32), CAMERA).points
    assert grasp.width is not None and grasp.note == ""
    assert angle(matrix(grasp.orientation)[:, 2], table.up) < 1


# Shapes whose centre is not on them.


@pytest.mark.parametrize("with_depth", [True, False])
def test_a_ring_is_grasped_on_its_rim(with_depth: bool) -> None:
    table = Table(0.0, 0.6)
    ring = ring_depth(table.origin + 0.05 * table.up, table.axes(0), 0.07, 0.09)
    depth, (visible,) = scene(table, ring)
    # Fine heat, so that the hole is not filled: the centre of heat is in it.
    heatmap = Heatmap("hold", visible.astype(np.float32), 0.9)
    grasp = find_grasps(heatmap, depth if with_depth else None, CAMERA).points[0]
    assert on(visible, grasp.pixel)
    radial = np.array(grasp.pixel) - (319.5, 239.5)
    (u0, v0), (u1, v1) = grasp.jaws
    assert angle(radial, np.array([u1 - u0, v1 - v0])) < 15, "closes across the rim"
    if with_depth:
        assert grasp.width == pytest.approx(0.02, abs=0.003)


@pytest.mark.parametrize("background", ["table", "hills"])
def test_what_shows_through_a_handle_is_not_grasped(background: str) -> None:
    """The heat of a mug's handle peaks in its hole, through which a table or something uneven is seen."""
    ring = ring_depth(np.array([0.0, 0.0, 0.45]), np.eye(3), 0.018, 0.030)
    depth, (visible,) = scene(Table(0.9, 0.6), ring)
    v, u = np.mgrid[:480, :640]
    if background == "hills":
        hills = (0.75 + 0.1 * np.sin(u / 25) * np.cos(v / 30)).astype(np.float32)
        depth = np.where(visible, depth, hills)
    values = np.exp(-((u - 319.5) ** 2 + (v - 239.5) ** 2) / (2 * 45.0**2)).astype(np.float32)
    (grasp,) = find_grasps(Heatmap("hold", values, 0.9), depth, CAMERA).points
    assert on(visible, grasp.pixel)
    assert grasp.position[2] == pytest.approx(0.45, abs=0.01)


def test_the_inside_of_a_bend_is_not_the_bend() -> None:
    mask = rectangle(200, 100, 230, 300) | rectangle(200, 270, 420, 300)
    (grasp,) = find_grasps(Heatmap("hold", mask.astype(np.float32), 0.9)).points
    assert on(mask, grasp.pixel)
    u, v = grasp.pixel
    assert mask[round(v) - 8 : round(v) + 9, round(u) - 8 : round(u) + 9].mean() > 0.6, "in its middle"


# Bodies and depth that mislead.


def test_a_head_on_a_handle_is_gripped_where_it_fits() -> None:
    """A T of a head, 0.12 x 0.05 m, and a long handle: the gripper closes over the head's short side."""
    table = Table(0.0, 0.7)
    up = table.up
    head = box_depth(table.origin + 0.02 * up, table.axes(0.0), np.array([0.05, 0.14, 0.04]))
    handle = box_depth(table.origin + 0.02 * up + [0.1, 0, 0], table.axes(0.0), np.array([0.2, 0.03, 0.04]))
    depth, visible = scene(table, head, handle)
    (grasp,) = find_grasps(heat_of(visible[0]), depth, CAMERA).points
    assert on(visible[0], grasp.pixel)
    assert grasp.width < 0.1


def test_holes_in_the_depth_are_gone_round() -> None:
    """A third of the pixels unmeasured, the peak's too: the point is where there is depth."""
    table = Table(0.4, 0.6)
    bar = box_depth(table.origin + 0.01 * table.up, table.axes(0.4), np.array([0.15, 0.03, 0.02]))
    depth, (visible,) = scene(table, bar)
    depth[np.random.default_rng(1).random(SHAPE) < 0.33] = 0
    depth[232:248, 312:328] = np.nan
    (grasp,) = find_grasps(heat_of(visible), depth, CAMERA).points
    assert on(visible & (depth > 0), grasp.pixel)
    assert grasp.width == pytest.approx(0.03, abs=0.01)


def test_flying_pixels_do_not_bend_the_pose() -> None:
    table = Table(0.0, 0.6)
    bar = box_depth(table.origin + 0.02 * table.up, table.axes(0.0), np.array([0.15, 0.03, 0.04]))
    depth, (visible,) = scene(table, bar)
    (clean,) = find_grasps(heat_of(visible), depth, CAMERA).points
    depth[np.random.default_rng(1).random(SHAPE) < 0.01] = 0.4
    (grasp,) = find_grasps(heat_of(visible), depth, CAMERA).points
    assert grasp.position == pytest.approx(clean.position, abs=0.005)
    assert angle(matrix(grasp.orientation)[:, 2], matrix(clean.orientation)[:, 2]) < 5
    assert grasp.width == pytest.approx(clean.width, abs=0.004)
