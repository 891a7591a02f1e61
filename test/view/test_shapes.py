"""What is drawn of a frame: grippers, the cloud's heat, and texts of the panel."""

from typing import Any

import numpy as np
import pytest

from selcon_ros.core.cameras.camera import Intrinsics
from selcon_ros.core.grasps.grasp_result import GraspPoint, GraspResult, Refusal
from selcon_ros.core.grasps.rigid import Rigid
from selcon_ros.core.grounding.heatmap import Heatmap
from selcon_ros.core.outputs.gripper_drawing import ARROW_LENGTH, FINGER_LENGTH, gripper_lines
from selcon_ros.core.reason import Reason
from selcon_ros.view import panel
from selcon_ros.view.scene import ActionAnswer, Diagnostic, TargetFrame, Thresholds, ViewFrame
from selcon_ros.view.shapes import coloured_cloud, grippers, shown_heat

HALF = 0.5**0.5
IMAGE = np.full((6, 8, 3), 100, np.uint8)


def answer(action: str, confidence: float, hot: int, *points: GraspPoint) -> ActionAnswer:
    values = np.zeros((6, 8), np.float32)
    values[:, hot] = 1
    refused = () if points else (Refusal(Reason.FLAT, "<i>flat</i>"),)
    return ActionAnswer(Heatmap(action, values, confidence), GraspResult(points, refused), IMAGE)


def frame(*answers: ActionAnswer, **changes: Any) -> ViewFrame:
    depth = np.full((6, 8), 0.5, np.float32)
    depth[0] = np.nan
    given: dict[str, Any] = {
        "depth": depth,
        "intrinsics": Intrinsics(10.0, 10.0, 3.5, 2.5, 8, 6),
        "confidences": {each.action: each.heatmap.confidence for each in answers},
        "thresholds": Thresholds(),
        **changes,
    }
    frame_id = given.pop("frame_id", "camera")
    return ViewFrame(1, 0.0, frame_id, IMAGE, answers=answers, **given)


def test_a_gripper_is_open_by_the_width_and_comes_along_the_approach() -> None:
    # A quarter turn about x: what was z, the approach, is -y; x, the closing direction, stays.
    point = GraspPoint((0, 0), 1.0, (0.1, 0.2, 0.3), (HALF, 0.0, 0.0, HALF), 0.06)
    left, right, palm, arm = gripper_lines(point)
    assert left[0] == pytest.approx([0.07, 0.2, 0.3]) and right[0] == pytest.approx([0.13, 0.2, 0.3])
    assert left[1] == pytest.approx([0.07, 0.2 + FINGER_LENGTH, 0.3], abs=1e-6)
    assert palm == pytest.approx(np.array([left[1], right[1]]))
    assert arm[1] == pytest.approx([0.1, 0.2 + ARROW_LENGTH, 0.3], abs=1e-6)


def test_the_best_gripper_has_the_actions_colour_and_others_are_paler() -> None:
    pose = {"position": (0.0, 0.0, 0.5), "orientation": (0.0, 0.0, 0.0, 1.0), "width": 0.05}
    points = [GraspPoint((0, 0), score, **pose) for score in (1.0, 0.5)]
    lines, colours = grippers(points, place=1)
    assert lines.shape == colours.shape == (8, 2, 3)
    assert (colours[:4] == (51, 128, 255)).all() and not (colours[4:] == (51, 128, 255)).any()
    assert grippers([], 0)[0].shape == (0, 2, 3)


def test_heat_of_actions_below_the_least_confidence_is_not_in_the_cloud() -> None:
    shown = frame(answer("hold", 0.9, 2), answer("pour", 0.4, 6))
    assert shown_heat(shown)[0].tolist() == [0, 0, 1, 0, 0, 0, 0, 0]
    points, colours = coloured_cloud(shown)
    assert len(points) == 5 * 8  # one row has no depth
    hot = np.isclose(points[:, 0], (2 - 3.5) / 10 * 0.5)
    assert (colours[~hot] == 100).all() and (colours[hot] != 100).any(axis=1).all()
    sparse, _ = coloured_cloud(shown, stride=2)
    assert len(sparse) == 2 * 4 and {tuple(each) for each in sparse} <= {tuple(each) for each in points}
    assert (IMAGE == 100).all()
    assert len(coloured_cloud(frame(depth=None, intrinsics=None))[0]) == 0


def test_what_comes_from_outside_is_text_and_no_part_of_the_page() -> None:
    bad = '<script>alert("x")</script>'
    shown = frame(
        answer(bad, 0.9, 1), diagnostics=(Diagnostic("error", bad),), times={bad: 1.0}, frame_id=bad
    )
    parts = (
        panel.status(shown),
        panel.confidences(shown, [bad]),
        panel.grasps(shown),
        panel.times(shown),
        panel.diagnostics(shown),
        panel.facts(shown, bad, bad),
    )
    for part in parts:
        assert "<script>" not in part and "&lt;script&gt;" in part and "<i>" not in part


def test_the_worst_of_the_diagnostics_is_what_the_first_line_says() -> None:
    lines = (Diagnostic("ok", "fine"), Diagnostic("error", "gone"), Diagnostic("warning", "late"))
    assert "error</b> gone" in panel.status(frame(diagnostics=lines))
    assert "ok</b> running" in panel.status(frame())
    unknown = frame(answer("hold", 0.9, 2))
    assert "–" in panel.confidences(unknown, ["hold", "pour"])


def test_positions_are_in_the_target_frame_where_there_is_one() -> None:
    point = GraspPoint((0, 0), 1.0, (0.1, 0.2, 0.3), (0.0, 0.0, 0.0, 1.0), 0.06)
    assert "at (100, 200, 300) mm<" in panel.grasps(frame(answer("hold", 0.9, 2, point)))
    # A quarter turn about z, 1 m behind the camera.
    target = TargetFrame("base <b>", Rigid((0.0, 0.0, HALF, HALF), (0.0, 0.0, -1.0)))
    shown = panel.grasps(frame(answer("hold", 0.9, 2, point), target=target))
    assert "at (200, -100, 1300) mm in base &lt;b&gt;<" in shown
