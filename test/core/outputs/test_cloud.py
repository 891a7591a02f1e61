"""The affording part as a mask and as points, as planners take them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selcon_ros.core.cameras.camera import Intrinsics
from selcon_ros.core.cameras.distortion import Distortion
from selcon_ros.core.errors import CameraError, DepthError, ImageError
from selcon_ros.core.grasps.grasp import GraspParameters, find_grasps
from selcon_ros.core.grounding.heatmap import Heatmap
from selcon_ros.core.outputs.cloud import Cloud, organised_cloud, part_mask
from selcon_ros.core.reason import Reason
from support.shapes import CAMERA, SHAPE, heat_of, rectangle, undistorted

BARREL = Intrinsics(
    600.0, 590.0, 321.0, 238.0, 640, 480, Distortion("plumb_bob", (-0.2, 0.05, 0.001, -0.001, 0.0))
)
IMAGE = np.random.default_rng(0).integers(0, 256, (*SHAPE, 3), np.uint8)
HEAT = heat_of(rectangle(200, 150, 360, 250))


def some_depth() -> np.ndarray:
    """Depths of a slope, with a hole, a wild value and a far wall."""
    depth = np.linspace(0.4, 1.2, SHAPE[0] * SHAPE[1], dtype=np.float32).reshape(SHAPE)
    depth[180:190, 220:230] = 0
    depth[200, 300] = np.inf
    depth[:, 500:] = 80.0
    return depth


blocks = st.lists(
    st.tuples(st.integers(0, 22), st.integers(0, 16), st.floats(0.0, 1.0)), min_size=0, max_size=8
)


@settings(max_examples=60)
@given(blocks, st.floats(0.2, 0.9), st.integers(3, 3000), st.floats(0.0, 1.0))
def test_the_mask_holds_every_grasp_point_and_is_empty_where_no_region_is(
    parts: list[tuple[int, int, float]], threshold: float, min_points: int, confidence: float
) -> None:
    values = np.zeros(SHAPE, np.float32)
    for column, row, heat in parts:
        values[row * 28 : row * 28 + 40, column * 27 : column * 27 + 30] = heat
    heatmap = Heatmap("hold", values, confidence)
    parameters = GraspParameters(threshold=threshold, min_points=min_points, max_points=100)
    mask, found = part_mask(heatmap, parameters), find_grasps(heatmap, parameters=parameters)
    assert mask.shape == SHAPE and mask.dtype == np.bool_
    assert mask.any() == bool(found.points)
    for point in found.points:
        u, v = point.pixel
        assert mask[int(v), int(u)]


def test_the_mask_is_where_the_part_is() -> None:
    part = rectangle(200, 150, 360, 250)
    mask = part_mask(heat_of(part))
    assert np.count_nonzero(mask & part) > 0.9 * np.count_nonzero(part)
    assert np.count_nonzero(mask & ~part) < 0.3 * np.count_nonzero(part)


def test_specks_are_not_of_the_part() -> None:
    values = np.zeros(SHAPE, np.float32)
    values[100:200, 100:200] = 1.0
    values[300:304, 300:304] = 1.0
    mask = part_mask(Heatmap("hold", values, 0.9), GraspParameters(smoothing=0.0))
    assert mask[150, 150] and not mask[300:304, 300:304].any()
    assert np.count_nonzero(mask) == 100 * 100


def test_a_part_too_wide_for_the_gripper_is_in_the_mask() -> None:
    depth = np.full(SHAPE, 0.8, np.float32)
    parameters = GraspParameters(max_width=0.001)
    assert [each.reason for each in find_grasps(HEAT, depth, CAMERA, parameters).refused] == [Reason.TOO_WIDE]
    assert part_mask(HEAT, parameters).any()


def test_an_unlikely_action_has_no_part() -> None:
    assert not part_mask(Heatmap("hold", HEAT.values, 0.4)).any()
    assert not part_mask(Heatmap("hold", np.zeros(SHAPE, np.float32), 0.9)).any()


@pytest.mark.parametrize("camera", [CAMERA, BARREL], ids=["ideal", "barrel"])
def test_points_lie_on_the_rays_of_the_calibration(camera: Intrinsics) -> None:
    depth = some_depth()
    cloud = organised_cloud(IMAGE, HEAT, depth, camera)
    assert cloud.points.shape == (*SHAPE, 3) and cloud.points.dtype == np.float32
    valid = np.isfinite(depth) & (depth > 0) & (depth < 50)
    np.testing.assert_array_equal(np.isfinite(cloud.points).all(axis=-1), valid)
    np.testing.assert_array_equal(np.isnan(cloud.points).all(axis=-1), ~valid)
    v, u = np.nonzero(valid)
    pick = np.s_[::997]
    rays = undistorted(camera, np.stack([u[pick], v[pick]], axis=-1))
    expected = rays * depth[v[pick], u[pick], None]
    np.testing.assert_allclose(cloud.points[v[pick], u[pick]], expected, atol=2e-5)
    assert cloud.colours is IMAGE and cloud.heat is HEAT.values


@pytest.mark.parametrize("camera", [CAMERA, BARREL], ids=["ideal", "barrel"])
def test_a_mask_leaves_its_points_as_they_are(camera: Intrinsics) -> None:
    depth, mask = some_depth(), part_mask(HEAT)
    whole = organised_cloud(IMAGE, HEAT, depth, camera)
    part = organised_cloud(IMAGE, HEAT, depth, camera, mask)
    np.testing.assert_array_equal(part.points[mask], whole.points[mask])
    assert np.isnan(part.points[~mask]).all()
    nothing = organised_cloud(IMAGE, HEAT, depth, camera, np.zeros(SHAPE, np.bool_))
    assert np.isnan(nothing.points).all()


def test_a_list_has_the_points_that_are_there_with_their_colour_and_heat() -> None:
    mask = part_mask(HEAT)
    cloud = organised_cloud(IMAGE, HEAT, some_depth(), CAMERA, mask)
    listed = cloud.listed
    v, u = np.nonzero(np.isfinite(cloud.points[..., 2]))
    assert len(listed.points) == len(v) < np.count_nonzero(mask)  # the hole is left out
    np.testing.assert_array_equal(listed.points, cloud.points[v, u])
    np.testing.assert_array_equal(listed.colours, IMAGE[v, u])
    np.testing.assert_array_equal(listed.heat, HEAT.values[v, u])
    again = Cloud(listed.points, listed.colours, listed.heat).listed
    np.testing.assert_array_equal(again.points, listed.points)


def test_sizes_that_differ_are_refused() -> None:
    depth = some_depth()
    with pytest.raises(ImageError, match=r"uint8, \[480, 640, 3\]"):
        organised_cloud(IMAGE[:-1], HEAT, depth, CAMERA)
    with pytest.raises(ImageError, match="float64"):
        organised_cloud(IMAGE.astype(np.float64), HEAT, depth, CAMERA)  # type: ignore[arg-type]
    with pytest.raises(ImageError, match="mask has shape"):
        organised_cloud(IMAGE, HEAT, depth, CAMERA, np.ones((3, 3), np.bool_))
    with pytest.raises(DepthError, match="register the depth"):
        organised_cloud(IMAGE, HEAT, depth[:-1], CAMERA)
    with pytest.raises(CameraError, match="320x240"):
        organised_cloud(IMAGE, HEAT, depth, CAMERA.scaled(320, 240))
