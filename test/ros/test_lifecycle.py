"""The node under a lifecycle manager: what transitions take and give back, and how their errors end."""

import threading
from operator import attrgetter

import pytest
from lifecycle_msgs.msg import State, Transition
from rcl_interfaces.srv import GetParameters
from rclpy.parameter import Parameter
from visualization_msgs.msg import Marker

from selcon_ros.core.reason import Reason
from selcon_ros.model import load
from support.bundles import colour_bundle
from support.lifecycle import ACTIVATE, CLEANUP, CONFIGURE, DEACTIVATE, Manager
from support.ros import Robot, calibration, context, running_node
from support.scenes import bar_depth, scene

PART = (200, 48, 232, 144)
INPUTS = ("image", "depth", "info", "action")


def subscribed(robot) -> list[int]:
    return [getattr(robot, name).get_subscription_count() for name in INPUTS]


def worker_threads() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name in ("grounding", "results")]


def test_by_default_the_node_is_active_at_once(start):
    robot, _ = start(outputs=("heatmap",), action="hold")
    assert Manager(robot).now == State.PRIMARY_STATE_ACTIVE
    robot.answer("heatmap", scene(hold=PART))


def test_configure_loads_activate_subscribes_deactivate_and_cleanup_give_back(managed):
    robot, node, manager = managed(action="hold")
    assert manager.now == State.PRIMARY_STATE_UNCONFIGURED and not worker_threads()
    robot.until(lambda: robot.facts()["state"].startswith("unconfigured"), "the state")
    robot.until(lambda: subscribed(robot) == [0, 0, 0, 0], "no subscriptions")

    assert manager(CONFIGURE) and manager.now == State.PRIMARY_STATE_INACTIVE
    assert worker_threads() and subscribed(robot) == [0, 0, 0, 0]
    robot.until(lambda: robot.facts()["state"].startswith("inactive"), "the state")
    assert robot.facts()["model"] == "colours" and robot.facts()["engine"].startswith("ONNX")

    assert manager(ACTIVATE) and manager.now == State.PRIMARY_STATE_ACTIVE
    robot.until(lambda: subscribed(robot) == [1, 1, 1, 1], "subscriptions")
    robot.answer_in_3d(scene(hold=PART), bar_depth(320, 240, PART), calibration())

    assert manager(DEACTIVATE) and manager.now == State.PRIMARY_STATE_INACTIVE
    robot.until(lambda: subscribed(robot) == [0, 0, 0, 0], "no subscriptions")
    robot.until(
        lambda: [each.action for each in robot.heard["markers"][-1].markers] == [Marker.DELETEALL],
        "cleared markers",
    )
    count = len(robot.heard["heatmap"])
    robot.show(scene(hold=PART))
    robot.spin(0.5)
    assert len(robot.heard["heatmap"]) == count and node.get_parameter("action").value == "hold"
    robot.until(lambda: robot.problems().startswith("inactive"), "no complaint")

    assert manager(CLEANUP) and manager.now == State.PRIMARY_STATE_UNCONFIGURED
    assert not worker_threads()
    assert manager(CONFIGURE) and manager(ACTIVATE)
    robot.answer("heatmap", scene(hold=PART))


def test_model_backend_and_action_change_between_cleanup_and_configure(managed, tmp_path, bundle):
    robot, node, manager = managed(outputs=("heatmap",))
    assert manager(CONFIGURE)
    other = Parameter("bundle", value=str(colour_bundle(tmp_path / "other")))
    refused = node.set_parameters([other])[0]
    assert not refused.successful
    assert refused.reason == "parameter bundle is in use: deactivate and clean up the node, then set it"
    assert node.set_parameters([Parameter("bundle", value=str(bundle))])[0].successful  # it is that already
    assert manager(CLEANUP)
    assert node.set_parameters([other, Parameter("action", value="fly")])[0].successful
    assert not manager(CONFIGURE) and manager.now == State.PRIMARY_STATE_UNCONFIGURED
    robot.told("lifecycle: configure: parameter action: unknown action 'fly'")
    changed = [Parameter("action", value="pour"), Parameter("backend", value="torch")]
    assert all(each.successful for each in node.set_parameters(changed))
    assert manager(CONFIGURE) and manager(ACTIVATE)
    robot.answer("heatmap", scene(pour=PART))
    assert node._loader.path == tmp_path / "other"
    # It runs torch, or says why it does not: without a GPU.
    robot.until(lambda: "torch" in robot.facts()["engine_choice"], "the other backend")
    robot.until(lambda: "lifecycle" not in robot.problems(), "no complaint")


