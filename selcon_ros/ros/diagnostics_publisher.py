"""Publishes /diagnostics every now and then, whatever the node's state and the ROS clock are."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node

from selcon_ros.ros.clock import STEADY_CLOCK, ClockWatch
from selcon_ros.ros.diagnostics import Health, status
from selcon_ros.ros.inputs import Input, overrides_of_nothing
from selcon_ros.ros.namesakes import NamesakeWatch
from selcon_ros.ros.node_parameters import unknown_overrides
from selcon_ros.ros.parameter_files import files_for_others

LASTING_SOURCES = ("parameters", "parameter file", "QoS overrides")
"""Sources of problems that last as long as the node."""


class DiagnosticsPublisher:
    """Looks at the node's surroundings, and publishes its problems, its facts and what it is doing."""

    def __init__(
        self, node: Node, health: Health, period: float, facts: Callable[[], dict[str, str]]
    ) -> None:
        """Begin with the executor.

        `facts` looks at whatever the node watches, and returns what there is to tell.
        """
        self._node, self._health, self._facts = node, health, facts
        self._clock_watch, self._namesakes = ClockWatch(node, health), NamesakeWatch(node, health)
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", 10)
        node.create_timer(period, self._publish, clock=STEADY_CLOCK)

    def report_lasting(self, inputs: Iterable[Input]) -> None:
        """Report what was given at start and has no effect."""
        found = (
            unknown_overrides(self._node),
            files_for_others(sys.argv, self._node.get_fully_qualified_name()),
            overrides_of_nothing(self._node, inputs),
        )
        for source, said in zip(LASTING_SOURCES, found, strict=True):
            if said:
                self._health.problem(source, said)

    def _publish(self) -> None:
        facts = self._facts()
        self._clock_watch.look()
        self._namesakes.look()
        self._health.settle()
        node_status = status(self._node.get_fully_qualified_name(), facts["model"], self._health, facts)
        message = DiagnosticArray(status=[node_status])
        message.header.stamp = self._clock_watch.stamp()
        self._publisher.publish(message)


def state_of(loading: str | None, active: bool, actions: str | None, asked: bool, topic: str) -> str:
    """What the node is doing, for people.

    `loading` is what is being done until the model can be run, "" from then on, and None without a model.
    `actions` are the current ones, "" for none, and None if there are some, and nobody subscribes to an
    output. `asked` says that requests are being answered. Actions are received on `topic`.
    """
    if loading is None:
        return "unconfigured: waits for the transition configure"
    if loading:
        return loading
    if not active:
        return "inactive: waits for the transition activate"
    if actions:
        return f"answering {actions}"
    if asked:
        return "answering requests"
    return f"waiting for an action on {topic}" if actions == "" else "resting: nobody subscribes to an output"
