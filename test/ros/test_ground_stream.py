"""The action `ground_stream` as its clients meet it."""

import gc

import pytest
from action_msgs.msg import GoalStatus
from rclpy.action import ActionClient
from rclpy.qos import QoSProfile

from selcon_ros.ros import interfaces

if interfaces.MISSING:
    pytest.skip(
        "selcon_interfaces is not built: python tools/build_interfaces.py, or colcon", allow_module_level=True
    )

from builtin_interfaces.msg import Duration

from selcon_ros.ros import ground_stream
from selcon_ros.ros.interfaces import GroundStream, Reason
from selcon_ros.ros.questions import MAX_QUESTIONS
from support.messages import raw_image
from support.ros import pixels_of, stamp_of
from support.scenes import scene

PART = (200, 48, 232, 144)
LONG = Duration(sec=60)


@pytest.fixture
def send(start):
    """Start a node; send(NAME=VALUE) sends a goal and returns its handle and the list of its feedback."""
    robot, node = start(outputs=())
    depth = QoSProfile(depth=MAX_QUESTIONS)
    client = ActionClient(robot, GroundStream, "ground_stream", result_service_qos_profile=depth)
    yield robot, lambda **values: begin(robot, client, **values), node
    client.destroy()


def begin(robot, client, **values):
    """Send a goal; return its handle, and the list that its feedback comes into."""
    heard = []
    robot.until(client.server_is_ready, "the action")
    sent = client.send_goal_async(
        GroundStream.Goal(**values), feedback_callback=lambda told: heard.append(told.feedback)
    )
    robot.until(sent.done, "the goal")
    return sent.result(), heard


def finish(robot, goal, every=None):
    """The status and the result of a goal."""
    asked = goal.get_result_async()
    robot.until(asked.done, "the result", every)
    return asked.result().status, asked.result().result


def test_a_goal_is_answered_with_as_many_images_as_it_asks_for(send):
    robot, ask, node = send
    goal, heard = ask(actions=["hold", "pour"], max_images=3, timeout=LONG, heatmaps=True)
    status, result = finish(robot, goal, every=lambda: robot.show(scene(hold=PART)))
    assert (status, result.reason, result.answered_images) == (GoalStatus.STATUS_SUCCEEDED, Reason(), 3)
    robot.until(lambda: len(heard) == 3, "the feedback")
    assert len({stamp_of(each.results[0]) for each in heard}) == 3
    for told in heard:
        assert [each.action for each in told.results] == ["hold", "pour"]
        assert PART[0] <= told.results[0].grasps[0].pixel.x < PART[2]
        assert [pixels_of(each).shape for each in told.heatmaps] == [(240, 320)] * 2
    assert [each.header for each in result.results] == [each.header for each in heard[-1].results]
    robot.until(lambda: node._inputs.image.paused, "the end of the subscription")


def test_a_goal_that_waits_is_canceled_at_once(send):
    robot, ask, _ = send
    goal, heard = ask(actions=["hold"], timeout=LONG)
    robot.until(lambda: heard, "feedback", every=lambda: robot.show(scene(hold=PART)))
    canceled = goal.cancel_goal_async()
    robot.until(canceled.done, "the cancellation")
    status, result = finish(robot, goal)
    assert (status, result.reason.code) == (GoalStatus.STATUS_CANCELED, Reason.CANCELED)
    assert result.answered_images == len(heard) and result.results[0].header == heard[-1].results[0].header


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"actions": []}, Reason.NO_ACTIONS),
        ({"actions": ["fly"]}, Reason.UNKNOWN_ACTION),
        ({"actions": ["hold"], "timeout": Duration(sec=-1)}, Reason.INVALID_REQUEST),
        ({"actions": ["hold"], "timeout": Duration(nanosec=1)}, Reason.NO_IMAGE),
    ],
)
def test_a_goal_that_cannot_be_answered_hears_why(send, values, code):
    robot, ask, _ = send
    goal, heard = ask(**values)
    status, result = finish(robot, goal)
    assert (status, result.reason.code) == (GoalStatus.STATUS_ABORTED, code)
    assert result.reason.text and not result.results and not heard


def test_an_image_that_cannot_be_read_is_skipped_and_gives_no_more_time(send, monkeypatch):
    robot, ask, node = send
    times, asking = [], node.requests.ask

    def noting(actions, new_image, timeout, *more, **options):
        times.append(timeout)
        return asking(actions, new_image, timeout, *more, **options)

    monkeypatch.setattr(node.requests, "ask", noting)
    goal, heard = ask(actions=["hold"], max_images=2, timeout=LONG)
    robot.until(lambda: heard, "feedback", every=lambda: robot.show(scene(hold=PART)))
    assert set(times) == {LONG.sec}
    message = raw_image(scene(hold=PART), "rgb8")
    message.encoding = "unheard of"
    robot.told("unheard of", every=lambda: robot.show(message))
    assert 0 < times[-1] < LONG.sec
    status, result = finish(robot, goal, every=lambda: robot.show(scene(hold=PART)))
    assert (status, result.answered_images) == (GoalStatus.STATUS_SUCCEEDED, 2)


@pytest.mark.parametrize("images", [2, 0])
def test_a_stream_ends_with_its_client(start, monkeypatch, images):
    if not images:  # before it was seen to listen
        monkeypatch.setattr(ground_stream, "DISCOVERY_SECONDS", 0.0)
    robot, node = start(outputs=())
    gc.collect()  # clients of other tests
    robot.until(lambda: not node.count_subscribers("/affordance/ground_stream/_action/feedback"), "silence")
    client = ActionClient(robot, GroundStream, "ground_stream")
    _, heard = begin(robot, client, actions=["hold"], timeout=LONG)
    robot.until(lambda: len(heard) >= images, "feedback", every=lambda: robot.show(scene(hold=PART)))
    client.destroy()
    robot.until(lambda: not node.count_subscribers("/affordance/ground_stream/_action/feedback"), "its end")
    robot.until(lambda: not node.requests.waiting, "the end", every=lambda: robot.show(scene(hold=PART)))


def test_at_the_end_of_the_node_every_goal_hears_of_it(send):
    robot, ask, node = send
    goals = [ask(actions=["hold"], timeout=LONG)[0] for _ in range(MAX_QUESTIONS - 1)]
    results = [goal.get_result_async() for goal in goals]
    finish(robot, ask(actions=[])[0])  # so the node has those that were asked for before, too
    node.requests.end()
    node.executor.shutdown(0)
    robot.until(lambda: all(each.done() for each in results), "the results")
    assert {each.result().status for each in results} == {GoalStatus.STATUS_ABORTED}
    assert {each.result().result.reason.code for each in results} == {Reason.CANCELED}