def test_a_model_that_cannot_be_opened_is_told_and_configure_works_then(managed, tmp_path, bundle):
    robot, node, manager = managed(bundle=tmp_path / "none")
    assert not manager(CONFIGURE) and manager.now == State.PRIMARY_STATE_UNCONFIGURED
    robot.told("lifecycle: configure: ")
    assert str(tmp_path / "none") in robot.problems() and not worker_threads()
    assert node.set_parameters([Parameter("bundle", value=str(bundle))])[0].successful
    assert manager(CONFIGURE)
    robot.until(lambda: robot.problems().startswith("inactive"), "no complaint")


@pytest.mark.parametrize("locked", ["bundle, engine_cache", "*"])
def test_paths_that_are_read_only_cannot_be_changed_in_any_state(managed, tmp_path, locked):
    _, node, manager = managed(read_only_parameters=locked)
    for _ in range(2):
        for name in ("bundle", "engine_cache"):
            assert not node.set_parameters([Parameter(name, value=str(tmp_path))])[0].successful
        assert manager(CONFIGURE) and manager(CLEANUP)


class Moody:
    """Opens models as the node does, when it is told to, or fails."""

    def __init__(self):
        self.go, self.fault = threading.Event(), None

    def __call__(self, path, backend, precision, cpu, gpu, warm_up, fall_back):
        while not self.go.wait(0.02):
            gpu.progress("timing kernels", 0.42)
        if self.fault is not None:
            raise self.fault
        return load(path, backend, precision, cpu, gpu, warm_up, fall_back)


def test_while_the_model_is_opened_services_and_parameters_are_answered(managed):
    opener = Moody()
    robot, node, manager = managed(open_model=opener)
    parameters = robot.create_client(GetParameters, "grounding/get_parameters")
    robot.until(parameters.service_is_ready, "the parameters")
    asked = manager.begin(CONFIGURE)
    robot.until(lambda: "timing kernels, 42 %" in robot.facts()["state"], "building")
    got = parameters.call_async(GetParameters.Request(names=["threshold"]))
    robot.until(got.done, "a parameter")
    assert manager.now == State.TRANSITION_STATE_CONFIGURING and not manager(CONFIGURE)
    refused = refusal(robot, node, ["hold"])
    assert refused.reason == Reason.MODEL_NOT_READY and "timing kernels, 42 %" in refused.text
    assert not asked.done()
    opener.go.set()
    robot.until(asked.done, "the transition")
    assert asked.result().success and manager.now == State.PRIMARY_STATE_INACTIVE


@pytest.mark.parametrize("fault", [RuntimeError("no more memory"), MemoryError()])
def test_an_error_of_a_library_in_a_transition_is_told(managed, fault):
    opener = Moody()
    opener.fault = fault
    opener.go.set()
    robot, _, manager = managed(open_model=opener)
    assert not manager(CONFIGURE) and manager.now == State.PRIMARY_STATE_UNCONFIGURED
    robot.told(f"lifecycle: configure: {type(fault).__name__}")
    opener.fault = None
    assert manager(CONFIGURE) and manager(ACTIVATE)


@pytest.mark.parametrize(
    ("part", "broken", "transitions"),
    [
        ("_inputs", "subscribe", (CONFIGURE, ACTIVATE)),
        ("_inputs", "unsubscribe", (CONFIGURE, ACTIVATE, DEACTIVATE)),
        ("_bond", "form", (CONFIGURE, ACTIVATE)),
        ("_bond", "break_off", (CONFIGURE, ACTIVATE, DEACTIVATE)),
    ],
)
def test_an_error_in_activate_or_deactivate_ends_unconfigured(
    managed, monkeypatch, part, broken, transitions
):
    robot, node, manager = managed(outputs=("heatmap",), action="hold")
    with monkeypatch.context() as patch:
        patch.setattr(getattr(node, part), broken, lambda: 1 / 0)
        assert [manager(each) for each in transitions] == [True] * (len(transitions) - 1) + [False]
    assert manager.now == State.PRIMARY_STATE_UNCONFIGURED and not worker_threads()
    if broken != "unsubscribe":
        robot.until(lambda: subscribed(robot) == [0, 0, 0, 0], "no subscriptions")
    robot.told("activate: ZeroDivisionError: division by zero")
    assert manager(CONFIGURE) and manager(ACTIVATE)
    robot.answer("heatmap", scene(hold=PART))


