import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selcon_ros.core.camera import Intrinsics, deproject
from selcon_ros.core.errors import CameraError, DepthError

CAMERA = Intrinsics(600.0, 500.0, 320.0, 240.0, 640, 480)


def test_deprojection_and_projection_are_inverse() -> None:
    depth = np.random.default_rng(0).uniform(0.3, 2, (480, 640)).astype(np.float32)
    points = deproject(depth, CAMERA)
    assert points.shape == (480, 640, 3) and points.dtype == np.float32
    for v, u in [(0, 0), (479, 639), (100, 500)]:
        assert CAMERA.project(points[v, u]) == pytest.approx((u, v), abs=1e-3)
        assert points[v, u, 2] == depth[v, u]
    # x to the right, y down.
    assert points[240, 639, 0] > 0 > points[240, 0, 0]
    assert points[479, 320, 1] > 0 > points[0, 320, 1]


@pytest.mark.parametrize("bad", [0, -1, math.nan, math.inf, -math.inf])
def test_unmeasured_depth_gives_no_point(bad: float) -> None:
    depth = np.ones((480, 640), np.float32)
    depth[7, 9] = bad
    points = deproject(depth, CAMERA)
    assert np.isnan(points[7, 9]).all()
    assert np.isfinite(points).sum() == 3 * (480 * 640 - 1)


def test_a_thinned_crop_gives_the_same_points() -> None:
    depth = np.random.default_rng(0).uniform(0.3, 2, (480, 640)).astype(np.float32)
    whole = deproject(depth, CAMERA)
    crop = deproject(depth[40:100:3, 50:200:3], CAMERA, origin=(50, 40), step=3)
    np.testing.assert_array_equal(crop, whole[40:100:3, 50:200:3])


@pytest.mark.parametrize(
    ("shape", "origin", "step"),
    [((480, 641), (0, 0), 1), ((10, 10), (631, 0), 1), ((10, 10), (-1, 0), 1), ((160, 215), (0, 0), 3)],
)
def test_depth_beyond_the_image_is_refused(
    shape: tuple[int, int], origin: tuple[int, int], step: int
) -> None:
    with pytest.raises(DepthError, match="does not fit the camera's 640x480 image"):
        deproject(np.ones(shape, np.float32), CAMERA, origin, step)


def test_depth_of_another_dimension_is_refused() -> None:
    with pytest.raises(DepthError, match="shape"):
        deproject(np.ones((4, 4, 1), np.float32), CAMERA)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fx": 0.0}, "not calibrated"), ({"fy": -1.0}, "not calibrated"), ({"fx": math.nan}, "fx is nan"),
        ({"cx": math.inf}, "cx is inf"), ({"width": 0}, "camera size is 0x480"),
    ],
)
def test_uncalibrated_camera(change: dict[str, float], message: str) -> None:
    values = {"fx": 600.0, "fy": 500.0, "cx": 320.0, "cy": 240.0, "width": 640, "height": 480} | change
    with pytest.raises(CameraError, match=message):
        Intrinsics(**values)


@given(st.integers(1, 2000), st.integers(1, 2000), st.floats(-300, 300), st.floats(-300, 300))
def test_scaling_moves_pixels_as_resizing_does(width: int, height: int, x: float, y: float) -> None:
    point = np.array([x, y, 400.0])
    u, v = CAMERA.project(point)
    scaled = CAMERA.scaled(width, height)
    # Corners stay corners: positions measured from the image's corner scale.
    expected = ((u + 0.5) * width / 640 - 0.5, (v + 0.5) * height / 480 - 0.5)
    assert scaled.project(point) == pytest.approx(expected, rel=1e-6, abs=1e-6)
    assert (scaled.width, scaled.height) == (width, height)


def test_scaling_to_the_same_size_changes_nothing() -> None:
    assert CAMERA.scaled(640, 480) == CAMERA
