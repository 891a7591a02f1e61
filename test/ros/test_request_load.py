"""A hundred requests a second to a node in a process of its own: each has an answer, or hears why not."""

from pathlib import Path

import pytest
from rcl_interfaces.srv import GetParameters
from rclpy.qos import QoSProfile

from selcon_ros.ros import interfaces

if interfaces.MISSING:
    pytest.skip(
        "selcon_interfaces is not built: python tools/build_interfaces.py, or colcon", allow_module_level=True
    )

from builtin_interfaces.msg import Duration

from selcon_ros.ros.clock import STEADY_CLOCK
from selcon_ros.ros.interfaces import Ground, Reason
from selcon_ros.ros.questions import MAX_QUESTIONS
from support import ros
from support.node_process import node_process
from support.ros import Robot
from support.scenes import scene

PART = (200, 48, 232, 144)
IMAGE = scene(hold=PART)
LONG = Duration(sec=60)
ASKED = (
    {"actions": ["hold"], "timeout": LONG},
    {"actions": ["hold", "pour"], "wait_for_new_image": True, "timeout": LONG, "heatmaps": True},
    {"actions": ["fly"], "timeout": LONG},
    {"actions": ["hold"], "wait_for_new_image": True, "timeout": Duration(nanosec=1)},
)
"""Each in its turn: from the newest image, from a new one, of an unknown action, and without time."""


class Client:
    """Asks a hundred times a second, while a camera sends images."""

    def __init__(self, robot: Robot) -> None:
        self.robot = robot
        self.ground = robot.create_client(Ground, "ground", qos_profile=QoSProfile(depth=MAX_QUESTIONS))
        self.parameters = robot.create_client(GetParameters, "grounding/get_parameters")
        for each in (self.ground, self.parameters):
            robot.until(each.service_is_ready, "the services")

    def ask(self, requests: int) -> list[Ground.Response]:
        """The responses in the order of the requests; parameters are asked for as well."""
        asked, waiting, parameters, meanwhile = [], set(), [], []

        def send() -> None:
            # No more wait than the node keeps, so that none is lost on the way, however slow the machine is.
            if len(asked) == requests or len(waiting) == MAX_QUESTIONS // 2:
                return
            asked.append(future := self.ground.call_async(Ground.Request(**ASKED[len(asked) % len(ASKED)])))
            waiting.add(future)
            future.add_done_callback(waiting.discard)
            if len(asked) % 50 == 1:
                got = self.parameters.call_async(GetParameters.Request(names=["threshold"]))
                got.add_done_callback(lambda _: meanwhile.append(len(asked) < requests))
                parameters.append(got)

        timers = [
            self.robot.create_timer(0.01, send, clock=STEADY_CLOCK),
            self.robot.create_timer(0.1, lambda: self.robot.show(IMAGE), clock=STEADY_CLOCK),
        ]
        self.robot.until(
            lambda: len(asked) == requests and not waiting and all(each.done() for each in parameters),
            "all answers",
        )
        for each in timers:
            self.robot.destroy_timer(each)
        assert any(meanwhile)
        return [each.result() for each in asked]


def status(number: int, name: str) -> int:
    """What Linux says of a process: a number of threads, or of kB."""
    lines = Path(f"/proc/{number}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def test_each_of_a_hundred_requests_a_second_has_its_answer_and_nothing_grows(bundle, tmp_path):
    options = {"bundle": bundle, "threads": 1, "diagnostics_period": 0.1}
    with ros.context() as context, node_process(tmp_path / "log", **options) as node:
        robot, number = Robot(context, ()), node.pid
        robot.connect()
        robot.until(lambda: robot.facts()["state"].startswith("waiting for an action"), "the model")
        client = Client(robot)
        client.ask(60)
        threads, memory = (status(number, each) for each in ("Threads", "VmRSS"))
        responses = client.ask(300)
        assert status(number, "Threads") == threads
        assert status(number, "VmRSS") - memory < 20_000  # kB; the heatmaps sent are 46 MB
        robot.destroy_node()
    newest, new, unknown, hasty = (responses[number :: len(ASKED)] for number in range(len(ASKED)))
    assert {tuple(found.action for found in each.results) for each in newest} == {("hold",)}
    assert {tuple(found.action for found in each.results) for each in new} == {("hold", "pour")}
    assert all(len(each.heatmaps) == 2 for each in new)
    assert {each.reason.code for each in unknown} == {Reason.UNKNOWN_ACTION}
    assert {each.reason.code for each in hasty} <= {Reason.TIMEOUT, Reason.NONE}
    # Without time an image may be the first to answer all the same.
    assert all(bool(each.results) == (each.reason.code == Reason.NONE) for each in responses)
    assert all(each.reason.text for each in responses if each.reason.code)