@pytest.mark.parametrize("part", ["_images", "_pipeline.between"])
def test_a_worker_that_fails_under_a_manager_ends_unconfigured(managed, monkeypatch, part):
    robot, node, manager = managed(outputs=("heatmap",), action="hold")
    assert manager(CONFIGURE) and manager(ACTIVATE)
    with monkeypatch.context() as patch:
        patch.setattr(attrgetter(part)(node), "take", lambda: 1 / 0)
        said = "lifecycle: active: ZeroDivisionError: division by zero"
        robot.told(said, every=lambda: robot.show(scene(hold=PART)))  # the thread waits in the real `take`
    robot.until(lambda: not worker_threads(), "the end of the worker")
    robot.until(lambda: manager.now == State.PRIMARY_STATE_UNCONFIGURED, "the state")
    robot.until(lambda: subscribed(robot) == [0, 0, 0, 0], "no subscriptions")
    assert manager(CONFIGURE) and manager(ACTIVATE)
    robot.answer("heatmap", scene(hold=PART))
    robot.until(lambda: "lifecycle" not in robot.problems(), "the problem to be over")


def test_a_worker_that_has_failed_cannot_be_activated(managed):
    robot, node, manager = managed(outputs=("heatmap",), action="hold")
    assert manager(CONFIGURE)
    node._loader.fail(RuntimeError("no more memory"))
    assert not manager(ACTIVATE) and manager.now == State.PRIMARY_STATE_UNCONFIGURED
    robot.told("lifecycle: activate: RuntimeError: no more memory")
    assert manager(CONFIGURE) and manager(ACTIVATE)
    robot.answer("heatmap", scene(hold=PART))


def test_a_node_that_is_not_active_is_not_broken_down(managed):
    robot, node, manager = managed(outputs=("heatmap",), action="hold")
    assert manager(CONFIGURE)
    node.break_down(RuntimeError("too early"))
    robot.until(lambda: node._broken is None, "the refusal")
    assert manager.now == State.PRIMARY_STATE_INACTIVE
    assert manager(ACTIVATE) and manager(DEACTIVATE)


def refusal(robot, node, actions):
    asked = node.executor.create_task(node.requests.ask, actions, False, 30.0)
    robot.until(asked.done, "the answer")
    return asked.result()


def test_requests_are_refused_while_the_node_is_not_active(managed):
    robot, node, manager = managed(outputs=())

    def reason(actions=("hold",)):
        return refusal(robot, node, actions).reason

    assert reason() == Reason.INACTIVE and reason(()) == Reason.NO_ACTIONS
    assert manager(CONFIGURE)
    assert reason() == Reason.INACTIVE
    assert manager(ACTIVATE)
    waiting = node.executor.create_task(node.requests.ask, ["hold"], True, 30.0)
    robot.until(lambda: node.requests.waiting, "the request")
    assert manager(DEACTIVATE)
    robot.until(waiting.done, "the answer")
    assert waiting.result().reason == Reason.INACTIVE and reason() == Reason.INACTIVE


def test_a_node_that_is_destroyed_leaves_the_ros_graph(bundle):
    with context() as ours, context() as its:
        watch = Robot(ours, ())
        with running_node(its, bundle):
            watch.until(lambda: "grounding" in watch.get_node_names(), "the node")
        watch.until(lambda: "grounding" not in watch.get_node_names(), "its end")
        watch.destroy_node()


def test_shutdown_gives_everything_back(managed):
    robot, _, manager = managed(outputs=())
    assert manager(CONFIGURE) and manager(ACTIVATE)
    assert manager(Transition.TRANSITION_ACTIVE_SHUTDOWN)
    assert manager.now == State.PRIMARY_STATE_FINALIZED and not worker_threads()
    robot.until(lambda: subscribed(robot) == [0, 0, 0, 0], "no subscriptions")
