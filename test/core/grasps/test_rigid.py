"""Points and poses in another frame, held against OpenCV and known transforms."""

import math

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selcon_ros.core.errors import CameraError
from selcon_ros.core.grasps.grasp_result import GraspPoint, GraspResult, Refusal
from selcon_ros.core.grasps.rigid import Rigid, quaternion
from selcon_ros.core.reason import Reason
from support.shapes import matrix

ROOT = math.sqrt(0.5)
lengths = st.floats(-100, 100)
vectors = st.tuples(lengths, lengths, lengths)
part = st.floats(-1, 1)
quaternions = (
    st.tuples(part, part, part, part)
    .filter(lambda q: math.hypot(*q) > 0.1)
    .map(lambda q: tuple(value / math.hypot(*q) for value in q))
)
rigids = st.builds(Rigid, quaternions, vectors)


def rodrigues(rotation: tuple[float, float, float, float]) -> np.ndarray:
    """The matrix of a unit quaternion, by OpenCV."""
    axis = np.array(rotation[:3])
    length = np.linalg.norm(axis)
    angle = 2 * math.atan2(length, rotation[3])
    return cv2.Rodrigues(axis * (angle / length if length > 1e-12 else 2.0))[0]


@given(rigids, st.lists(vectors, min_size=1, max_size=5))
def test_points_move_as_by_opencv(rigid: Rigid, points: list[tuple[float, float, float]]) -> None:
    expected = np.array(points) @ rodrigues(rigid.rotation).T + rigid.translation
    moved = rigid.points(np.array(points))
    assert moved.dtype == np.float32
    np.testing.assert_allclose(moved, expected, atol=1e-4)


@given(rigids, quaternions, vectors)
def test_a_pose_moves_as_its_points_do(rigid: Rigid, orientation: tuple, position: tuple) -> None:
    """A point fixed to the gripper is at the same place, whichever way it is computed."""
    result = GraspResult((GraspPoint((1.0, 2.0), 0.5, position, orientation, 0.03),))
    (moved,) = rigid.grasps(result).points
    in_gripper = np.array([0.1, -0.2, 0.3])
    before = matrix(orientation) @ in_gripper + position
    np.testing.assert_allclose(
        matrix(moved.orientation) @ in_gripper + moved.position,
        rodrigues(rigid.rotation) @ before + rigid.translation,
        atol=1e-6,
    )
    assert math.hypot(*moved.orientation) == pytest.approx(1) and moved.orientation[3] >= 0


@given(rigids, rigids, vectors)
def test_one_after_the_other_and_back(outer: Rigid, inner: Rigid, point: tuple[float, float, float]) -> None:
    there = inner.matrix @ np.array(point) + inner.translation
    both = outer @ inner
    moved = both.matrix @ np.array(point) + both.translation
    np.testing.assert_allclose(moved, outer.matrix @ there + outer.translation, atol=1e-6)
    np.testing.assert_allclose(both.inverse.matrix @ moved + both.inverse.translation, point, atol=1e-6)


@given(rigids, vectors.filter(lambda v: math.hypot(*v) > 1e-6), st.floats(0, 3.1), st.floats(0, 1))
def test_between_two_the_turn_is_steady(
    first: Rigid, axis: tuple[float, float, float], angle: float, share: float
) -> None:
    """By the exponential map of OpenCV: a turn by a share of the angle about the same axis."""
    unit = np.array(axis) / math.hypot(*axis)
    last = Rigid(quaternion(rodrigues(first.rotation) @ cv2.Rodrigues(unit * angle)[0]), axis)
    between = first.towards(last, share)
    expected = rodrigues(first.rotation) @ cv2.Rodrigues(unit * angle * share)[0]
    np.testing.assert_allclose(rodrigues(between.rotation), expected, atol=1e-6)
    moved = np.array(first.translation) + share * (np.array(axis) - first.translation)
    np.testing.assert_allclose(between.translation, moved, atol=1e-9)


