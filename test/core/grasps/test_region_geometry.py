import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selcon_ros.core.grasps.region_geometry import extent_across, grasp_axes, narrowest


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(0, 3))
def test_axes_are_a_right_handed_frame_whatever_the_points(seed: int, count: int, flat: int) -> None:
    """Also for points on a plane, on a line, and all in one place."""
    random = np.random.default_rng(seed)
    points = random.normal(size=(count, 3))
    points[:, :flat] = 0
    ray = random.normal(size=3)
    axes = grasp_axes((points @ np.linalg.qr(random.normal(size=(3, 3)))[0]).astype(np.float32).T, tuple(ray))
    np.testing.assert_allclose(axes.T @ axes, np.eye(3), atol=1e-6)
    assert np.linalg.det(axes) == pytest.approx(1)
    # Only a rod seen along its length is approached across the view.
    assert axes[:, 2] @ ray >= -0.1 * np.linalg.norm(ray)


def rod(direction: np.ndarray, thickness: float) -> np.ndarray:
    random = np.random.default_rng(0)
    points = random.uniform(-0.05, 0.05, (200, 1)) * direction + random.normal(0, thickness, (200, 3))
    return points.astype(np.float32).T


def test_a_rod_without_a_normal_is_approached_along_the_view() -> None:
    axes = grasp_axes(rod(np.array([1.0, 0, 0]), 0.001), (0.2, 0.0, 1.0))
    np.testing.assert_allclose(axes[:, 2], [0, 0, 1], atol=0.05)
    np.testing.assert_allclose(np.abs(axes[:, 0]), [0, 1, 0], atol=0.05)


def test_a_rod_seen_from_its_end_is_approached_from_above() -> None:
    axes = grasp_axes(rod(np.array([0.0, 0, 1]), 0.001), (0.0, 0.0, 1.0))
    np.testing.assert_allclose(axes[:, 2], [0, 1, 0], atol=0.05)


def test_a_round_region_closes_horizontally() -> None:
    random = np.random.default_rng(0)
    points = random.normal(size=(500, 3)).astype(np.float32) * (1, 1, 0.05)
    axes = grasp_axes(points.astype(np.float32).T, (0.0, 0.0, 1.0))
    np.testing.assert_allclose(axes[:, 0], [1, 0, 0], atol=0.1)


def test_the_extent_ends_at_a_gap() -> None:
    x = np.concatenate([np.arange(-60, -40), np.arange(-10, 21), np.arange(40, 60)]).astype(np.float32)
    low, high = extent_across(np.stack([x, 0 * x]), thickness=4, spacing=1)
    assert (low, high) == pytest.approx((-10, 20), abs=0.5)


def test_the_extent_is_measured_beside_the_centre_only() -> None:
    x, y = np.meshgrid(np.arange(-30, 31), np.arange(-30, 31))
    shape = (np.abs(x) <= 5) | (np.abs(y) >= 20)
    local = np.stack([x[shape], y[shape]]).astype(np.float32)
    assert extent_across(local, thickness=5, spacing=1) == pytest.approx((-5, 5), abs=0.5)
    assert extent_across(local[:, :0], 5, 1) == (0, 0)


def test_the_narrowest_turn() -> None:
    """A bar of 10 x 40 at 45 degrees to the axes: turned by 45 degrees, it is 10 wide."""
    x, y = np.meshgrid(np.arange(-20, 20.5, 0.5), np.arange(-5, 5.5, 0.5))
    turn = np.sqrt(0.5) * np.array([[1, 1], [-1, 1]])
    local = (np.stack([x.ravel(), y.ravel()], axis=1) @ turn).astype(np.float32).T
    axes, low, high = narrowest(local, np.eye(3), thickness=5, spacing=0.5)
    assert (low, high) == pytest.approx((-5, 5), abs=0.5)
    np.testing.assert_allclose(np.abs(axes[:2, 0]), np.sqrt(0.5), atol=1e-6)
    np.testing.assert_allclose(axes[:, 2], [0, 0, 1])
    assert np.linalg.det(axes) == pytest.approx(1)
