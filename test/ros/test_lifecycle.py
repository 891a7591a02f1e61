"""The node under a lifecycle manager: what transitions take and give back, and how their errors end."""

import sys
import threading

import pytest
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.srv import GetParameters
from rclpy.parameter import Parameter
from visualization_msgs.msg import Marker

from selcon_ros.core.reason import Reason
from selcon_ros.model import load
from support.bundles import colour_bundle
from support.ros import Robot, calibration, context, running_node
from support.scenes import bar_depth, scene

PART = (200, 48, 232, 144)
INPUTS = ("image", "depth", "info", "action")


class Manager:
    """What a lifecycle manager does to the node."""

    def __init__(self, robot):
        self.robot = robot
        self.change = robot.create_client(ChangeState, "grounding/change_state")
        self.state = robot.create_client(GetState, "grounding/get_state")
        for each in (self.change, self.state):
            robot.until(each.service_is_ready, "the lifecycle services")

    def begin(self, transition: int):
        return self.change.call_async(ChangeState.Request(transition=Transition(id=transition)))

    def __call__(self, transition: int) -> bool:
        """Go through a transition, and return whether it went well."""
        asked = self.begin(transition)
        self.robot.until(asked.done, "the transition")
        return asked.result().success

    @property
    def now(self) -> int:
        asked = self.state.call_async(GetState.Request())
        self.robot.until(asked.done, "the state")
        return asked.result().current_state.id


CONFIGURE, ACTIVATE = Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE
DEACTIVATE, CLEANUP = Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_CLEANUP


def subscribed(robot) -> list[int]:
    return [getattr(robot, name).get_subscription_count() for name in INPUTS]


def worker_threads() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name in ("grounding", "results")]


def test_by_default_the_node_is_active_at_once(start):
    robot, _ = start(outputs=("heatmap",), action="hold")
    assert Manager(robot).now == State.PRIMARY_STATE_ACTIVE
    robot.answer("heatmap", scene(hold=PART))


@pytest.fixture
def managed(start):
    """Start a node that waits for its manager, and return robot, node and manager."""

    def begin(**options):
        robot, node = start(autostart=False, connect=False, **options)
        manager = Manager(robot)
        robot.until(lambda: robot.heard["diagnostics"], "diagnostics")
        return robot, node, manager

    return begin


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
    robot, _, manager = managed(load_model=opener)
    parameters = robot.create_client(GetParameters, "grounding/get_parameters")
    robot.until(parameters.service_is_ready, "the parameters")
    asked = manager.begin(CONFIGURE)
    robot.until(lambda: "timing kernels, 42 %" in robot.facts()["state"], "building")
    got = parameters.call_async(GetParameters.Request(names=["threshold"]))
    robot.until(got.done, "a parameter")
    assert manager.now == State.TRANSITION_STATE_CONFIGURING and not manager(CONFIGURE)
    assert not asked.done()
    opener.go.set()
    robot.until(asked.done, "the transition")
    assert asked.result().success and manager.now == State.PRIMARY_STATE_INACTIVE


@pytest.mark.parametrize("fault", [RuntimeError("no more memory"), MemoryError()])
def test_an_error_of_a_library_in_a_transition_is_told(managed, fault):
    opener = Moody()
    opener.fault = fault
    opener.go.set()
    robot, _, manager = managed(load_model=opener)
    assert not manager(CONFIGURE) and manager.now == State.PRIMARY_STATE_UNCONFIGURED
    robot.told(f"lifecycle: configure: {type(fault).__name__}")
    opener.fault = None
    assert manager(CONFIGURE) and manager(ACTIVATE)


@pytest.mark.parametrize(
    ("broken", "transitions"),
    [("subscribe", (CONFIGURE, ACTIVATE)), ("unsubscribe", (CONFIGURE, ACTIVATE, DEACTIVATE))],
)
def test_an_error_in_activate_or_deactivate_ends_unconfigured(managed, monkeypatch, broken, transitions):
    robot, node, manager = managed(outputs=("heatmap",), action="hold")
    with monkeypatch.context() as patch:
        patch.setattr(node._inputs, broken, lambda: 1 / 0)
        assert [manager(each) for each in transitions] == [True] * (len(transitions) - 1) + [False]
    assert manager.now == State.PRIMARY_STATE_UNCONFIGURED and not worker_threads()
    robot.told("activate: ZeroDivisionError: division by zero")
    assert manager(CONFIGURE) and manager(ACTIVATE)
    robot.answer("heatmap", scene(hold=PART))


def test_requests_are_refused_while_the_node_is_not_active(managed):
    robot, node, manager = managed(outputs=())

    def reason(actions=("hold",)):
        asked = node.executor.create_task(node.requests.ask, actions, False, 30.0)
        robot.until(asked.done, "the answer")
        return asked.result().reason

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


@pytest.fixture
def bond(managed):
    """A managed node, its manager, the bond's messages as they come, and how the manager sends one."""
    kind = pytest.importorskip(
        "bond.msg", reason="the message package bond is missing: ros-$ROS_DISTRO-bond"
    ).Status

    def begin(**options):
        robot, _, manager = managed(**options)
        heard = []
        robot.create_subscription(kind, "bond", heard.append, 10)
        sister = robot.create_publisher(kind, "bond", 5)
        robot.until(lambda: sister.get_subscription_count() == 2, "the node's end of the bond")
        return robot, manager, heard, lambda **values: sister.publish(kind(instance_id="manager", **values))

    return begin


def test_an_active_node_sends_heartbeats_to_its_manager(bond):
    robot, manager, heard, _ = bond(bond_heartbeat_period=0.05)
    assert manager(CONFIGURE)
    robot.spin(0.3)
    assert heard == []
    assert manager(ACTIVATE)
    robot.until(lambda: len(heard) > 4, "heartbeats")
    assert {(each.id, each.active) for each in heard} == {("grounding", True)}
    (instance,) = {each.instance_id for each in heard}
    assert heard[0].heartbeat_period == pytest.approx(0.05) and heard[0].header.stamp.sec > 0

    assert manager(DEACTIVATE)
    robot.until(lambda: not heard[-1].active, "the bond's end")
    count = len(heard)
    robot.spin(0.3)
    assert len(heard) == count
    assert manager(ACTIVATE)
    robot.until(lambda: heard[-1].active and heard[-1].instance_id != instance, "another bond")


def test_a_bond_that_the_manager_ends_is_answered_and_the_node_goes_on(bond):
    robot, manager, heard, send = bond(bond_heartbeat_period=0.05)
    assert manager(CONFIGURE) and manager(ACTIVATE)
    send(id="another", active=False)
    robot.until(lambda: sum(each.active for each in heard) > 4, "heartbeats")
    send(id="grounding", active=False)
    robot.until(lambda: heard[-1].instance_id != "manager" and not heard[-1].active, "an answer")
    # A manager that has missed it hears it again.
    count = len(heard)
    send(id="grounding", active=True)
    robot.until(lambda: len(heard) > count + 1, "another answer")
    assert not heard[-1].active and manager.now == State.PRIMARY_STATE_ACTIVE


def test_without_the_package_bond_the_node_says_what_to_do(managed, monkeypatch, capfd):
    monkeypatch.setitem(sys.modules, "bond.msg", None)
    _, _, manager = managed(action="hold")
    assert manager(CONFIGURE) and manager(ACTIVATE) and manager(DEACTIVATE)
    assert "install ros-$ROS_DISTRO-bond, or set the manager's bond_timeout" in capfd.readouterr().err
