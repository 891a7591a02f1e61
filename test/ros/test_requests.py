"""Requests to a running node: each is answered from an image, or hears why not."""

import math
import threading

import numpy as np
import pytest
from rclpy.parameter import Parameter

from selcon_ros.core.grasps.grasp_result import Refusal
from selcon_ros.core.reason import Reason
from selcon_ros.model import load
from selcon_ros.ros.answers import Answer
from selcon_ros.ros.questions import MAX_QUESTIONS
from support.messages import raw_image
from support.ros import calibration, stamp_of
from support.scenes import bar_depth, scene

PART = (200, 48, 232, 144)


def ask(node, *actions, new_image=False, timeout=60.0, heatmaps=False):
    """A request, which the node's executor runs as it does a service's callback."""
    return node.executor.create_task(node.requests.ask, actions, new_image, timeout, heatmaps)


def answer(robot, task, every=None) -> Answer | Refusal:
    robot.until(task.done, "the answer", every)
    return task.result()


def reason(robot, task, every=None) -> Reason:
    found = answer(robot, task, every)
    assert isinstance(found, Refusal) and found.text
    return found.reason


def test_without_listeners_images_are_taken_for_a_request_alone(start):
    robot, node = start(outputs=())
    robot.until(lambda: robot.image.get_subscription_count() == 0, "rest")
    image, depth = scene(hold=PART), bar_depth(320, 240, PART)
    show = lambda: robot.show(image, depth, calibration())  # noqa: E731
    found = answer(robot, ask(node, "Hold", "pour,hold", new_image=True, heatmaps=True), every=show)
    assert [each.action for each in found.found] == ["hold", "pour"] and found.size == (240, 320)
    hold, pour = found.found
    assert hold.confidence > 0.9 > 0.1 > pour.confidence
    assert hold.grasps.points[0].position[2] == pytest.approx(0.76, abs=0.002)
    assert [each.reason for each in pour.grasps.refused] == [Reason.LOW_CONFIDENCE]
    v, u = np.unravel_index(hold.heatmap.values.argmax(), (240, 320))
    assert PART[0] <= u < PART[2] and PART[1] <= v < PART[3]
    assert found.times.inference > 0 and found.times.grasping >= 0
    robot.until(lambda: robot.image.get_subscription_count() == 0, "rest again")
    assert not robot.heard["heatmap"] and robot.facts()["action"] == "none"


def test_a_first_image_without_its_depth_is_not_the_one_that_answers(start):
    robot, node = start(outputs=(), sync_wait=0.02)
    robot.until(lambda: robot.image.get_subscription_count() == 0, "rest")
    image = scene(hold=PART)
    depths = iter([None, None])

    def show() -> None:
        if robot.image.get_subscription_count():
            robot.show(image, next(depths, bar_depth(320, 240, PART)), calibration())

    (hold,) = answer(robot, ask(node, "hold"), every=show).found
    assert hold.grasps.points[0].position[2] == pytest.approx(0.76, abs=0.002)


def test_a_first_image_before_any_calibration_is_not_the_one_that_answers(start):
    """Some cameras send their calibration with the images alone."""
    robot, node = start(outputs=())
    robot.until(lambda: robot.image.get_subscription_count() == 0, "rest")
    image, depth = scene(hold=PART), bar_depth(320, 240, PART)
    infos = iter([None, None])

    def show() -> None:
        if robot.image.get_subscription_count():
            robot.show(image, depth, next(infos, calibration()))

    (hold,) = answer(robot, ask(node, "hold"), every=show).found
    assert hold.grasps.points[0].position[2] == pytest.approx(0.76, abs=0.002)


def test_where_no_calibration_comes_the_answer_is_in_pixels(start):
    robot, node = start(outputs=())
    robot.until(lambda: robot.image.get_subscription_count() == 0, "rest")
    show = lambda: robot.show(scene(hold=PART), bar_depth(320, 240, PART))  # noqa: E731
    (hold,) = answer(robot, ask(node, "hold", timeout=3600.0), every=show).found
    (point,) = hold.grasps.points
    assert (point.position, point.reason) == (None, Reason.NO_CAMERA)


@pytest.mark.parametrize(("timeout", "images"), [(1.0, 99), (3600.0, 99), (3600.0, 1)])
def test_where_no_depth_comes_the_answer_is_in_pixels(start, timeout, images):
    """At the request's end, or two seconds after subscribing, also where no other image comes."""
    robot, node = start(outputs=(), sync_wait=0.02)
    robot.until(lambda: robot.image.get_subscription_count() == 0, "rest")
    left = iter(range(images))

    def show() -> None:
        if robot.image.get_subscription_count() and next(left, None) is not None:
            robot.show(scene(hold=PART), info=calibration())

    (hold,) = answer(robot, ask(node, "hold", timeout=timeout), every=show).found
    (point,) = hold.grasps.points
    assert (point.position, point.reason) == (None, Reason.NO_DEPTH)


