"""A real node, looked at and changed from a viewer."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is missing: pip install 'selcon_ros[ros]'")

from diagnostic_msgs.msg import DiagnosticStatus

from selcon_ros.ros import running_nodes
from selcon_ros.view.scene import Thresholds, ViewFrame
from selcon_ros.view.sources import node_frames, node_listener
from selcon_ros.view.sources.node import NodeError, NodeSource
from support import ros
from support.bundles import colour_bundle
from support.scenes import bar_depth, scene
from support.telling import telling_node

HOLD, CUT = (200, 48, 232, 144), (60, 48, 92, 144)
IMAGE, DEPTH = scene(hold=HOLD, cut_with=CUT), bar_depth(320, 240, HOLD)


@pytest.fixture(autouse=True)
def own_domain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in {**ros.ENVIRONMENT, "ROS_LOG_DIR": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(running_nodes, "ANSWER_SECONDS", ros.TIMEOUT)  # a busy machine is no fault


class Filming:
    """A robot whose camera films in a thread of its own."""

    def __init__(self, robot: ros.Robot) -> None:
        self._robot, self._stop = robot, threading.Event()
        self._thread = threading.Thread(target=self._film)
        self._thread.start()

    def _film(self) -> None:
        while not self._stop.wait(0.05):
            self._robot.show(IMAGE, DEPTH, ros.calibration())

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()


def frame_with(source: NodeSource, wanted: Callable[[ViewFrame], Any]) -> ViewFrame:
    end = time.monotonic() + ros.TIMEOUT
    last = None
    while time.monotonic() < end:
        if (frame := source.newest(1.0)) is not None:
            last = frame
            if wanted(frame):
                return frame
    raise AssertionError(f"no such frame came; the last one: {last and (last.asked, last.diagnostics)}")


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> Iterator[NodeSource]:
    monkeypatch.setattr(node_listener, "RESTING_SECONDS", 0.5)
    monkeypatch.setattr(node_frames, "SILENCE_SECONDS", 1.0)
    made = NodeSource(None, None)
    yield made
    made.close()


def test_a_node_is_shown_asked_and_set_from_a_viewer(tmp_path: Path, source: NodeSource) -> None:
    bundle = colour_bundle(tmp_path / "colours")
    with ros.context() as context, ros.running_node(context, bundle) as node:
        robot = ros.Robot(context, outputs=())
        filming = Filming(robot)
        try:
            source.start()
            assert "/affordance/" in source.title
            idle = frame_with(source, lambda frame: frame.image.shape == IMAGE.shape)
            assert idle.answers == ()
            assert any("waiting for an action" in each.text for each in idle.diagnostics)
            assert set(source.actions) == {"cut_with", "hold", "pour"}

            source.set_actions(("hold",))
            frame = frame_with(source, lambda frame: frame.asked == ("hold",) and frame.depth is not None)
            (point,) = frame.answers[0].grasps.points
            assert frame.intrinsics is not None and point.position is not None and point.width is not None
            assert HOLD[0] <= point.pixel[0] < HOLD[2] and point.position[2] == pytest.approx(0.76, abs=0.01)
            assert point.score == pytest.approx(frame.answers[0].heatmap.confidence, abs=1e-3)
            assert frame.confidences == {"hold": frame.answers[0].heatmap.confidence}
            assert {"latency", "inference", "grasping"} <= frame.times.keys()
            assert np.array_equal(frame.image, IMAGE)

            source.set_actions(("hold", "cut_with"))
            both = frame_with(source, lambda frame: len(frame.answers) == 2)
            peaks = [np.unravel_index(each.heatmap.values.argmax(), DEPTH.shape) for each in both.answers]
            assert both.asked == ("hold", "cut_with") and HOLD[0] <= peaks[0][1] < HOLD[2]
            assert CUT[0] <= peaks[1][1] < CUT[2]

            source.set_thresholds(Thresholds(gripper_width=0.01))
            narrow = frame_with(source, lambda frame: not frame.answers[0].grasps.points)
            assert "gripper opens 0.010 m" in narrow.answers[0].note
            assert node.get_parameter("gripper_width").value == 0.01
            assert frame_with(source, lambda frame: frame.thresholds.gripper_width == 0.01)

            # Nobody looks any more: the node may rest. It works again as soon as somebody does.
            robot.until(
                lambda: robot.heard["diagnostics"] and "resting" in robot.facts()["state"], "the node to rest"
            )
            assert frame_with(source, lambda frame: frame.stamp > narrow.stamp and len(frame.answers) == 2)
        finally:
            filming.stop()
            robot.destroy_node()
    # The node has gone.
    gone = frame_with(
        source, lambda frame: any("nothing is heard" in each.text for each in frame.diagnostics)
    )
    assert gone.asked == ("hold", "cut_with")


def test_no_node_is_one_clear_line(source: NodeSource) -> None:
    with pytest.raises(NodeError, match="no grounding node is heard .* selcon view --help"):
        source.start()


def test_a_node_that_does_not_tell_its_parameters_is_one_clear_line(
    source: NodeSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running_nodes, "ANSWER_SECONDS", 0.5)
    said = "/affordance/grounding is heard, but did not tell its parameters"
    with telling_node(DiagnosticStatus.OK, services=False), pytest.raises(NodeError, match=said):
        source.start()
