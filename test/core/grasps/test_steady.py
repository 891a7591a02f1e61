"""Averages over frames: when they are taken, when they begin anew, and what they never do."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selcon_ros.core.grasps.grasp_result import NO_GRASPS, GraspPoint, GraspResult, Refusal
from selcon_ros.core.grasps.steady import MAX_DISTANCE_METRES, MAX_MISSES, SteadyGrasps
from selcon_ros.core.reason import Reason
from support.shapes import matrix

HALF = float(np.sqrt(0.5))


def table(shift: int = 0, light: int = 0) -> np.ndarray:
    """A picture of a bar on a table, moved by `shift` pixels, `light` grey levels brighter."""
    image = np.full((480, 640, 3), 120, np.uint8)
    image[200:240, 250 + shift : 390 + shift] = 30
    return image + np.uint8(light)


SCENE = table()


def point(x: float = 0.0, y: float = 0.0, z: float = 0.6, **more) -> GraspPoint:
    pixel = (320 + 600 * x / z, 220 + 600 * y / z)
    values = {"score": 0.9, "orientation": (0.0, 0.0, 0.0, 1.0), "width": 0.04, **more}
    return GraspPoint(
        pixel, position=(x, y, z), jaws=((pixel[0] - 20, 220.0), (pixel[0] + 20, 220.0)), **values
    )


def flat(u: float, v: float) -> GraspPoint:
    return GraspPoint(
        (u, v), 0.8, jaws=((u - 9, v), (u + 9, v)), note="no depth image", reason=Reason.NO_DEPTH
    )


def answer(steady: SteadyGrasps, *points: GraspPoint, image: np.ndarray = SCENE, frames: int = 10) -> tuple:
    return steady.update(image, {"hold": GraspResult(points)}, frames)["hold"].points


offset = st.floats(-0.004, 0.004)
offsets = st.lists(st.tuples(offset, offset, offset), min_size=1, max_size=12)


@settings(max_examples=50)
@given(offsets, st.integers(12, 100))
def test_the_first_frames_give_their_mean(seen: list[tuple[float, float, float]], frames: int) -> None:
    steady = SteadyGrasps()
    for x, y, z in seen:
        (last,) = answer(steady, point(x, y, 0.6 + z, width=0.04 + x), frames=frames)
    mean = np.mean([(x, y, 0.6 + z) for x, y, z in seen], axis=0)
    assert last.position == pytest.approx(mean, abs=1e-9)
    assert last.width == pytest.approx(0.04 + mean[0])
    pixels = [point(x, y, 0.6 + z).pixel for x, y, z in seen]
    assert last.pixel == pytest.approx(np.mean(pixels, axis=0))


wide = st.floats(-0.05, 0.05)


@settings(max_examples=50)
@given(st.lists(st.lists(st.tuples(wide, wide), max_size=4), max_size=12), st.integers(1, 20))
def test_no_answer_is_far_from_what_this_frame_shows(frames: list[list], window: int) -> None:
    steady = SteadyGrasps()
    for seen in frames:
        points = [point(x, y, score=1 / (2 + number)) for number, (x, y) in enumerate(seen)]
        given = answer(steady, *points, frames=window)
        assert len(given) == len(points)
        left = [np.array(each.position) for each in points]
        for each in given:
            far = [np.linalg.norm(np.array(each.position) - place) for place in left]
            assert min(far) <= MAX_DISTANCE_METRES
            assert np.linalg.norm(each.orientation) == pytest.approx(1)
        scores = [each.score for each in given]
        assert scores == sorted(scores, reverse=True) or window == 1


def test_noise_is_averaged_away() -> None:
    random, steady = np.random.default_rng(0), SteadyGrasps()
    raw = random.normal(0, 0.004, (400, 3))
    given = [answer(steady, point(x, y, 0.6 + z))[0].position for x, y, z in np.clip(raw, -0.01, 0.01)]
    assert np.std(given[10:], axis=0).max() < 0.35 * np.std(raw, axis=0).min()


def test_one_frame_is_no_average() -> None:
    steady = SteadyGrasps()
    results = {"hold": GraspResult((point(),)), "pour": NO_GRASPS}
    assert steady.update(SCENE, results, 1) == results
    answer(steady, point(0.0))
    answer(steady, point(0.0), frames=1)  # forgets
    assert answer(steady, point(0.01))[0].position == (0.01, 0.0, 0.6)


@pytest.mark.parametrize("image", [table(2), table()[:240], np.ascontiguousarray(table()[::2, ::2])])
def test_after_motion_the_average_begins_anew(image: np.ndarray) -> None:
    steady = SteadyGrasps()
    answer(steady, point(0.0))
    assert answer(steady, point(0.01), image=image)[0].position == (0.01, 0.0, 0.6)


def test_slow_motion_is_motion_too() -> None:
    steady = SteadyGrasps()
    given = [
        answer(steady, point(shift * 0.001), image=table(shift), frames=100)[0].position[0]
        for shift in range(30)
    ]
    assert np.abs(np.array(given) - 0.001 * np.arange(30)).max() <= 0.002


def test_light_noise_and_what_happens_elsewhere_are_no_motion() -> None:
    random, steady = np.random.default_rng(1), SteadyGrasps()
    answer(steady, point(0.0))
    other = table(light=15)
    other[:100, :150] = 255  # an arm comes in
    noise = random.normal(0, 5, other.shape)
    seen = np.clip(other + noise, 0, 255).astype(np.uint8)
    assert answer(steady, point(0.01), image=seen)[0].position[0] == pytest.approx(0.005)


def test_a_new_action_begins_anew_and_forgets_the_old_one() -> None:
    steady = SteadyGrasps()
    answer(steady, point(0.0))
    given = steady.update(SCENE, {"pour": GraspResult((point(0.01),))}, 10)
    assert given["pour"].points[0].position == (0.01, 0.0, 0.6)
    assert answer(steady, point(0.01))[0].position == (0.01, 0.0, 0.6)


def test_actions_do_not_mix() -> None:
    steady = SteadyGrasps()
    for x in (0.0, 0.004):
        results = {"hold": GraspResult((point(x),)), "pour": GraspResult((point(0.01 + x),))}
        given = steady.update(SCENE, results, 10)
    assert given["hold"].points[0].position[0] == pytest.approx(0.002)
    assert given["pour"].points[0].position[0] == pytest.approx(0.012)


def test_another_object_is_not_averaged_with_the_first() -> None:
    steady = SteadyGrasps()
    answer(steady, point(0.0))
    assert answer(steady, point(0.03), point(0.002))[0].position in [(0.03, 0.0, 0.6), (0.001, 0.0, 0.6)]
    changed = table()
    cv2.circle(changed, (320, 220), 30, (250, 250, 250), -1)
    assert answer(steady, point(0.002), image=changed)[0].position == (0.002, 0.0, 0.6)


def test_a_point_that_is_missing_is_not_answered_and_soon_forgotten() -> None:
    steady = SteadyGrasps()
    answer(steady, point(0.0))
    assert answer(steady) == ()
    assert answer(steady, point(0.01))[0].position[0] == pytest.approx(0.005)
    for _ in range(MAX_MISSES + 1):
        assert answer(steady) == ()
    assert answer(steady, point(0.01))[0].position == (0.01, 0.0, 0.6)


def test_what_was_found_long_ago_is_not_kept() -> None:
    steady = SteadyGrasps()
    for number in range(100):
        answer(steady, point(0.03 * (number % 50)))
    assert len(steady._tracks["hold"]) <= MAX_MISSES + 1


def test_a_point_that_hops_becomes_one() -> None:
    """Between places that are a little too far apart to be one at once, with some in between."""
    steady, given = SteadyGrasps(), []
    for x in 8 * [0.0, 0.021, 0.014, 0.0, 0.007, 0.021]:
        given.append(answer(steady, point(x))[0].position[0])
    assert np.std(given[12:]) < 0.0025 < np.std([0.0, 0.021, 0.014, 0.0, 0.007, 0.021]) / 3
    assert len(steady._tracks["hold"]) == 1


def test_what_it_was_elsewhere_counts_for_one_that_hops() -> None:
    steady = SteadyGrasps()
    for x in [0.0, 0.0, 0.0, 0.021]:
        answer(steady, point(x))
    # It is within reach of both places: the mean is that of all five frames.
    assert answer(steady, point(0.0105))[0].position[0] == pytest.approx(0.0315 / 5)


def test_two_points_close_together_stay_two() -> None:
    steady = SteadyGrasps()
    for first, second in 5 * [(0.0, 0.015), (0.015, 0.0)]:
        given = answer(steady, point(first, score=0.9), point(second, score=0.8))
    assert sorted(each.position[0] for each in given) == pytest.approx([0.0, 0.015])


def test_a_grasp_turned_by_half_a_turn_is_the_same() -> None:
    steady = SteadyGrasps()
    (first,) = answer(steady, point())
    turned = replace(point(), orientation=(0.0, 0.0, 1.0, 0.0), jaws=(point().jaws[1], point().jaws[0]))
    (second,) = answer(steady, turned)
    np.testing.assert_allclose(matrix(second.orientation), np.eye(3), atol=1e-12)
    np.testing.assert_allclose(second.jaws, first.jaws)


def test_orientations_are_averaged_if_they_are_alike() -> None:
    def tilt(degrees: float) -> tuple[float, float, float, float]:
        half = np.radians(degrees / 2)
        return float(np.sin(half)), 0.0, 0.0, float(np.cos(half))

    steady = SteadyGrasps()
    answer(steady, point())
    (near,) = answer(steady, point(orientation=tilt(10)))
    np.testing.assert_allclose(near.orientation, tilt(5), atol=1e-6)
    negative = tuple(-value for value in tilt(5))
    (same,) = answer(steady, point(orientation=negative))
    np.testing.assert_allclose(same.orientation, tilt(5), atol=1e-6)
    (far,) = answer(steady, point(orientation=(HALF, 0.0, 0.0, HALF)))
    np.testing.assert_allclose(far.orientation, (HALF, 0.0, 0.0, HALF))


def test_points_without_a_pose_are_averaged_in_the_image() -> None:
    steady = SteadyGrasps()
    answer(steady, flat(300, 200))
    (given,) = answer(steady, flat(304, 200))
    assert given.pixel == (302, 200) and given.position is None and given.reason is Reason.NO_DEPTH
    assert given.jaws == ((293, 200), (311, 200))
    (given,) = answer(steady, point())  # a pose is another thing
    assert given == point()


def test_refusals_and_notes_are_those_of_this_frame() -> None:
    steady = SteadyGrasps()
    refused = (Refusal(Reason.TOO_WIDE, "0.2 m"),)
    answer(steady, replace(point(), note="cut off", reason=Reason.CUT_OFF))
    result = steady.update(SCENE, {"hold": GraspResult((point(),), refused)}, 10)["hold"]
    assert result.refused == refused and result.points[0].note == "" and result.points[0].reason is None


def test_the_order_of_nearly_equal_points_stays() -> None:
    steady = SteadyGrasps()
    left, right = point(-0.03), point(0.03)
    for _ in range(3):
        answer(steady, replace(left, score=0.9), replace(right, score=0.85))
    given = answer(steady, replace(right, score=0.9), replace(left, score=0.88))
    assert [each.position[0] < 0 for each in given] == [True, False]