def test_a_camera_that_looks_down_at_a_table() -> None:
    """In a frame with x forward, y left, z up (REP 103): from 1 m straight down, the image's top forward."""
    down = Rigid((ROOT, -ROOT, 0.0, 0.0), (0.5, 0.0, 1.0))
    np.testing.assert_allclose(down.points(np.array([0.0, 0.0, 0.8])), [0.5, 0.0, 0.2], atol=1e-6)
    # To the right and down in the image: to the right, which is -y, and backwards.
    np.testing.assert_allclose(down.points(np.array([0.1, 0.2, 0.8])), [0.3, -0.1, 0.2], atol=1e-6)
    (moved,) = down.grasps(
        GraspResult((GraspPoint((0.0, 0.0), 1.0, (0, 0, 0.8), (0, 0, 0, 1.0), 0.03),))
    ).points
    np.testing.assert_allclose(
        matrix(moved.orientation)[:, 2], [0, 0, -1], atol=1e-9
    )  # approached from above


def test_what_has_no_place_stays_as_it_is() -> None:
    rigid = Rigid((0.0, 0.0, 0.0, 1.0), (1.0, 2.0, 3.0))
    flat = GraspPoint(
        (3.0, 4.0), 0.5, jaws=((1.0, 2.0), (3.0, 4.0)), note="no depth image", reason=Reason.NO_DEPTH
    )
    result = GraspResult((flat,), (Refusal(Reason.TOO_WIDE, "wide"),))
    assert rigid.grasps(result) == result
    moved = rigid.points(np.array([[np.nan] * 3, [0.0, 0.0, 1.0]], np.float32))
    assert np.isnan(moved[0]).all() and rigid.points(np.empty((0, 3), np.float32)).shape == (0, 3)
    np.testing.assert_array_equal(moved[1], [1.0, 2.0, 4.0])


def test_pixels_width_and_jaws_are_not_moved() -> None:
    point = GraspPoint((3.0, 4.0), 0.5, (0.0, 0.0, 1.0), (0.0, 0.0, 0.0, 1.0), 0.02, ((1.0, 2.0), (3.0, 4.0)))
    (moved,) = Rigid((0.0, 0.0, 1.0, 0.0), (1.0, 0.0, 0.0)).grasps(GraspResult((point,))).points
    assert (moved.pixel, moved.width, moved.jaws, moved.score) == (point.pixel, 0.02, point.jaws, 0.5)


def test_a_rotation_that_is_nearly_a_unit_is_made_one() -> None:
    assert math.hypot(*Rigid((0.0, 0.0, 0.0, 1.001), (0.0, 0.0, 0.0)).rotation) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("rotation", [(0.0, 0.0, 0.0, 0.0), (1.0, 1.0, 1.0, 1.0)])
def test_a_rotation_that_is_none_is_refused(rotation: tuple) -> None:
    with pytest.raises(CameraError, match="unit quaternion"):
        Rigid(rotation, (0.0, 0.0, 0.0))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_not_finite_is_refused(value: float) -> None:
    with pytest.raises(CameraError, match="not finite"):
        Rigid((0.0, 0.0, 0.0, 1.0), (value, 0.0, 0.0))
    with pytest.raises(CameraError, match="not finite"):
        Rigid((value, 0.0, 0.0, 1.0), (0.0, 0.0, 0.0))


@given(st.integers(0, 2**32 - 1))
def test_quaternions_of_any_rotation(seed: int) -> None:
    rotation, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    rotation *= np.sign(np.linalg.det(rotation))
    np.testing.assert_allclose(matrix(quaternion(rotation)), rotation, atol=1e-9)


@pytest.mark.parametrize("signs", [(1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1)])
def test_quaternions_of_half_turns(signs: tuple[int, int, int]) -> None:
    np.testing.assert_allclose(matrix(quaternion(np.diag(signs).astype(float))), np.diag(signs), atol=1e-12)