def test_the_newest_image_answers_at_once_and_a_new_one_is_waited_for(start):
    robot, node = start(outputs=("heatmap",), action="hold")
    robot.answer("heatmap", scene(hold=PART))
    robot.spin(0.5)  # whatever was sent again is answered
    newest = stamp_of(robot.heard["heatmap"][-1])
    for _ in range(2):
        found = answer(robot, ask(node, "hold"))
        assert found.header.stamp.sec == newest and found.found[0].heatmap is None
    late = ask(node, "hold", new_image=True)
    robot.spin(0.3)
    assert not late.done()
    found = answer(robot, late, every=lambda: robot.show(scene(hold=PART)))
    assert found.header.stamp.sec > newest


def test_what_cannot_be_answered(start):
    robot, node = start(outputs=())
    assert reason(robot, ask(node)) == Reason.NO_ACTIONS
    assert reason(robot, ask(node, "", " , ")) == Reason.NO_ACTIONS
    unknown = answer(robot, ask(node, "hold", "fly"))
    assert unknown.reason == Reason.UNKNOWN_ACTION and "'fly'" in unknown.text
    for timeout in (-1.0, 3601.0, math.nan, math.inf, -math.inf):
        assert reason(robot, ask(node, "hold", timeout=timeout)) == Reason.INVALID_REQUEST
    assert reason(robot, ask(node, "hold", timeout=0.2)) == Reason.NO_IMAGE
    assert node.set_parameters([Parameter("request_timeout", value=0.1)])[0].successful
    assert answer(robot, ask(node, "hold", timeout=0.0)).text.endswith("within 0.1 s of the request")
    none = raw_image(scene(), "rgb8")
    none.encoding = "holographic"
    bad = answer(robot, ask(node, "hold"), every=lambda: robot.show(none))
    assert bad.reason == Reason.BAD_IMAGE and "holographic" in bad.text
    found = answer(robot, ask(node, "*", new_image=True), every=lambda: robot.show(scene(hold=PART)))
    assert len(found.found) == 3


def test_the_newest_image_may_be_too_old(start):
    robot, node = start(outputs=(), max_frame_age=0.2)
    answer(robot, ask(node, "hold"), every=lambda: robot.show(scene(hold=PART)))
    robot.spin(0.5)
    assert reason(robot, ask(node, "hold", timeout=0.3)) == Reason.OLD_IMAGE
    assert reason(robot, ask(node, "hold", new_image=True, timeout=0.3)) == Reason.TIMEOUT


def test_more_than_a_hundred_at_once(start):
    robot, node = start(outputs=())
    tasks = [ask(node, "hold", new_image=True) for _ in range(MAX_QUESTIONS + 20)]
    robot.until(lambda: sum(each.done() for each in tasks) == 20, "refusals")
    robot.until(
        lambda: all(each.done() for each in tasks), "answers", every=lambda: robot.show(scene(hold=PART))
    )
    found = [each.result() for each in tasks]
    assert sum(isinstance(each, Answer) for each in found) == MAX_QUESTIONS
    refused = [each for each in found if isinstance(each, Refusal)]
    assert {each.reason for each in refused} == {Reason.TOO_MANY_REQUESTS}


def test_a_model_that_fails_or_is_not_there_yet(start):
    go = threading.Event()

    def building(path, backend, precision, cpu, gpu, warm_up, fall_back):
        while not go.wait(0.02):
            gpu.progress("timing kernels", 0.42)
        model = load(path, backend, precision, cpu, gpu, warm_up, fall_back)
        model.backend.run = failing
        return model

    def failing(frames):
        raise MemoryError("no more")

    robot, node = start(outputs=(), open_model=building)
    told = answer(robot, ask(node, "hold"))
    assert told.reason == Reason.MODEL_NOT_READY and "timing kernels, 42 %" in told.text
    go.set()
    robot.until(lambda: robot.facts()["state"].startswith("waiting for an action"), "the model")
    show = lambda: robot.show(scene(hold=PART))  # noqa: E731
    failed = answer(robot, ask(node, "hold", new_image=True), every=show)
    assert failed.reason == Reason.FAILED and "no more" in failed.text


def test_at_the_end_of_the_node_what_waits_is_refused(start):
    robot, node = start(outputs=())
    waiting = ask(node, "hold")
    robot.spin(0.2)
    assert not waiting.done()
    node.requests.end()
    assert waiting.done() and waiting.result().reason == Reason.CANCELED
    assert reason(robot, ask(node, "hold")) == Reason.CANCELED
