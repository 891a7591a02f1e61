"""Which regions give grasp points, in which order, and why there are none."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selcon_ros.core.cameras.camera import Intrinsics
from selcon_ros.core.errors import CameraError, DepthError, ParameterError
from selcon_ros.core.grasps.grasp import GraspParameters, find_grasps
from selcon_ros.core.grounding.heatmap import Heatmap, upsample
from selcon_ros.core.reason import Reason
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
    scene,
)

# Several regions, borders, ranking.


def test_regions_are_ranked_and_limited() -> None:
    mask = np.zeros(SHAPE, np.float32)
    mask[100:140, 100:140] = 1.0
    mask[300:400, 400:500] = 0.9
    mask[50:60, 600:610] = 0.8
    heatmap = Heatmap("hold", mask, 0.8)
    grasps = find_grasps(heatmap)
    assert [tuple(50 * round(x / 50) for x in grasp.pixel) for grasp in grasps.points] == [
        (450, 350),
        (100, 100),
        (600, 50),
    ]
    first, second, third = (grasp.score for grasp in grasps.points)
    assert first == pytest.approx(0.8) and first > second > third > 0
    assert find_grasps(heatmap, parameters=GraspParameters(max_points=1)).points == grasps.points[:1]


def test_a_small_peak_leads_a_large_lukewarm_area() -> None:
    mask = np.zeros(SHAPE, np.float32)
    mask[100:140, 100:140] = 1.0
    mask[300:380, 400:480] = 0.6
    assert on(rectangle(100, 100, 140, 140), find_grasps(Heatmap("hold", mask, 0.8)).points[0].pixel)


def test_a_part_at_the_border_is_said_to_be_cut_off() -> None:
    table = Table(0.0, 0.6)
    bar = box_depth(np.array([-0.32, 0.0, 0.58]), table.axes(0.0), np.array([0.16, 0.03, 0.02]))
    depth, (visible,) = scene(table, bar)
    assert visible[:, 0].any()
    (grasp,) = find_grasps(heat_of(visible), depth, CAMERA).points
    assert on(visible, grasp.pixel)
    assert "cut off by the image border" in grasp.note


def test_large_regions_are_thinned_without_moving() -> None:
    """A region of 90,000 pixels: looked at with fewer, at the same place and of the same width."""
    depth = np.full(SHAPE, 0.5, np.float32)
    heatmap = Heatmap("hold", rectangle(100, 150, 550, 350).astype(np.float32), 0.9)
    (grasp,) = find_grasps(heatmap, depth, CAMERA, GraspParameters(max_width=1)).points
    assert grasp.pixel == pytest.approx((325, 250), abs=8)
    assert grasp.width == pytest.approx(200 * 0.5 / 600, rel=0.05)


# What is refused, and what depth does not allow.

NOISE = np.random.default_rng(0).random(SHAPE, np.float32)
SPECK = rectangle(100, 100, 103, 103).astype(np.float32)


def hot(confidence: float) -> Heatmap:
    return heat_of(rectangle(100, 100, 200, 140), confidence=confidence)


@pytest.mark.parametrize(
    ("heatmap", "reason", "message"),
    [
        (hot(0.3), Reason.LOW_CONFIDENCE, "confidence 0.30 is below 0.50"),
        (hot(math.nan), Reason.LOW_CONFIDENCE, "confidence nan is below 0.50"),
        (Heatmap("hold", np.zeros(SHAPE, np.float32), 0.9), Reason.FLAT, "flat"),
        (Heatmap("hold", np.full(SHAPE, np.nan, np.float32), 0.9), Reason.FLAT, "flat"),
        (Heatmap("hold", NOISE, 0.9), Reason.LOW_CONTRAST, "contrast 0.2"),
        (Heatmap("hold", SPECK, 0.9), Reason.TOO_SMALL, "fewer than 30"),
    ],
)
def test_no_grasp_has_a_reason(heatmap: Heatmap, reason: Reason, message: str) -> None:
    grasps = find_grasps(heatmap, np.ones(SHAPE, np.float32), CAMERA)
    assert grasps.points == ()
    (refusal,) = grasps.refused
    assert refusal.reason is reason and message in str(refusal)


def test_a_part_wider_than_the_gripper_is_refused() -> None:
    depth = np.full(SHAPE, 0.6, np.float32)
    mask = rectangle(100, 100, 300, 300) | rectangle(400, 100, 430, 200)
    grasps = find_grasps(Heatmap("hold", mask.astype(np.float32), 0.9), depth, CAMERA)
    (grasp,), (refusal,) = grasps.points, grasps.refused
    assert on(rectangle(400, 100, 430, 200), grasp.pixel) and grasp.score < 0.9
    assert refusal.reason is Reason.TOO_WIDE
    assert "0.200 m wide" in refusal.text and "the gripper opens 0.100 m" in refusal.text


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
def test_without_valid_depth_the_point_is_in_the_image_only(bad: float) -> None:
    mask = rectangle(100, 100, 200, 130)
    (grasp,) = find_grasps(heat_of(mask), np.full(SHAPE, bad, np.float32), CAMERA).points
    assert on(mask, grasp.pixel)
    assert (grasp.position, grasp.orientation, grasp.width) == (None, None, None)
    assert grasp.note == "no valid depth on the part"
    (u0, v0), (u1, v1) = grasp.jaws
    assert angle(np.array([u1 - u0, v1 - v0]), np.array([0.0, 1.0])) < 10


def test_why_there_is_no_pose() -> None:
    mask = rectangle(100, 100, 200, 130)
    depth = np.full(SHAPE, np.nan, np.float32)
    depth[110, 110:120] = 1
    flat = find_grasps(heat_of(mask)).points[0]
    assert flat.note == "no depth image" and flat.reason is Reason.NO_DEPTH
    assert find_grasps(heat_of(mask), depth).points[0].note == "no camera calibration"
    assert (
        find_grasps(heat_of(mask), depth, CAMERA).points[0].note == "only 10 valid depths on the part, of 30"
    )
    broken = np.random.default_rng(0).uniform(1, 5, SHAPE).astype(np.float32)
    assert (
        find_grasps(heat_of(mask), broken, CAMERA)
        .points[0]
        .note.endswith("valid depths on the peak's surface, of 30")
    )


def test_geometry_that_does_not_belong_together_is_refused() -> None:
    heatmap = heat_of(rectangle(100, 100, 200, 130))
    with pytest.raises(DepthError, match="depth is 320x240, the image 640x480"):
        find_grasps(heatmap, np.ones((240, 320), np.float32), CAMERA)
    with pytest.raises(DepthError, match="1x640x480"):
        find_grasps(heatmap, np.ones((480, 640, 1), np.float32), CAMERA)
    with pytest.raises(DepthError, match="uint16: it must be floating point, in metres"):
        find_grasps(heatmap, np.ones(SHAPE, np.uint16), CAMERA)
    with pytest.raises(CameraError, match="calibration is for 1280x720, the image is 640x480"):
        find_grasps(heatmap, np.ones(SHAPE, np.float32), Intrinsics(600, 600, 640, 360, 1280, 720))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("threshold", 0),
        ("min_confidence", 2),
        ("max_points", 0),
        ("max_width", math.nan),
        ("window", 0),
        ("smoothing", -1),
        ("min_points", 0),
        ("min_contrast", -0.1),
        ("depth_step", 0),
        ("support_height", 0),
    ],
)
def test_parameters_out_of_range(name: str, value: float) -> None:
    with pytest.raises(ParameterError, match=f"{name} is"):
        replace(GraspParameters(), **{name: value})


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    size=st.tuples(st.integers(1, 90), st.integers(1, 120)),
    holes=st.floats(0, 1),
    rough=st.sampled_from([0.0, 0.002, 0.05, 1.0]),
    sharp=st.booleans(),
    smoothing=st.sampled_from([0.0, 1.0, 2.0]),
    threshold=st.floats(0.05, 1),
    window=st.integers(1, 9),
)
def test_whatever_the_input_the_answer_is_sound(
    seed: int,
    size: tuple[int, int],
    holes: float,
    rough: float,
    sharp: bool,
    smoothing: float,
    threshold: float,
    window: int,
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
    grasps = find_grasps(Heatmap("hold", values, 0.9), depth.astype(np.float32), camera, parameters)

    assert len(grasps.points) <= 5 and (grasps.points or grasps.refused)
    scores = [grasp.score for grasp in grasps.points]
    assert scores == sorted(scores, reverse=True) and all(0 < score <= 0.9 for score in scores)
    for grasp in grasps.points:
        u0, v0 = (int(x) for x in grasp.pixel)
        assert 0 <= u0 < width and 0 <= v0 < height
        if smoothing == 0:
            assert values[v0, u0] >= threshold * values.max() * 0.999
        assert grasp.jaws is not None and np.isfinite(grasp.jaws).all()
        assert (grasp.position is None) == (grasp.orientation is None) == (grasp.width is None)
        if grasp.position is None:
            assert grasp.note and grasp.reason is not None
            continue
        assert depth[v0, u0] > 0 and np.isfinite(depth[v0, u0])
        assert camera.project(np.array(grasp.position)) == pytest.approx(grasp.pixel, abs=1e-2)
        assert np.linalg.norm(grasp.orientation) == pytest.approx(1)
        distance = np.linalg.norm(grasp.position)
        assert matrix(grasp.orientation)[:, 2] @ np.array(grasp.position) >= -0.1 * distance
        assert 0 < grasp.width <= parameters.max_width


def test_a_line_between_the_rows_that_are_looked_at_is_too_thin() -> None:
    """Of a long region's large box not every row is looked at."""
    for row in (200, 201):
        values = np.zeros(SHAPE, np.float32)
        values[row, 100:331] = 1
        found = find_grasps(Heatmap("hold", values, 0.9), parameters=GraspParameters(smoothing=0))
        assert found.points or [each.reason for each in found.refused] == [Reason.TOO_SMALL]
