"""The worker: the newest image wins, nothing is computed for nobody, one bad image ends nothing."""

import threading

import pytest

from selcon_ros.model import load
from support.ros import calibration, stamp_of
from support.scenes import bar_depth, scene

PART = (200, 48, 232, 144)  # 32 x 96 pixels, upper right
MIDDLE = (215.5, 95.5)
OTHER = (40, 140, 120, 180)


class Slow:
    """A backend that takes as long as the test wants, and counts."""

    def __init__(self, backend):
        self.backend = backend
        self.name, self.runs, self.go = "slow", 0, threading.Semaphore(0)
        self.closed = False

    def run(self, frames):
        self.runs += 1
        assert self.go.acquire(timeout=30)
        return self.backend.run(frames)

    def close(self):
        self.closed = True
        self.backend.close()


def opening(kind, made):
    """Open models as the node does, each backend in one of `kind`, which goes to the list `made`."""

    def opener(*arguments, **options):
        model = load(*arguments, **options)
        made.append(kind(model.backend))
        model.backend = made[0]
        return model

    return opener


def test_the_newest_image_wins_over_a_slow_model(start):
    made = []
    robot, _ = start(outputs=("heatmap",), open_model=opening(Slow, made), action="hold")
    robot.until(lambda: made[0].runs == 1, "the first inference", every=lambda: robot.show(scene(hold=PART)))
    robot.spin(0.3)
    first = int(robot.facts()["received_images"])
    for count in range(first + 1, first + 11):  # ten images and more while the model is busy with the first
        before_last = robot.show(scene(hold=PART))
        robot.until(
            lambda count=count: int(robot.facts()["received_images"]) >= count,
            f"image {count}",
            every=lambda: robot.show(scene(hold=PART)),
        )
    arrived = -1
    while arrived != (now := int(robot.facts()["received_images"])):  # none is still on its way
        arrived = now
        robot.spin(1.0)
    made[0].go.release()
    robot.until(lambda: len(robot.heard["heatmap"]) == 1, "the first answer")
    made[0].go.release()
    robot.until(lambda: len(robot.heard["heatmap"]) == 2, "the second answer")
    robot.spin(0.3)
    assert len(robot.heard["heatmap"]) == 2 and made[0].runs == 2
    assert stamp_of(robot.heard["heatmap"][1]) >= before_last
    facts = robot.facts()
    assert int(facts["dropped_images"]) == int(facts["received_images"]) - 2 >= 9


class Counting(Slow):
    """A backend that only counts."""

    def run(self, frames):
        self.runs += 1
        return self.backend.run(frames)


def test_nothing_is_computed_for_nobody(start, monkeypatch):
    import selcon_ros.core.outputs.image_findings as module
    import selcon_ros.ros.publishers as outputs

    made, drawn, searched = [], [], []
    monkeypatch.setattr(outputs, "draw", lambda *a, draw=outputs.draw, **k: drawn.append(1) or draw(*a, **k))
    monkeypatch.setattr(
        module, "find_grasps", lambda *a, find=module.find_grasps: searched.append(1) or find(*a)
    )
    robot, _ = start(outputs=(), open_model=opening(Counting, made), action="hold")

    def resting() -> None:
        robot.until(lambda: robot.facts()["state"] == "resting: nobody subscribes to an output", "rest")

    resting()
    # Nor is anything received: not even the middleware has a subscriber for it.
    robot.until(lambda: robot.image.get_subscription_count() == 0, "the end of the subscription")
    assert robot.depth.get_subscription_count() == 0 and robot.info.get_subscription_count() == 1

    heatmap = robot.listen("heatmap")
    robot.answer("heatmap", scene(hold=PART))
    assert made[0].runs > 0 and not drawn and not searched
    robot.until(lambda: "not looked for" in robot.facts().get("grasp_notes", ""), "why there are none")

    robot.destroy_subscription(heatmap)
    resting()
    robot.until(lambda: robot.image.get_subscription_count() == 0, "the end of the subscription")
    pixels = robot.listen("grasp_pixels")
    robot.answer("grasp_pixels", scene(hold=PART))
    assert searched and not drawn

    robot.destroy_subscription(pixels)
    resting()
    robot.listen("overlay")
    robot.answer("overlay", scene(hold=PART))
    assert drawn


def test_one_calibration_is_received_for_nobody_and_serves_the_first_listener(start):
    robot, _ = start(outputs=(), action="hold")
    robot.until(
        lambda: robot.info.get_subscription_count() == 0,
        "the end of the subscription",
        every=lambda: robot.info.publish(calibration()),
    )
    robot.listen("grasp_points")
    depth = bar_depth(320, 240, PART)
    poses = robot.answer("grasp_points", scene(hold=PART), depth, fits=lambda answer: answer.poses).poses
    assert poses[0].position.z == pytest.approx(0.76, abs=0.002)
    robot.until(lambda: robot.info.get_subscription_count() == 1, "a subscription to newer ones")
    assert "camera_info" not in robot.problems()


def test_where_ros_does_not_tell_of_listeners_the_node_looks_for_them(start, monkeypatch):
    """Humble's event callbacks know no matched event."""
    import selcon_ros.ros.publishers as publishers

    callbacks = publishers.PublisherEventCallbacks

    def as_in_humble(*, use_default_callbacks):
        return callbacks(use_default_callbacks=use_default_callbacks)

    monkeypatch.setattr(publishers, "PublisherEventCallbacks", as_in_humble)
    robot, _ = start(outputs=(), action="hold")
    robot.until(lambda: robot.image.get_subscription_count() == 0, "the end of the subscription")
    robot.listen("heatmap")
    robot.answer("heatmap", scene(hold=PART))


class Moody(Slow):
    """A backend that fails until it is well."""

    sick = True

    def run(self, frames):
        if self.sick:
            raise MemoryError("no more")
        return self.backend.run(frames)


def test_a_model_that_fails_on_one_image_is_told_and_the_worker_goes_on(start):
    made = []
    robot, _ = start(outputs=("heatmap",), open_model=opening(Moody, made), action="hold")
    robot.told("model: MemoryError: no more", every=lambda: robot.show(scene(hold=PART)))
    made[0].sick = False
    robot.answer("heatmap", scene(hold=PART))
    robot.until(
        lambda: "MemoryError" not in robot.problems(), "recovery", every=lambda: robot.show(scene(hold=PART))
    )


def test_one_pass_answers_every_action_of_an_image(start):
    made = []
    robot, _ = start(outputs=("heatmap",), open_model=opening(Counting, made))
    robot.until(
        lambda: robot.facts()["received_images"] != "0",
        "an image",
        every=lambda: robot.show(scene(hold=PART)),
    )
    robot.spin(0.3)
    for count, action in enumerate(("hold", "pour", "cut_with"), 1):
        robot.say(action)
        robot.until(lambda count=count: len(robot.heard["heatmap"]) == count, f"the answer to {action}")
    assert made[0].runs == 1
