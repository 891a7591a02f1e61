"""The grounding nodes that run in this domain: what they say of themselves, and their parameters."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.srv import GetParameters, ListParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.impl.logging_severity import LoggingSeverity
from rclpy.node import Node
from rclpy.parameter import parameter_value_to_python

from selcon_ros.ros.parameters import SETTINGS_FIELDS, Settings, checked

DIAGNOSTICS_SECONDS = 3.0
"""In which nodes are found and tell how they are, at least twice at their default period."""
ANSWER_SECONDS = 5.0
"""How long a node may take for each of the two answers that its parameters take."""
REPEAT_SECONDS = 1.0
"""After which a request is sent again: an answer is lost if the node has not yet discovered who it is for."""


@dataclass(frozen=True)
class Topics:
    """Where the images come from."""

    image: str
    depth: str
    camera_info: str

    @property
    def remaps(self) -> list[str]:
        """What a node is told to find them."""
        return [f"image:={self.image}", f"depth:={self.depth}", f"camera_info:={self.camera_info}"]


@dataclass(frozen=True)
class NodeStatus:
    """What a grounding node says of itself in /diagnostics."""

    level: int
    message: str
    values: Mapping[str, str]

    @property
    def topics(self) -> Topics | None:
        """Where its images come from; None for a node of another kind."""
        named = [self.values.get(key) for key in ("image_topic", "depth_topic", "camera_info_topic")]
        return Topics(*named) if all(named) else None  # type: ignore[arg-type]


def node_statuses(message: DiagnosticArray) -> dict[str, NodeStatus]:
    """What the grounding nodes among those of a message say, by their full names."""
    found = {}
    for status in message.status:
        values = {each.key: each.value for each in status.values}
        node_status = NodeStatus(level_of(status.level), status.message, values)
        if node_status.topics is not None:
            found[status.name] = node_status
    return found


@contextmanager
def spinning(
    name: str, context: rclpy.Context, remaps: Sequence[str] = ()
) -> Iterator[tuple[Node, SingleThreadedExecutor]]:
    """A node of our own with an executor; it logs nothing."""
    arguments = ["--ros-args", *(word for remap in remaps for word in ("-r", remap))]
    node = Node(
        name,
        context=context,
        cli_args=arguments,
        use_global_arguments=False,
        enable_rosout=False,
        start_parameter_services=False,
    )
    node.get_logger().set_level(LoggingSeverity.FATAL)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    try:
        yield node, executor
    finally:
        executor.shutdown()
        node.destroy_node()


def grounding_nodes(node: Node, executor: SingleThreadedExecutor) -> dict[str, NodeStatus]:
    """What the grounding nodes of the domain say, by their full names."""
    found: dict[str, NodeStatus] = {}

    def hear(message: DiagnosticArray) -> None:
        found.update(node_statuses(message))

    subscription = node.create_subscription(DiagnosticArray, "/diagnostics", hear, 10)
    end = time.monotonic() + DIAGNOSTICS_SECONDS
    while (left := end - time.monotonic()) > 0:
        executor.spin_once(timeout_sec=left)
    node.destroy_subscription(subscription)
    return found


def level_of(level: Any) -> int:
    """The level of a status, which rclpy has as one byte."""
    return level[0] if isinstance(level, bytes) else int(level)


def settings_of(name: str, node: Node, executor: SingleThreadedExecutor) -> Settings | None:
    """The parameters of a node, the defaults of those that it does not have; None if it does not answer.

    Raises ParameterError for a value that is none here: of a node of another version.
    """
    listed = _call_service(
        ListParameters, f"{name}/list_parameters", ListParameters.Request(), node, executor
    )
    if listed is None:
        return None
    # One that it has not would leave all unanswered.
    names = [each for each in listed.result.names if each in SETTINGS_FIELDS]
    response = _call_service(
        GetParameters, f"{name}/get_parameters", GetParameters.Request(names=names), node, executor
    )
    if response is None:
        return None
    given = dict(zip(names, map(parameter_value_to_python, response.values), strict=False))
    return Settings(**{each: checked(each, value) for each, value in given.items() if value is not None})


def _call_service(kind: Any, service: str, request: Any, node: Node, executor: SingleThreadedExecutor) -> Any:
    """A service's response; None if none comes."""
    client: Any = node.create_client(kind, service)
    futures: list[Any] = []
    try:
        if not client.wait_for_service(ANSWER_SECONDS):
            return None
        end = time.monotonic() + ANSWER_SECONDS
        while (left := end - time.monotonic()) > 0:
            futures.append(client.call_async(request))
            executor.spin_until_future_complete(futures[-1], min(left, REPEAT_SECONDS))
            for future in futures:
                if future.done():
                    return future.result()
        return None
    finally:
        node.destroy_client(client)
