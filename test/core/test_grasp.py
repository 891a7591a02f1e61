import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selcon_ros.core.camera import Intrinsics
from selcon_ros.core.errors import CameraError, DepthError, ParameterError
from selcon_ros.core.grasp import GraspParameters, find
from selcon_ros.core.heatmap import Heatmap, upsample
from support.shapes import CAMERA, Table, angle, box_depth, heat_of, matrix, ring_depth

SHAPE = (480, 640)


def rectangle(u0: int, v0: int, u1: int, v1: int) -> np.ndarray:
    mask = np.zeros(SHAPE, bool)
    mask[v0:v1, u0:u1] = True
    return mask


def on(mask: np.ndarray, pixel: tuple[float, float]) -> bool:
    return bool(mask[round(pixel[1]), round(pixel[0])])


def scene(table: Table, *solids: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return the depth image of solids on a table, and where each is visible."""
    layers = np.stack([table.depth(), *solids])
    nearest = layers.argmin(axis=0)
    return layers.min(axis=0).astype(np.float32), [nearest == 1 + i for i in range(len(solids))]


# A bar on a table: a tool's handle.


@settings(max_examples=25, deadline=None)
@given(
    yaw=st.floats(-math.pi, math.pi), tilt=st.floats(0.05, 1.0), distance=st.floats(0.45, 0.9),
    x=st.floats(-0.08, 0.08), y=st.floats(-0.06, 0.06), noise=st.sampled_from([0.0, 0.001]),
)
def test_a_handle_on_a_table_is_gripped_across(
    yaw: float, tilt: float, distance: float, x: float, y: float, noise: float
) -> None:
    table, length, width, height = Table(tilt, distance), 0.14, 0.025, 0.022
    axes = table.axes(yaw)
    centre = table.origin + table.axes(0) @ [x, y, height / 2]
    depth, (visible,) = scene(table, box_depth(centre, axes, np.array([length, width, height])))
    depth += np.random.default_rng(0).normal(0, noise, SHAPE).astype(np.float32) if noise else 0
    grasps = find(heat_of(visible), depth, CAMERA)

    assert len(grasps) == 1, grasps.refused
    grasp = grasps[0]
    assert on(visible, grasp.pixel)
    assert grasp.note == ""
    # On its surface.
    local = (np.array(grasp.position) - centre) @ axes
    assert np.abs(local[1]) < width / 2 + 0.003 and np.abs(local[2]) < height / 2 + 0.003 + 3 * noise
    assert np.abs(local[0]) < length / 2 + 0.003
    rotation = matrix(grasp.orientation)
    assert angle(rotation[:, 0], axes[:, 0]) > 75, "closes across the bar, not along it"
    assert rotation[:, 2] @ np.array(grasp.position) > 0, "approaches away from the camera"
    assert rotation[:, 2] @ table.up < 0, "approaches from above"
    # Between the bar's width and its diagonal, when both its top and its side are seen.
    assert 0.8 * width < grasp.width < 1.1 * math.hypot(width, height) + 0.004


def test_seen_from_above_the_pose_is_exact() -> None:
    table = Table(tilt=0.0, distance=0.6)
    axes = table.axes(0.5)
    centre = table.origin + 0.01 * table.up
    depth, (visible,) = scene(table, box_depth(centre, axes, np.array([0.15, 0.03, 0.02])))
    (grasp,) = find(heat_of(visible), depth, CAMERA)
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
        directions.append(matrix(find(heat_of(visible), depth, CAMERA)[0].orientation)[:, 0])
    assert min(a @ b for a, b in pairwise(directions)) > 0.9


def test_the_table_beside_a_thin_part_does_not_count() -> None:
    """A blurred heatmap covers more table than bar; its width is the bar's all the same."""
    table = Table(0.6, 0.8)
    bar = box_depth(table.origin + 0.006 * table.up, table.axes(0.3), np.array([0.16, 0.014, 0.012]))
    depth, (visible,) = scene(table, bar)
    heatmap = heat_of(visible)
    hot = heatmap.values > 0.5
    assert np.count_nonzero(hot & ~visible) > 0.7 * np.count_nonzero(hot & visible)
    (grasp,) = find(heatmap, depth, CAMERA)
    assert on(visible, grasp.pixel)
    assert grasp.width < 0.025


def test_the_width_is_the_object_s_not_the_heat_s() -> None:
    """The heat covers a third of the bar's width, on one side: the fingers must clear the bar."""
    table = Table(0.0, 0.6)
    bar = box_depth(table.origin + 0.02 * table.up, table.axes(0.0), np.array([0.18, 0.06, 0.04]))
    depth, (visible,) = scene(table, bar)
    heatmap = Heatmap("hold", rectangle(280, 215, 360, 235).astype(np.float32), 0.9)
    (grasp,) = find(heatmap, depth, CAMERA)
    assert on(visible, grasp.pixel)
    assert grasp.width == pytest.approx(0.06, abs=0.004)
    rotation = matrix(grasp.orientation)
    assert angle(rotation[:, 0], np.array([0.0, 1.0, 0.0])) < 5
    small = find(heatmap, depth, CAMERA, GraspParameters(max_width=0.05))
    assert small == [] and "the gripper opens 0.050 m" in small.refused[0]


def test_a_part_as_flat_as_the_table_is_kept() -> None:
    """A blade of no height lies in the table's plane: it is still grasped, along the table's normal."""
    table = Table(0.5, 0.6)
    heatmap = heat_of(rectangle(250, 210, 400, 240))
    (grasp,) = find(heatmap, table.depth().astype(np.float32), CAMERA)
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
    grasp = find(heatmap, depth if with_depth else None, CAMERA)[0]
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
    (grasp,) = find(Heatmap("hold", values, 0.9), depth, CAMERA)
    assert on(visible, grasp.pixel)
    assert grasp.position[2] == pytest.approx(0.45, abs=0.01)


def test_the_inside_of_a_bend_is_not_the_bend() -> None:
    mask = rectangle(200, 100, 230, 300) | rectangle(200, 270, 420, 300)
    (grasp,) = find(Heatmap("hold", mask.astype(np.float32), 0.9))
    assert on(mask, grasp.pixel)
    u, v = grasp.pixel
    assert mask[round(v) - 8 : round(v) + 9, round(u) - 8 : round(u) + 9].mean() > 0.6, "in its middle"


# Several regions, borders, ranking.


def test_regions_are_ranked_and_limited() -> None:
    mask = np.zeros(SHAPE, np.float32)
    mask[100:140, 100:140] = 1.0
    mask[300:400, 400:500] = 0.9
    mask[50:60, 600:610] = 0.8
    heatmap = Heatmap("hold", mask, 0.8)
    grasps = find(heatmap)
    assert [tuple(50 * round(x / 50) for x in grasp.pixel) for grasp in grasps] == [
        (450, 350), (100, 100), (600, 50)
    ]
    assert grasps[0].score == pytest.approx(0.8)
    assert grasps[0].score > grasps[1].score > grasps[2].score > 0
    assert find(heatmap, parameters=GraspParameters(max_points=1)) == grasps[:1]


def test_a_small_peak_leads_a_large_lukewarm_area() -> None:
    mask = np.zeros(SHAPE, np.float32)
    mask[100:140, 100:140] = 1.0
    mask[300:380, 400:480] = 0.6
    assert on(rectangle(100, 100, 140, 140), find(Heatmap("hold", mask, 0.8))[0].pixel)


def test_a_part_at_the_border_is_said_to_be_cut_off() -> None:
    table = Table(0.0, 0.6)
    bar = box_depth(np.array([-0.32, 0.0, 0.58]), table.axes(0.0), np.array([0.16, 0.03, 0.02]))
    depth, (visible,) = scene(table, bar)
    assert visible[:, 0].any()
    (grasp,) = find(heat_of(visible), depth, CAMERA)
    assert on(visible, grasp.pixel)
    assert "cut off by the image border" in grasp.note


def test_large_regions_are_thinned_without_moving() -> None:
    """A region of 90,000 pixels: looked at with fewer, at the same place and of the same width."""
    depth = np.full(SHAPE, 0.5, np.float32)
    heatmap = Heatmap("hold", rectangle(100, 150, 550, 350).astype(np.float32), 0.9)
    (grasp,) = find(heatmap, depth, CAMERA, GraspParameters(max_width=1))
    assert grasp.pixel == pytest.approx((325, 250), abs=8)
    assert grasp.width == pytest.approx(200 * 0.5 / 600, rel=0.05)


# What is refused, and what depth does not allow.


@pytest.mark.parametrize(
    ("heatmap", "message"),
    [
        (heat_of(rectangle(100, 100, 200, 140), confidence=0.3), "confidence 0.30 is below 0.50"),
        (heat_of(rectangle(100, 100, 200, 140), confidence=math.nan), "confidence nan is below 0.50"),
        (Heatmap("hold", np.zeros(SHAPE, np.float32), 0.9), "flat"),
        (Heatmap("hold", np.full(SHAPE, np.nan, np.float32), 0.9), "flat"),
        (Heatmap("hold", np.random.default_rng(0).random(SHAPE, np.float32), 0.9), "contrast 0.2"),
        (Heatmap("hold", rectangle(100, 100, 103, 103).astype(np.float32), 0.9), "fewer than 30"),
    ],
)
def test_no_grasp_has_a_reason(heatmap: Heatmap, message: str) -> None:
    grasps = find(heatmap, np.ones(SHAPE, np.float32), CAMERA)
    assert grasps == []
    assert len(grasps.refused) == 1 and message in grasps.refused[0]


def test_a_part_wider_than_the_gripper_is_refused() -> None:
    depth = np.full(SHAPE, 0.6, np.float32)
    mask = rectangle(100, 100, 300, 300) | rectangle(400, 100, 430, 200)
    grasps = find(Heatmap("hold", mask.astype(np.float32), 0.9), depth, CAMERA)
    assert len(grasps) == 1 and on(rectangle(400, 100, 430, 200), grasps[0].pixel)
    assert grasps[0].score < 0.9
    assert "0.200 m wide" in grasps.refused[0] and "the gripper opens 0.100 m" in grasps.refused[0]


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
def test_without_valid_depth_the_point_is_in_the_image_only(bad: float) -> None:
    mask = rectangle(100, 100, 200, 130)
    (grasp,) = find(heat_of(mask), np.full(SHAPE, bad, np.float32), CAMERA)
    assert on(mask, grasp.pixel)
    assert (grasp.position, grasp.orientation, grasp.width) == (None, None, None)
    assert grasp.note == "no valid depth on the part"
    (u0, v0), (u1, v1) = grasp.jaws
    assert angle(np.array([u1 - u0, v1 - v0]), np.array([0.0, 1.0])) < 10


def test_why_there_is_no_pose() -> None:
    mask = rectangle(100, 100, 200, 130)
    depth = np.full(SHAPE, np.nan, np.float32)
    depth[110, 110:120] = 1
    assert find(heat_of(mask))[0].note == "no depth image"
    assert find(heat_of(mask), depth)[0].note == "no camera calibration"
    assert find(heat_of(mask), depth, CAMERA)[0].note == "only 10 valid depths on the part, of 30"
    broken = np.random.default_rng(0).uniform(1, 5, SHAPE).astype(np.float32)
    assert find(heat_of(mask), broken, CAMERA)[0].note.endswith("valid depths on the peak's surface, of 30")


def test_a_head_on_a_handle_is_gripped_where_it_fits() -> None:
    """A T of a head, 0.12 x 0.05 m, and a long handle: the gripper closes over the head's short side."""
    table = Table(0.0, 0.7)
    up = table.up
    head = box_depth(table.origin + 0.02 * up, table.axes(0.0), np.array([0.05, 0.14, 0.04]))
    handle = box_depth(table.origin + 0.02 * up + [0.1, 0, 0], table.axes(0.0), np.array([0.2, 0.03, 0.04]))
    depth, visible = scene(table, head, handle)
    (grasp,) = find(heat_of(visible[0]), depth, CAMERA)
    assert on(visible[0], grasp.pixel)
    assert grasp.width < 0.1


def test_holes_in_the_depth_are_gone_round() -> None:
    """A third of the pixels unmeasured, the peak's too: the point is where there is depth."""
    table = Table(0.4, 0.6)
    bar = box_depth(table.origin + 0.01 * table.up, table.axes(0.4), np.array([0.15, 0.03, 0.02]))
    depth, (visible,) = scene(table, bar)
    depth[np.random.default_rng(1).random(SHAPE) < 0.33] = 0
    depth[232:248, 312:328] = np.nan
    (grasp,) = find(heat_of(visible), depth, CAMERA)
    assert on(visible & (depth > 0), grasp.pixel)
    assert grasp.width == pytest.approx(0.03, abs=0.01)


def test_flying_pixels_do_not_bend_the_pose() -> None:
    table = Table(0.0, 0.6)
    bar = box_depth(table.origin + 0.02 * table.up, table.axes(0.0), np.array([0.15, 0.03, 0.04]))
    depth, (visible,) = scene(table, bar)
    (clean,) = find(heat_of(visible), depth, CAMERA)
    depth[np.random.default_rng(1).random(SHAPE) < 0.01] = 0.4
    (grasp,) = find(heat_of(visible), depth, CAMERA)
    assert grasp.position == pytest.approx(clean.position, abs=0.005)
    assert angle(matrix(grasp.orientation)[:, 2], matrix(clean.orientation)[:, 2]) < 5
    assert grasp.width == pytest.approx(clean.width, abs=0.004)


def test_geometry_that_does_not_belong_together_is_refused() -> None:
    heatmap = heat_of(rectangle(100, 100, 200, 130))
    with pytest.raises(DepthError, match="depth is 320x240, the image 640x480"):
        find(heatmap, np.ones((240, 320), np.float32), CAMERA)
    with pytest.raises(DepthError, match="1x640x480"):
        find(heatmap, np.ones((480, 640, 1), np.float32), CAMERA)
    with pytest.raises(DepthError, match="uint16: it must be floating point, in metres"):
        find(heatmap, np.ones(SHAPE, np.uint16), CAMERA)
    with pytest.raises(CameraError, match="calibration is for 1280x720, the image is 640x480"):
        find(heatmap, np.ones(SHAPE, np.float32), Intrinsics(600, 600, 640, 360, 1280, 720))


@pytest.mark.parametrize(
    ("name", "value"),
    [("threshold", 0), ("min_confidence", 2), ("max_points", 0), ("max_width", math.nan), ("window", 0),
     ("smoothing", -1), ("min_points", 0), ("min_contrast", -0.1), ("depth_step", 0), ("support_height", 0)],
)
def test_parameters_out_of_range(name: str, value: float) -> None:
    with pytest.raises(ParameterError, match=f"{name} is"):
        replace(GraspParameters(), **{name: value})


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1), size=st.tuples(st.integers(1, 90), st.integers(1, 120)),
    holes=st.floats(0, 1), rough=st.sampled_from([0.0, 0.002, 0.05, 1.0]), sharp=st.booleans(),
    smoothing=st.sampled_from([0.0, 1.0, 2.0]), threshold=st.floats(0.05, 1), window=st.integers(1, 9),
)
def test_whatever_the_input_the_answer_is_sound(
    seed: int, size: tuple[int, int], holes: float, rough: float, sharp: bool, smoothing: float,
    threshold: float, window: int,
) -> None:
    """Any heat on any depth: grasp points are on hot pixels, poses are rotations, numbers are finite."""
    random = np.random.default_rng(seed)
    height, width = size
    patches = random.random((random.integers(1, 7), random.integers(1, 9)), np.float32) ** 4
    values = upsample(patches, height, width)
    if sharp:
        values = (values > 0.6).astype(np.float32)
    slope = random.normal(0, 0.3, 2)
    v, u = np.mgrid[:height, :width]
    depth = 0.8 + slope[0] * v / height * 0.5 + slope[1] * u / width * 0.5 + random.normal(0, rough, size)
    depth = np.where(random.random(size) < holes, random.choice([0, math.nan, math.inf, -1]), depth)
    camera = Intrinsics(100, 110, width / 2, height / 3, width, height)
    parameters = GraspParameters(
        threshold=threshold, smoothing=smoothing, window=window, min_contrast=0, min_points=3, max_points=5
    )
    grasps = find(Heatmap("hold", values, 0.9), depth.astype(np.float32), camera, parameters)

    assert len(grasps) <= 5 and (grasps or grasps.refused)
    scores = [grasp.score for grasp in grasps]
    assert scores == sorted(scores, reverse=True) and all(0 < score <= 0.9 for score in scores)
    for grasp in grasps:
        u0, v0 = (int(x) for x in grasp.pixel)
        assert 0 <= u0 < width and 0 <= v0 < height
        if smoothing == 0:
            assert values[v0, u0] >= threshold * values.max() * 0.999
        assert grasp.jaws is not None and np.isfinite(grasp.jaws).all()
        assert (grasp.position is None) == (grasp.orientation is None) == (grasp.width is None)
        if grasp.position is None:
            assert grasp.note
            continue
        assert depth[v0, u0] > 0 and np.isfinite(depth[v0, u0])
        assert camera.project(np.array(grasp.position)) == pytest.approx(grasp.pixel, abs=1e-2)
        assert np.linalg.norm(grasp.orientation) == pytest.approx(1)
        distance = np.linalg.norm(grasp.position)
        assert matrix(grasp.orientation)[:, 2] @ np.array(grasp.position) >= -0.1 * distance
        assert 0 < grasp.width <= parameters.max_width
