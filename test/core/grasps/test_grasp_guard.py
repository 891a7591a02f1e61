"""Whatever depth and camera claim: a pose of `find` is finite, in front of the camera and in its image."""

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from selcon_ros.core.cameras.camera import Intrinsics
from selcon_ros.core.cameras.depth_points import MAX_DEPTH, MIN_DEPTH
from selcon_ros.core.cameras.distortion import distortion_from
from selcon_ros.core.errors import CameraError
from selcon_ros.core.grasps import region_geometry
from selcon_ros.core.grasps.grasp import MAX_GRIPPER_WIDTH, MAX_JAW_BEYOND_SHARE, GraspParameters, find_grasps
from selcon_ros.core.grounding.heatmap import Heatmap

HEIGHT, WIDTH = 48, 64
HEAT = np.zeros((HEIGHT, WIDTH), np.float32)
HEAT[20:30, 10:50] = 1
HEATMAP = Heatmap("hold", HEAT, 0.9)
DEPTH = np.full((HEIGHT, WIDTH), 0.8, np.float32)
DEPTH[20:30, 10:50] = 0.75
ANY = GraspParameters(max_width=MAX_GRIPPER_WIDTH)


def check(depth: np.ndarray, camera: Intrinsics) -> None:
    heatmaps = (HEATMAP, Heatmap("open", HEAT, 0.9))  # the top of a lid is looked for in a way of its own
    for grasp in [each for heatmap in heatmaps for each in find_grasps(heatmap, depth, camera, ANY).points]:
        assert 0 <= grasp.pixel[0] < WIDTH and 0 <= grasp.pixel[1] < HEIGHT
        if grasp.position is None:
            assert grasp.note and grasp.orientation is None and grasp.width is None
            continue
        assert np.isfinite([*grasp.position, *grasp.orientation, grasp.width, *np.ravel(grasp.jaws)]).all()
        assert MIN_DEPTH <= grasp.position[2] <= MAX_DEPTH and grasp.width > 0
        beyond = MAX_JAW_BEYOND_SHARE * WIDTH
        assert all(-beyond <= u < WIDTH + beyond and -beyond <= v < HEIGHT + beyond for u, v in grasp.jaws)


number = st.one_of(
    st.floats(-1e4, 1e4),
    st.floats(),
    st.sampled_from([0.0, 1e-38, 1e-300, 1e300, 1e10, 60.0, 32.0, 24.0, math.inf, math.nan]),
)


@settings(max_examples=200, deadline=None)
@given(fx=number, fy=number, cx=number, cy=number, k=st.one_of(st.just(0.0), number), seed=st.integers(0, 3))
@example(fx=4.6e155, fy=4.6e155, cx=0.0, cy=4.2e141, k=0.0, seed=1)
def test_no_camera_gives_an_absurd_pose(
    fx: float, fy: float, cx: float, cy: float, k: float, seed: int
) -> None:
    try:
        camera = Intrinsics(fx, fy, cx, cy, WIDTH, HEIGHT, distortion_from("plumb_bob", [k, 0, 0, 0]))
    except CameraError:
        return
    check(DEPTH + np.random.default_rng(seed).normal(0, 0.001 * seed, DEPTH.shape).astype(np.float32), camera)


@settings(max_examples=100, deadline=None)
@given(
    value=st.floats(width=32),
    other=st.floats(width=32),
    seed=st.integers(0, 100),
    share=st.floats(0, 1),
    focal=st.sampled_from([60.0, 5.0, 6000.0]),
)
def test_no_depth_gives_an_absurd_pose(
    value: float, other: float, seed: int, share: float, focal: float
) -> None:
    spoilt = np.random.default_rng(seed)
    depth = np.where(spoilt.random(DEPTH.shape) < share, np.float32(value), DEPTH).astype(np.float32)
    depth[spoilt.random(DEPTH.shape) < share / 2] = other
    check(depth, Intrinsics(focal, focal, 32.0, 24.0, WIDTH, HEIGHT))


@pytest.mark.parametrize("value", [1e30, 3e38, 1e-38, 51.0])
def test_absurd_depth_is_no_depth(value: float) -> None:
    camera = Intrinsics(60.0, 60.0, 32.0, 24.0, WIDTH, HEIGHT)
    (grasp,) = find_grasps(HEATMAP, np.full_like(DEPTH, value), camera, ANY).points
    assert grasp.position is None and grasp.note == "no valid depth on the part"


def test_a_surface_that_cannot_be_solved_has_no_pose(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise np.linalg.LinAlgError

    once, axes = iter([fail]), region_geometry.grasp_axes
    monkeypatch.setattr(region_geometry, "grasp_axes", lambda *a: next(once, axes)(*a))
    (grasp,) = find_grasps(HEATMAP, DEPTH, Intrinsics(60.0, 60.0, 32.0, 24.0, WIDTH, HEIGHT), ANY).points
    assert grasp.position is None and grasp.note == "no pose: its surface has no axes"
