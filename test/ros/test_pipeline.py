"""Both stages at once: the first goes on while the second is busy, and nothing gets out of order."""

import gc
import os
import random
import threading
import time
import weakref

import pytest
from rclpy.parameter import Parameter

from selcon_ros.core.outputs.image_findings import Findings
from selcon_ros.core.reason import Reason
from selcon_ros.model import Model
from selcon_ros.ros import worker
from selcon_ros.ros.publishers import Publishers
from support.messages import raw_image
from support.ros import calibration, stamp_of
from support.scenes import bar_depth, scene

PART = (200, 48, 232, 144)
TOPICS = ("heatmap", "grasp_pixels")


class Gate:
    """The search for grasp points, which goes through only when the test lets it; counts who has come."""

    def __init__(self, monkeypatch):
        self.come, self.fault = 0, None
        self._go, self._search = threading.Semaphore(0), Findings.grasps
        monkeypatch.setattr(Findings, "grasps", lambda found, action: self._pass(found, action))

    def _pass(self, found, action):
        self.come += 1
        assert self._go.acquire(timeout=120)
        if self.fault is not None:
            raise self.fault
        return self._search(found, action)

    def open(self) -> None:
        self._go.release(1000)


@pytest.fixture
def gate(monkeypatch):
    made = Gate(monkeypatch)
    yield made
    made.open()


def ask(node, *actions, new_image=False):
    return node.executor.create_task(node.requests.ask, actions, new_image, 90.0)


def show(robot):
    return robot.show(scene(hold=PART))


def another_heatmap(robot):
    """Show images until one more has its heatmap; return the last one's stamp, which has its own by then."""
    count, shown = len(robot.heard["heatmap"]), []
    robot.until(
        lambda: len(robot.heard["heatmap"]) > count, "a heatmap", every=lambda: shown.append(show(robot))
    )
    robot.until(lambda: stamp_of(robot.heard["heatmap"][-1]) == shown[-1], "the last image's heatmap")
    return shown[-1]


def busy(start, gate, **options):
    """A node whose second stage is in the search for grasp points of one frame."""
    # No depth is sent, and none waited for.
    robot, node = start(**{"outputs": TOPICS, "action": "hold", "sync_wait": 0.0, **options})
    robot.until(lambda: gate.come, "the search", every=lambda: show(robot))
    robot.spin(0.5)
    return robot, node


def test_the_first_stage_goes_on_and_the_newest_frame_is_next(start, gate):
    robot, _ = busy(start, gate)
    first = stamp_of(robot.heard["heatmap"][0])
    newest = [another_heatmap(robot) for _ in range(5)][-1]
    assert gate.come == 1 and not robot.heard["grasp_pixels"]
    count = len(robot.heard["heatmap"])
    gate.open()
    robot.until(lambda: len(robot.heard["grasp_pixels"]) == 2, "two results")
    robot.spin(0.5)
    assert [stamp_of(each) for each in robot.heard["grasp_pixels"]] == [first, newest]
    robot.until(lambda: robot.facts()["answered_images"] == "2", "the count")
    facts = {name: int(robot.facts()[f"{name}_images"]) for name in ("received", "dropped", "superseded")}
    assert facts["superseded"] == count - 2 >= 4
    assert facts["received"] == facts["dropped"] + count


def test_where_nobody_hears_heatmaps_no_image_is_grounded_that_would_be_superseded(start, gate, monkeypatch):
    grounded = []
    ground = Model.ground
    monkeypatch.setattr(Model, "ground", lambda *a: grounded.append(1) or ground(*a))
    robot, _ = busy(start, gate, outputs=("grasp_pixels",))
    for _ in range(5):
        newest = show(robot)
        robot.spin(0.2)
    assert gate.come == 1 and len(grounded) == 2  # the second waits for the second stage
    gate.open()
    robot.until(lambda: len(robot.heard["grasp_pixels"]) == 3, "three results")
    assert len(grounded) == 3 and stamp_of(robot.heard["grasp_pixels"][-1]) == newest
    assert robot.facts()["superseded_images"] == "0"


