"""The service `ground` as its clients meet it."""

import numpy as np
import pytest
from rcl_interfaces.srv import GetParameters
from rclpy.qos import QoSProfile

from selcon_ros.ros import interfaces

if interfaces.MISSING:
    pytest.skip(
        "selcon_interfaces is not built: python tools/build_interfaces.py, or colcon", allow_module_level=True
    )

from builtin_interfaces.msg import Duration

from selcon_ros.ros.interfaces import Ground, Reason
from selcon_ros.ros.questions import MAX_QUESTIONS
from support.messages import FRAME
from support.ros import calibration, pixels_of
from support.scenes import bar_depth, scene

PART = (200, 48, 232, 144)
LONG = Duration(sec=60)


@pytest.fixture
def call(start):
    """Start a node; call(NAME=VALUE) sends a request and returns what will be the response."""
    robot, node = start(outputs=())
    client = robot.create_client(Ground, "ground", qos_profile=QoSProfile(depth=MAX_QUESTIONS))
    robot.until(client.service_is_ready, "the service")
    return robot, lambda **values: client.call_async(Ground.Request(**values)), node


def test_a_request_is_answered_with_typed_results(call):
    robot, send, _ = call
    asked = send(actions=["hold", "Cut With"], wait_for_new_image=True, timeout=LONG, heatmaps=True)
    image, depth = scene(hold=PART), bar_depth(320, 240, PART)
    # The first image answers: the node has to hear its depth, too.
    robot.until(robot.depth.get_subscription_count, "the subscription to depth")
    robot.until(asked.done, "the answer", every=lambda: robot.show(image, depth, calibration()))
    response = asked.result()
    assert response.reason == Reason()
    hold, cut = response.results
    assert (hold.action, cut.action) == ("hold", "cut_with")
    assert hold.header.frame_id == FRAME and hold.header == cut.header
    assert (hold.image_height, hold.image_width) == (240, 320)
    assert hold.grasps[0].has_pose and hold.grasps[0].pose.position.z == pytest.approx(0.76, abs=0.002)
    assert not cut.grasps and [each.code for each in cut.reasons] == [Reason.LOW_CONFIDENCE]
    assert hold.model == "colours"
    assert hold.times.inference.nanosec > 0
    heatmaps = [pixels_of(each) for each in response.heatmaps]
    v, u = np.unravel_index(heatmaps[0].argmax(), (240, 320))
    assert len(heatmaps) == 2 and PART[0] <= u < PART[2] and PART[1] <= v < PART[3]


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"actions": []}, Reason.NO_ACTIONS),
        ({"actions": ["hold", "fly"]}, Reason.UNKNOWN_ACTION),
        ({"actions": ["hold"], "timeout": Duration(sec=-1)}, Reason.INVALID_REQUEST),
        ({"actions": ["hold"], "timeout": Duration(nanosec=1)}, Reason.NO_IMAGE),
    ],
)
def test_a_request_that_cannot_be_answered_hears_why(call, values, code):
    robot, send, _ = call
    asked = send(**values)
    robot.until(asked.done, "the answer")
    assert asked.result().reason.code == code and asked.result().reason.text
    assert not asked.result().results and not asked.result().heatmaps


def test_the_state_tells_that_requests_are_answered(call):
    robot, send, _ = call
    robot.until(lambda: robot.facts()["state"].startswith("waiting for an action"), "no action")
    asked = send(actions=["hold"], wait_for_new_image=True, timeout=LONG)
    robot.until(lambda: robot.facts()["state"] == "answering requests", "the state")
    robot.until(asked.done, "the answer", every=lambda: robot.show(scene(hold=PART)))
    robot.until(lambda: robot.facts()["state"].startswith("waiting for an action"), "no action")


def test_while_requests_wait_others_and_parameters_are_answered(call):
    robot, send, node = call
    waiting = [send(actions=["hold"], wait_for_new_image=True, timeout=LONG) for _ in range(40)]
    parameters = robot.create_client(GetParameters, "grounding/get_parameters")
    robot.until(parameters.service_is_ready, "the parameters")
    got = parameters.call_async(GetParameters.Request(names=["threshold"]))
    robot.until(got.done, "a parameter")
    refused = send(actions=[])
    robot.until(refused.done, "the other answer")
    robot.until(lambda: node.requests.waiting, "the requests")
    assert not any(each.done() for each in waiting)
    robot.until(
        lambda: all(each.done() for each in waiting), "answers", every=lambda: robot.show(scene(hold=PART))
    )
    assert all(each.result().results[0].action == "hold" for each in waiting)


def test_requests_about_one_image_look_for_its_frame_once(call, monkeypatch):
    robot, send, node = call
    frames, stamps = node._pipeline.results._target_frame, []
    look = frames.of
    monkeypatch.setattr(
        frames, "of", lambda header, wait: stamps.append(header.stamp.sec) or look(header, wait)
    )
    waiting = [send(actions=["hold"], wait_for_new_image=True, timeout=LONG) for _ in range(20)]
    robot.until(lambda: node._questions.waiting == 20, "the requests")
    robot.until(
        lambda: all(each.done() for each in waiting), "answers", every=lambda: robot.show(scene(hold=PART))
    )
    assert len(stamps) == len(set(stamps))
