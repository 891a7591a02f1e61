import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selcon_ros.core.cameras.camera import Intrinsics
from selcon_ros.core.cameras.depth_points import check_metres, deproject
from selcon_ros.core.cameras.distortion import Distortion
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


@pytest.mark.parametrize("bad", [0, -1, math.nan, math.inf, -math.inf, 1e30, 51, 0.004])
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
        ({"fx": 0.0}, "not calibrated"),
        ({"fy": -1.0}, "not calibrated"),
        ({"fx": math.nan}, "fx is nan"),
        ({"cx": math.inf}, "cx is inf"),
        ({"width": 0}, "camera size is 0x480"),
        ({"fx": 1e-38}, "fx = 1e-38 and cx = 320 do not belong to an image of 640x480"),
        ({"cx": 1e300}, "cx = 1e[+]300"),
        ({"cy": -1e10}, "fy = 500 and cy = -1e[+]10"),
        ({"width": 4_000_000_000}, "do not belong to an image of 4000000000x480"),
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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fx": 31}, "fx is 31: for an image of 640x480 it must be from 32 to 64000; calibrate"),
        ({"fy": 1e9}, "fy is 1e[+]09"),
        ({"cx": 3841}, "cx is 3841: .* it must be from -3200 to 3840"),
        ({"cy": -3201}, "cy is -3201: .* it must be from -3200 to 3680"),
        ({"width": 16385, "fx": 16385}, "size is 16385x480: at most 16384"),
    ],
)
def test_numbers_of_no_camera(change: dict[str, float], message: str) -> None:
    values = {"fx": 600.0, "fy": 500.0, "cx": 320.0, "cy": 240.0, "width": 640, "height": 480} | change
    with pytest.raises(CameraError, match=message):
        Intrinsics(**values).check_whole()


@pytest.mark.parametrize("focal", [200.0, 50_000.0])
def test_a_fisheye_and_a_telescope_are_cameras(focal: float) -> None:
    Intrinsics(focal, focal, 320.0, -100.0, 640, 480).check_whole()


LENS = Intrinsics(300.0, 290.0, 322.0, 236.0, 640, 480, Distortion("plumb_bob", (-0.2, 0.03, 1e-3, -2e-3)))


def test_through_a_lens_points_are_projected_to_their_pixels() -> None:
    depth = np.random.default_rng(0).uniform(0.3, 2, (480, 640)).astype(np.float32)
    points = deproject(depth, LENS)
    for v, u in [(0, 0), (479, 639), (100, 500)]:
        assert LENS.project(points[v, u]) == pytest.approx((u, v), abs=1e-3)
        assert points[v, u, 2] == depth[v, u]
    crop = deproject(depth[40:100:3, 50:200:3], LENS, (50, 40), 3)
    np.testing.assert_array_equal(crop, points[40:100:3, 50:200:3])


def test_a_large_image_seen_sparsely_has_the_same_rays() -> None:
    large = LENS.scaled(3840, 2880)
    sparse, *later = (deproject(np.ones((192, 256), np.float32), large, step=15) for _ in range(3))
    assert all(np.array_equal(sparse, each) for each in later)
    dense = deproject(np.ones((60, 60), np.float32), large, origin=(600, 450))
    np.testing.assert_array_equal(sparse[30:34, 40:44], dense[::15, ::15])


def test_through_a_lens_a_pixel_beyond_it_has_no_point() -> None:
    lens = Intrinsics(150.0, 150.0, 320.0, 240.0, 640, 480, Distortion("plumb_bob", (-0.3, 0.0, 0.0, 0.0)))
    points = deproject(np.ones((480, 640), np.float32), lens)
    assert np.isnan(points[0, 0]).all() and np.isnan(points[479, 639]).all()
    assert np.isfinite(points[240, 320]).all()
    assert (np.isnan(points).any(axis=-1) == np.isnan(points).all(axis=-1)).all()
    assert np.isnan(lens.project(np.array([9.0, 9.0, 1.0]))).all()


def test_a_lens_spaces_pixels_wider_off_its_axis() -> None:
    """A barrel squeezes what is far off the axis: neighbouring pixels are farther apart there."""
    points = deproject(np.ones((480, 640), np.float32), LENS)
    for u, v in [(322, 236), (20, 20), (0, 0), (639, 479)]:
        across = np.linalg.norm(points[v, max(u, 1)] - points[v, max(u, 1) - 1])
        down = np.linalg.norm(points[max(v, 1), u] - points[max(v, 1) - 1, u])
        assert 1 / LENS.focal_length_at(u, v) == pytest.approx(max(across, down), rel=0.02)
    assert LENS.focal_length_at(0, 0) < 0.85 * LENS.focal_length_at(322, 236)
    assert CAMERA.focal_length_at(3, 5) == 500.0


@given(st.integers(20, 2000), st.integers(20, 2000), st.floats(-0.5, 0.5), st.floats(-0.5, 0.5))
@settings(deadline=None)
def test_scaling_keeps_a_lens_s_rays(width: int, height: int, x: float, y: float) -> None:
    u, v = LENS.project(np.array([x, y, 1.0]))
    expected = ((u + 0.5) * width / 640 - 0.5, (v + 0.5) * height / 480 - 0.5)
    assert LENS.scaled(width, height).project(np.array([x, y, 1.0])) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("factor", "message"),
    [
        (1000.0, "the median depth is 800 m, .*millimetres read as metres.*: say so"),
        (1e-3, "the median depth is 0.0008 m, .*smaller unit"),
        (1e30, "median depth is 8e[+]29 m"),
    ],
)
def test_depth_in_another_unit_is_suspected(factor: float, message: str) -> None:
    depth = np.full((480, 640), 0.8, np.float32)
    depth[::2] = 0
    check_metres(depth, "say so")
    with pytest.raises(DepthError, match=message):
        check_metres(depth * np.float32(factor), "say so")


def test_the_sky_above_a_scene_is_no_other_unit() -> None:
    depth = np.full((480, 640), 1000, np.float32)
    depth[430:] = 0.8
    check_metres(depth, "")


@pytest.mark.parametrize("depth", [np.zeros((480, 640)), np.full((2, 3), np.nan), np.zeros((0, 4))])
def test_no_measurement_is_no_unit(depth: np.ndarray) -> None:
    check_metres(depth.astype(np.float32), "")


def test_a_few_measurements_are_enough_to_tell() -> None:
    depth = np.zeros((480, 640), np.float32)
    depth[3, 5] = 800
    with pytest.raises(DepthError, match="millimetres"):
        check_metres(depth, "")