def test_whatever_is_slow_results_keep_the_order_of_images(start, monkeypatch):
    """Heatmap before grasp points of each image, and never an older image after a newer one."""
    slow, log = random.Random(7), []
    for kind, name in ((Findings, "grasps"), (Model, "ground")):
        original = getattr(kind, name)

        def slowly(*arguments, original=original):
            time.sleep(slow.choice((0.0, 0.0, 0.03, 0.1)))
            return original(*arguments)

        monkeypatch.setattr(kind, name, slowly)
    for name in ("heatmap", "grasps"):
        original = getattr(Publishers, name)

        def logged(*arguments, name=name, original=original):
            log.append((name, arguments[3].stamp.sec))
            return original(*arguments)

        monkeypatch.setattr(Publishers, name, logged)
    robot, _ = start(outputs=TOPICS, action="hold", sync_wait=0.0)
    robot.until(lambda: sum(name == "grasps" for name, _ in log) > 20, "20 results", lambda: show(robot))
    for name in ("heatmap", "grasps"):
        stamps = [stamp for kind, stamp in log if kind == name]
        assert stamps == sorted(set(stamps))
    for at, (kind, stamp) in enumerate(log):
        assert kind == "heatmap" or ("heatmap", stamp) in log[:at]


def test_a_question_is_answered_from_the_image_that_replaces_its_own(start, gate):
    robot, node = busy(start, gate)
    task = ask(node, "pour", new_image=True)
    robot.spin(0.3)
    replaced = another_heatmap(robot)
    newest = another_heatmap(robot)
    assert not task.done() and newest > replaced
    gate.open()
    robot.until(task.done, "the answer")
    assert task.result().header.stamp.sec == newest and task.result().found[0].action == "pour"


def test_a_question_about_an_image_whose_results_still_wait_loses_neither(start, gate):
    robot, node = busy(start, gate)
    newest = another_heatmap(robot)
    task = ask(node, "hold")
    robot.spin(0.5)
    gate.open()
    robot.until(lambda: task.done() and len(robot.heard["grasp_pixels"]) == 2, "answer and result")
    assert task.result().header.stamp.sec == stamp_of(robot.heard["grasp_pixels"][-1]) == newest
    assert robot.facts()["superseded_images"] == str(len(robot.heard["heatmap"]) - 2)
    # What was published is not published again for a question about it.
    again = ask(node, "hold")
    robot.until(again.done, "the second answer")
    robot.spin(0.5)
    assert again.result().header == task.result().header
    assert len({stamp_of(each) for each in robot.heard["heatmap"]}) == len(robot.heard["heatmap"])
    assert len(robot.heard["grasp_pixels"]) == 2


def test_an_image_is_not_grounded_for_a_question_that_another_answers_already(start, gate, monkeypatch):
    grounded = []
    ground = Model.ground
    monkeypatch.setattr(Model, "ground", lambda *a: grounded.append(1) or ground(*a))
    robot, node = start(outputs=())
    task = ask(node, "hold", new_image=True)
    robot.until(lambda: gate.come, "the search", every=lambda: show(robot))
    count = len(grounded)
    for _ in range(3):
        show(robot)
        robot.spin(0.2)
    assert len(grounded) == count and not task.done()
    gate.open()
    robot.until(task.done, "the answer")


def test_a_bad_image_refuses_no_question_that_a_good_one_before_it_answers(start, gate):
    robot, node = busy(start, gate)
    task = ask(node, "hold", new_image=True)
    robot.spin(0.3)
    good = another_heatmap(robot)
    bad = raw_image(scene(), "rgb8")
    bad.encoding = "holographic"
    robot.told("holographic", every=lambda: robot.show(bad))
    assert not task.done()
    gate.open()
    robot.until(task.done, "the answer")
    assert task.result().header.stamp.sec == good


def test_deactivated_neither_stage_publishes_anything_more(start, gate):
    robot, node = busy(start, gate)
    another_heatmap(robot)  # its frame waits for the second stage
    node.deactivate()
    robot.until(lambda: robot.facts()["state"].startswith("inactive"), "the end")
    heatmaps = len(robot.heard["heatmap"])
    gate.open()
    show(robot)
    robot.spin(0.5)
    # The frame that was in work is given up, and the one that waited is not even begun.
    assert gate.come == 1 and not robot.heard["grasp_pixels"] and len(robot.heard["heatmap"]) == heatmaps
    node.activate()
    robot.answer("grasp_pixels", scene(hold=PART))


