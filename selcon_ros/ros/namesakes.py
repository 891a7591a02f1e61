"""A second node of the same name: ROS does not refuse it, but both take the same topics and parameters."""

from __future__ import annotations

import time

from rclpy.node import Node

from selcon_ros.ros.diagnostics import Health

PROBLEM_SOURCE = "node name"
LINGERING_SECONDS = 3.0
"""Seconds for which a node that has just ended may be seen."""


class NamesakeWatch:
    """Looks in the ROS graph for other nodes of this node's full name."""

    def __init__(self, node: Node, health: Health) -> None:
        self._node, self._health = node, health
        self._alone = time.monotonic()

    def look(self) -> None:
        """Report others of this name, or that there are none any more."""
        name, now = self._node.get_fully_qualified_name(), time.monotonic()
        graph = self._node.get_node_names_and_namespaces()
        others = sum(f"{namespace.rstrip('/')}/{each}" == name for each, namespace in graph) - 1
        if others < 1:
            self._alone = now
            self._health.solved(PROBLEM_SOURCE)
        elif now - self._alone >= LINGERING_SECONDS:
            found = "another node has" if others == 1 else f"{others} other nodes have"
            self._health.problem(
                PROBLEM_SOURCE,
                f"{found} the name {name}: their answers are mixed on the same topics, and parameters are "
                "set on one of them by chance; start each in a namespace of its own (a node that was killed "
                "is seen for about 20 s more)",
                every=30.0,
            )
