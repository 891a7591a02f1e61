"""Answers as typed messages: what was found and nothing else, in the types that the messages declare."""

import math
from typing import Any

import numpy as np
import pytest

from selcon_ros.ros import interfaces

if interfaces.MISSING:
    pytest.skip(
        "selcon_interfaces is not built: python tools/build_interfaces.py, or colcon", allow_module_level=True
    )

from builtin_interfaces.msg import Duration
from hypothesis import given
from hypothesis import strategies as st
from rclpy.serialization import deserialize_message, serialize_message

from selcon_ros.core.grasps.grasp import GraspParameters, find_grasps
from selcon_ros.core.grasps.grasp_result import NO_GRASPS, GraspPoint, GraspResult, PartMask, Refusal
from selcon_ros.core.reason import Reason
from selcon_ros.ros import results
from selcon_ros.ros.diagnostics import AnswerTimes
from support.messages import FRAME, header
from support.shapes import CAMERA, SHAPE, heat_of, rectangle

TIMES = AnswerTimes(waiting=0.001, inference=0.25, overhead=0.0025, grasping=1.5)
BOXES = {"float": float, "double": float, "boolean": bool, "string": str}


@pytest.mark.parametrize("name", interfaces.FIELDS)
def test_what_the_node_needs_is_what_the_package_has(name):
    kind = message_class(name)
    assert list(kind.get_fields_and_field_types()) == interfaces.FIELDS[name].split()
    assert interfaces.lacking((kind,)) == ""


def message_class(name: str) -> Any:
    owner, _, part = name.partition("_")
    return getattr(getattr(interfaces, owner), part) if part else getattr(interfaces, owner)


def message(grasps: GraspResult, action: str = "hold", confidence: float = 0.75) -> Any:
    return results.result_message(action, confidence, grasps, SHAPE, TIMES, "m\nodel", header(7.0))


def check_types(message: Any) -> None:
    """rclpy does not check them, and sends a numpy.float32 in a float64 field as another number."""
    for name, kind in message.get_fields_and_field_types().items():
        value = getattr(message, name)
        if "/" in kind:
            for each in value if kind.startswith("sequence") else [value]:
                check_types(each)
        elif kind in BOXES:
            assert type(value) is BOXES[kind], (name, value)
        elif kind.startswith(("int", "uint")):
            assert type(value) is int, (name, value)


def test_a_result_says_what_was_found_and_survives_the_way():
    mask = rectangle(270, 220, 370, 260)
    heatmap, depth = heat_of(mask), np.where(mask, np.float32(0.5), np.float32(0.6))
    found = find_grasps(heatmap, depth, CAMERA)
    assert found.points[0].width is not None
    said = results.result_message(
        heatmap.action, heatmap.confidence, found, SHAPE, TIMES, "model", header(7.0)
    )
    check_types(said)
    heard = deserialize_message(serialize_message(said), interfaces.AffordanceResult)
    assert (heard.header.stamp.sec, heard.header.frame_id) == (7, FRAME)
    assert (heard.image_height, heard.image_width) == SHAPE
    assert (heard.action, heard.confidence) == (heatmap.action, pytest.approx(heatmap.confidence))
    assert len(heard.grasps) == len(found.points)
    point, grasp = found.points[0], heard.grasps[0]
    assert grasp.has_pose and grasp.width == point.width and grasp.score == pytest.approx(point.score)
    place, turn = grasp.pose.position, grasp.pose.orientation
    assert (place.x, place.y, place.z) == point.position
    assert (turn.x, turn.y, turn.z, turn.w) == point.orientation
    assert (grasp.pixel.x, grasp.pixel.y) == point.pixel
    assert tuple((jaw.x, jaw.y) for jaw in grasp.jaws) == point.jaws
    assert grasp.reason == interfaces.Reason()


def test_times_are_durations():
    times = message(NO_GRASPS).times
    assert times.inference == Duration(nanosec=250_000_000)
    assert times.grasping == Duration(sec=1, nanosec=500_000_000)
    assert times.latency == Duration(nanosec=253_500_000)
    assert message(NO_GRASPS).model == "m\\nodel"


@given(st.floats(-1e6, 1e6))
def test_a_duration_is_its_seconds(seconds):
    told = results.duration(seconds)
    assert 0 <= told.nanosec < 1_000_000_000
    assert told.sec + 1e-9 * told.nanosec == pytest.approx(seconds, abs=1e-9)


def test_what_is_not_known_is_no_number():
    flat = GraspPoint((1.0, 2.0), np.float32(0.5), note="no depth image", reason=Reason.NO_DEPTH)
    grasp = message(GraspResult((flat,))).grasps[0]
    check_types(grasp)
    assert not grasp.has_pose and math.isnan(grasp.width) and grasp.jaws == []
    place, turn = grasp.pose.position, grasp.pose.orientation
    assert all(map(math.isnan, (place.x, place.y, place.z, turn.x, turn.y, turn.z, turn.w)))
    assert grasp.reason == interfaces.Reason(code=interfaces.Reason.NO_DEPTH, text="no depth image")
    assert (grasp.part.step, len(grasp.part.mask.data)) == (0, 0)


def test_refusals_have_code_and_text():
    refused = (Refusal(Reason.TOO_WIDE, "0.2 m\x1b[31m"), Refusal(Reason.LOW_CONTRAST, "dull"))
    said = message(GraspResult(refused=refused)).reasons
    assert [each.code for each in said] == [interfaces.Reason.TOO_WIDE, interfaces.Reason.LOW_CONTRAST]
    assert [each.text for each in said] == ["0.2 m\\x1b[31m", "dull"]


@pytest.mark.parametrize("large", [False, True], ids=["small", "large, kept with fewer pixels"])
def test_the_mask_covers_the_part(large):
    heatmap = heat_of(rectangle(80, 80, 560, 160) if large else rectangle(320, 240, 400, 280))
    point = find_grasps(heatmap, parameters=GraspParameters(max_width=10.0)).points[0]
    part = message(GraspResult((point,))).grasps[0].part
    check_types(part)
    rows, columns = part.mask.height, part.mask.width
    assert part.mask.encoding == "mono8" and part.mask.step == columns and part.mask.header == header(7.0)
    assert (rows, columns) == (-(-part.roi.height // part.step), -(-part.roi.width // part.step))
    mask = np.frombuffer(part.mask.data, np.uint8).reshape(rows, columns)
    assert set(np.unique(mask)) <= {0, 255}
    assert mask[0].any() and mask[-1].any() and mask[:, 0].any() and mask[:, -1].any()
    # Drawn where the message says, it is where the heat is.
    drawn = np.zeros(SHAPE, bool)
    whole = np.kron(mask, np.ones((part.step, part.step), np.uint8))[: part.roi.height, : part.roi.width]
    y, x = part.roi.y_offset, part.roi.x_offset
    drawn[y : y + part.roi.height, x : x + part.roi.width] = whole > 0
    hot = heatmap.values >= 0.5
    assert (drawn & hot).sum() > 0.9 * (drawn | hot).sum()
    assert drawn[int(point.pixel[1]), int(point.pixel[0])]
    assert (part.step > 1) == large


def test_a_mask_at_the_border_stays_in_the_image():
    part = PartMask((636, 474), 4, np.ones((2, 1), bool))
    said = results.part_message(part, SHAPE, header())
    assert (said.roi.height, said.roi.width) == (6, 4)
    assert (said.mask.height, said.mask.width) == (2, 1)


def test_without_a_reason_nothing_is_missing():
    assert results.reason_message(None) == interfaces.Reason(code=interfaces.Reason.NONE)