def test_a_failure_in_the_second_stage_is_told_and_the_first_goes_on(start, gate):
    robot, node = busy(start, gate)
    gate.fault = RuntimeError("no hand")
    task = ask(node, "hold", new_image=True)
    gate.open()
    robot.told("results: RuntimeError: no hand", every=lambda: show(robot))
    robot.until(task.done, "the refusal", every=lambda: show(robot))
    assert task.result().reason == Reason.FAILED and "no hand" in task.result().text
    another_heatmap(robot)
    assert "no hand" in robot.problems() and "model:" not in robot.problems()
    gate.fault = None
    robot.answer("grasp_pixels", scene(hold=PART))
    robot.until(lambda: "no hand" not in robot.problems(), "recovery", every=lambda: show(robot))


def test_actions_that_change_between_the_stages_are_answered_and_those_before_no_more(start, gate):
    robot, _ = busy(start, gate, outputs=(*TOPICS, "status"))
    another_heatmap(robot)
    count = len(robot.heard["heatmap"])
    robot.say("pour")
    robot.until(lambda: len(robot.heard["heatmap"]) > count, "the heatmap of the new action")
    gate.open()
    robot.until(lambda: robot.heard["status"], "a result")
    robot.spin(0.5)
    told = [{each.key: each.value for each in heard.status[0].values} for heard in robot.heard["status"]]
    assert {each["action"] for each in told} == {"pour"} and len(robot.heard["grasp_pixels"]) == len(told)


def test_parameters_that_change_between_the_stages_hold_from_the_next_image_on(start, gate):
    robot, node = start(outputs=("heatmap", "markers"), action="hold", marker_lifetime=3.0)
    image, depth = scene(hold=PART), bar_depth(320, 240, PART)

    def show_all():
        robot.show(image, depth, calibration())

    robot.until(lambda: gate.come, "the search", every=show_all)
    count = len(robot.heard["heatmap"])
    robot.until(lambda: len(robot.heard["heatmap"]) > count, "a frame that waits", every=show_all)
    robot.spin(0.5)
    assert node.set_parameters([Parameter("marker_lifetime", value=7.0)])[0].successful
    gate.open()
    robot.until(lambda: len(robot.heard["markers"]) == 2, "the markers of both")
    assert [each.markers[-1].lifetime.sec for each in robot.heard["markers"]] == [3, 3]
    robot.answer(
        "markers", image, depth, calibration(), fits=lambda heard: heard.markers[-1].lifetime.sec == 7
    )


def test_three_frames_are_alive_at_most(start, gate, monkeypatch):
    alive, ground = weakref.WeakSet(), Model.ground

    def remembered(*arguments):
        alive.add(found := ground(*arguments))
        return found

    monkeypatch.setattr(Model, "ground", remembered)
    robot, _ = busy(start, gate)
    for _ in range(4):
        another_heatmap(robot)
        gc.collect()
        assert len(alive) <= 3
    gate.open()
    robot.until(lambda: len(robot.heard["grasp_pixels"]) == 2, "the results")
    gc.collect()
    assert len(alive) == 1


def test_the_end_waits_for_the_second_stage_too_but_not_for_ever(start, gate, monkeypatch):
    _, node = busy(start, gate)
    monkeypatch.setattr(worker, "CLOSE_SECONDS", 0.1)
    assert not node.close()
    gate.open()
    monkeypatch.setattr(worker, "CLOSE_SECONDS", 60.0)
    assert node.close()
    assert not {each.name for each in threading.enumerate()} & {"grounding", "results"}


def test_both_threads_keep_to_the_cores_of_the_parameter(start):
    one = min(os.sched_getaffinity(0))
    robot, _ = start(outputs=("overlay",), action="hold", cores=str(one))
    robot.answer("overlay", scene(hold=PART))
    threads = {each.name: each.native_id for each in threading.enumerate()}
    for name in ("grounding", "results"):
        assert os.sched_getaffinity(threads[name]) == {one}
