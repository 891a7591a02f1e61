"""When the player publishes its frames."""

from dataclasses import replace

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: source it, or pip install 'selcon_ros[ros]'")

import rclpy

from selcon_ros.core.errors import ParameterError
from selcon_ros.demo.player import Player, due_times
from selcon_ros.recording import Recording
from support.scenes import LABELS, painted_frame


def recording(*seconds: float) -> Recording:
    frame = painted_frame(0)
    return Recording([replace(frame, stamp_ns=round(1e9 * (5 + each))) for each in seconds], LABELS)


def test_recorded_times_are_kept_and_the_next_lap_follows_at_their_pace() -> None:
    assert due_times(recording(0, 0.1, 0.2, 0.5), None) == pytest.approx([0, 0.1, 0.2, 0.5, 0.6])


def test_a_rate_overrides_them() -> None:
    assert due_times(recording(0, 0.1, 0.5), 20.0) == pytest.approx([0, 0.05, 0.1, 0.15])


def test_one_frame_alone() -> None:
    assert due_times(recording(0), None) == [0, 1]


def test_a_namespace_without_a_slash_is_below_the_root_and_one_that_is_none_is_named():
    rclpy.init()
    try:
        player = Player(recording(0), "cam")
        assert player.image_topic == "/cam/image"
        player.destroy_node()
        with pytest.raises(ParameterError, match="namespace 'my cam': Invalid namespace: .* not contain"):
            Player(recording(0), "my cam")
    finally:
        rclpy.try_shutdown()
