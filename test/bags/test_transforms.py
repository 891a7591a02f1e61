"""Transforms between frames at an image's stamp, held against matrices and OpenCV's exponential map."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from rosbags.rosbag2 import StoragePlugin
from std_msgs.msg import Header

from selcon_ros.bags import transforms as transforms_module
from selcon_ros.bags.reader import BagError, BagReader
from selcon_ros.bags.transform_tree import Edge, TransformError, look_up
from selcon_ros.bags.transform_window import MAX_FRAMES, Transform, TransformWindow
from selcon_ros.bags.transforms import BagTransforms
from selcon_ros.core.grasps.rigid import Rigid, quaternion
from support.bags import Stamped, transforms, write_bag
from support.messages import header

S = 10**9
HERE = Rigid((0.0, 0.0, 0.0, 1.0), (0.0, 0.0, 0.0))


def at(x: float) -> Rigid:
    return Rigid((0.0, 0.0, 0.0, 1.0), (x, 0.0, 0.0))


def matrix(pose: Rigid) -> NDArray[np.float64]:
    return np.vstack([np.column_stack([pose.matrix, pose.translation]), [0, 0, 0, 1]])


def between(first: NDArray[np.float64], last: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    """Interpolated by matrices alone."""
    turn, _ = cv2.Rodrigues(first[:3, :3].T @ last[:3, :3])
    found = (1 - share) * first + share * last
    found[:3, :3] = first[:3, :3] @ cv2.Rodrigues(share * turn)[0]
    return found


# In thousandths: cv2.Rodrigues takes turns below 1e-5 rad for none.
numbers = st.integers(-1200, 1200).map(lambda number: number / 1000)
vectors = st.tuples(numbers, numbers, numbers)
poses = st.builds(
    lambda turn, moved: Rigid(quaternion(cv2.Rodrigues(np.array(turn))[0]), moved), vectors, vectors
)
short = st.dictionaries(st.integers(0, 80), poses, min_size=1, max_size=4)
whole = st.builds(lambda track, first, last: {**track, 0: first, 80: last}, short, poses, poses)
tracks = whole | whole | whole | short
"""Of one frame: poses at tenths of a second, within 8 s."""


@st.composite
def trees(draw: st.DrawFn) -> list[tuple[int | None, dict[int, Rigid]]]:
    """Of each frame its parent, which comes before it, and its track; None for a root."""
    count = draw(st.integers(2, 7))
    return [
        (None, {})
        if place == 0 or draw(st.integers(0, 9)) == 0
        else (draw(st.sampled_from([place - 1, place - 1, 0])), draw(tracks))
        for place in range(count)
    ]


def expected(
    tree: list[tuple[int | None, dict[int, Rigid]]], frame: int, stamp: int
) -> dict[int, NDArray[np.float64]]:
    """The frames above one as far as they are known at a stamp, and where it lies in each."""
    found = {frame: np.eye(4)}
    while (parent := tree[frame][0]) is not None:
        track = tree[frame][1]
        before = max((when for when in track if when <= stamp), default=None)
        after = min((when for when in track if when >= stamp), default=None)
        if before is None or after is None:
            break
        share = (stamp - before) / (after - before) if after > before else 0.0
        found[parent] = between(matrix(track[before]), matrix(track[after]), share) @ found[frame]
        frame = parent
    return found


@given(trees(), st.integers(0, 80), st.randoms(use_true_random=False), st.data())
def test_any_two_frames_of_any_tree(tree, stamp: int, random, data: st.DataObject) -> None:
    stream = [
        # Messages of two nodes come in another order than they were stamped, within a second.
        Transform(
            str(parent), str(frame), when * S // 10, when * S // 10 + random.randrange(S * 9 // 10), pose
        )
        for frame, (parent, track) in enumerate(tree)
        for when, pose in track.items()
    ]
    image = (stamp * S // 10 + S // 20, stamp * S // 10)
    window = TransformWindow([image, (0, 0), (5 * S, 4 * S)], 10 * S)
    for each in sorted(stream, key=lambda each: each.received):
        window.add(each)
    frames = st.integers(0, len(tree) - 1)
    source, target = data.draw(frames), data.draw(frames)
    mine, theirs = expected(tree, source, stamp), expected(tree, target, stamp)
    shared = next((frame for frame in mine if frame in theirs), None)
    parent: Callable[[str], Edge | None] = lambda frame: window.at(frame, image)  # noqa: E731
    if shared is None:
        with pytest.raises(TransformError):
            look_up(parent, str(target), str(source))
        return
    found = look_up(parent, str(target), str(source))
    np.testing.assert_allclose(matrix(found), np.linalg.inv(theirs[shared]) @ mine[shared], atol=1e-6)


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 400)), max_size=60))
def test_no_more_is_kept_than_there_are_images_and_frames(stream: list[tuple[int, int]]) -> None:
    window = TransformWindow([(2 * S, 2 * S), (3 * S, 3 * S)], 2 * S)
    for stamp, received in stream:
        window.add(Transform("a", "b", stamp * S // 100, received * S // 100, HERE))
    assert sum(len(near) for near in window._near.values()) <= 2


def test_more_frames_than_that_are_passed_over() -> None:
    window = TransformWindow([(S, S)], S)
    for number in range(MAX_FRAMES + 5):
        window.add(Transform("a", f"b{number}", S, S, HERE))
    assert len(window._near) == MAX_FRAMES and "5 transforms were passed over" in str(window.faults)


def test_after_the_clock_was_set_back_only_what_came_then_counts() -> None:
    """A simulation that starts again: the same stamps, at other places."""
    before, after = (12 * S, 11 * S), (24 * S, 11 * S)
    window = TransformWindow([before, after], 30 * S)
    for x, start in ((1.0, 1), (2.0, 13)):
        for second in range(11):
            window.add(Transform("base", "camera", (10 + second) * S, (start + 10 + second) * S, at(x)))
    places = [window.at("camera", image).pose.translation[0] for image in (before, after)]
    assert places == [1.0, 2.0]


@pytest.fixture
def place(tmp_path: Path) -> Callable[..., tuple[str, float, str]]:
    """Look the camera up in a frame: of poses the frame, its x there, and what is missing."""

    def place(
        messages: list[Stamped], target: str = "base", stamp: float = 10.0, frame: str = "camera"
    ) -> tuple[str, float, str]:
        bag = write_bag(tmp_path / "bag", messages, StoragePlugin.SQLITE3)
        with BagReader(bag) as reader:
            image = (round(S * (stamp + 0.05)), round(S * stamp))
            found, rigid, missing = (
                BagTransforms(reader, target).around([image]).of(header(stamp, frame), image[0])
            )
        assert isinstance(found, Header)
        return found.frame_id, rigid.translation[0] if rigid else 0.0, missing

    return place


def moving(*given: tuple[str, str, float, float], topic: str = "/tf") -> list[Stamped]:
    """Parent, child, stamp and x of transforms that are received 10 ms later."""
    return [
        (topic, transforms((parent, child, stamp, at(x))), round(S * (stamp + 0.01)))
        for parent, child, stamp, x in given
    ]


def fixed(*given: tuple[str, str, float, float]) -> list[Stamped]:
    return moving(*given, topic="/tf_static")


def test_static_ones_hold_from_when_they_were_sent(place) -> None:
    """However long ago that was; before, the first does; and with a slash before their names, as of old."""
    mount = fixed(("base", "arm", 0.0, 1.0), ("/arm", "/camera", 0.0, 2.0), ("arm", "camera", 5000.0, 5.0))
    assert place(mount, stamp=4000.0) == ("base", 3.0, "")


@pytest.mark.parametrize(("stamp", "x"), [(1.0, 3.0), (5001.0, 6.0)])
def test_static_ones_that_were_changed(place, stamp: float, x: float) -> None:
    mount = fixed(("base", "arm", 2.0, 1.0), ("arm", "camera", 2.0, 2.0), ("arm", "camera", 5000.0, 5.0))
    assert place(mount, stamp=stamp) == ("base", x, "")


def test_moving_and_static_ones_together(place) -> None:
    steps = moving(*(("odom", "base", 9.95 + 0.1 * step, 1.0 * step) for step in range(3)))
    assert place([*fixed(("base", "camera", 0.0, 0.25)), *steps], "odom") == ("odom", pytest.approx(0.75), "")


def test_slow_transforms_are_looked_for_farther_away(place) -> None:
    assert place(moving(("base", "camera", 7.0, 1.0), ("base", "camera", 12.0, 2.0))) == ("base", 1.6, "")


def test_the_cameras_own_frame_needs_no_transform(place) -> None:
    assert place(fixed(("base", "arm", 0.0, 1.0)), "camera") == ("camera", 0.0, "")


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        (moving(("base", "camera", 8.0, 1.0)), "the last is 2.000 s before the image"),
        (moving(("base", "camera", 11.0, 1.0)), "the first is 1.000 s after the image"),
        (
            moving(("base", "camera", 4.0, 1.0), ("base", "camera", 16.0, 1.0)),
            "has a gap of 12.0 s at the image",
        ),
        (
            moving(("base", "arm", 10.0, 1.0)),
            "'camera' hangs on nothing, 'base' hangs on nothing: no transform",
        ),
        (
            fixed(("arm", "camera", 0.0, 1.0)),
            "'camera' hangs on 'arm', 'base' hangs on nothing: no transform",
        ),
        (
            fixed(("a", "camera", 0.0, 1.0), ("b", "a", 0.0, 1.0), ("camera", "b", 0.0, 1.0)),
            "in a circle: 'camera' -> 'a' -> 'b' -> 'camera'",
        ),
        (
            fixed(
                ("camera", "a", 0.0, 1.0),
                ("a", "b", 0.0, 1.0),
                ("b", "base", 0.0, 1.0),
                ("base", "a", 1.0, 1.0),
            ),
            "'a' hangs on both 'camera' and 'base': only one node",
        ),
        (
            moving(("base", "camera", 9.9, 1.0), ("odom", "camera", 10.1, 1.0)),
            "'camera' hangs on both 'base' and 'odom'",
        ),
        (
            [*moving(("base", "camera", 10.0, 1.0)), *fixed(("odom", "camera", 0.0, 1.0))],
            "'camera' hangs on both 'odom' and 'base'",
        ),
        (
            fixed(("camera", "camera", 0.0, 1.0)),
            "1 transforms were passed over: the transform from 'camera' to",
        ),
        (fixed(("", "camera", 0.0, 1.0)), "needs two frames"),
        (fixed(("base" * 100, "camera", 0.0, 1.0)), "a name of more than 256 characters"),
    ],
)
def test_what_is_missing_is_told_and_the_camera_stays(place, messages: list[Stamped], said: str) -> None:
    frame, _, missing = place(messages)
    assert frame == "camera" and missing.startswith("no transform from 'camera' to 'base': ")
    assert said in missing


@pytest.mark.parametrize(
    ("rotation", "x", "said"),
    [
        ((0.0, 0.0, 0.0, 0.0), 1.0, "a rotation of length 0: it must be a unit quaternion"),
        ((0.0, 0.0, 0.0, 1.02), 1.0, "a rotation of length 1.02"),
        ((0.0, 0.0, 0.0, 1.0), float("nan"), "is not finite"),
        ((0.0, 0.0, 0.0, float("nan")), 1.0, "is not finite"),
        ((0.0, 0.0, 0.0, float("inf")), 1.0, "a rotation of length inf"),
    ],
)
def test_a_transform_that_is_none_is_passed_over(place, rotation, x: float, said: str) -> None:
    broken = transforms(("base", "camera", 9.0, HERE))
    message = broken.transforms[0].transform
    message.translation.x = x
    message.rotation.x, message.rotation.y, message.rotation.z, message.rotation.w = rotation
    missing = place([("/tf", broken, 9 * S)])[2]
    assert said in missing


def test_a_quaternion_of_a_length_near_1_is_taken(place) -> None:
    loose = transforms(("base", "camera", 9.0, at(3.0)))
    loose.transforms[0].transform.rotation.w = 1.004
    assert place([("/tf_static", loose, 9 * S)]) == ("base", 3.0, "")


@pytest.mark.parametrize("frame", ["", "/camera"])
def test_images_in_a_frame_that_is_none(place, frame: str) -> None:
    assert (
        "the images' frame_id must be a frame's name"
        in place(fixed(("base", "camera", 0.0, 1.0)), frame=frame)[2]
    )


@pytest.mark.parametrize(
    ("target", "said"), [("/base", "without a '/' before it"), ("base", "the bag has no /tf and")]
)
def test_a_target_frame_that_cannot_be(place, target: str, said: str) -> None:
    with pytest.raises(BagError, match=said):
        place([("/other", transforms(("base", "camera", 0.0, HERE)), S)], target)


def test_static_transforms_that_are_repeated_are_no_more(place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transforms_module, "MAX_STATIC", 10)
    steady = fixed(*(("base", "camera", 0.1 * step, 1.0) for step in range(30)))
    assert place(steady)[0] == "base"


def test_static_transforms_that_always_change_are_refused(place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transforms_module, "MAX_STATIC", 10)
    with pytest.raises(BagError, match="/tf_static of the bag changes more than 10 times"):
        place(fixed(*(("base", "camera", 0.1 * step, 1.0 * step) for step in range(30))))
