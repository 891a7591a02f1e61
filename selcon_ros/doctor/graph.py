"""The running ROS graph: the grounding nodes in it, and what comes on their topics."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rcl_interfaces.srv import GetParameters
from rclpy.exceptions import InvalidTopicNameException
from rclpy.executors import SingleThreadedExecutor
from rclpy.impl.logging_severity import LoggingSeverity
from rclpy.node import Node
from rclpy.parameter import parameter_value_to_python
from rclpy.validate_topic_name import validate_topic_name

from selcon_ros.core.errors import SelconError
from selcon_ros.core.text import quoted
from selcon_ros.doctor.cameras import Camera, Topics
from selcon_ros.doctor.check import Check, fail, ok, warn
from selcon_ros.ros.parameters import TABLE, Settings, checked

NAME = "selcon_doctor"
DIAGNOSTICS_SECONDS = 3.0
"""In which nodes are found and tell how they are, at least twice at their default period."""
ANSWER_SECONDS = 2.0
"""How long a node may take to tell its parameters."""


@dataclass(frozen=True)
class Told:
    """What a grounding node says of itself in /diagnostics."""

    level: int
    message: str
    values: Mapping[str, str]

    @property
    def topics(self) -> Topics | None:
        """Where its images come from; None for a node of another kind."""
        named = [self.values.get(key) for key in ("image_topic", "depth_topic", "camera_info_topic")]
        return Topics(*named) if all(named) else None  # type: ignore[arg-type]


def check_graph(given: Topics | None, settings: Settings, seconds: float) -> Iterator[Check]:
    """Look at a camera; or find the grounding nodes, hear what they say of themselves, and look at theirs.

    :param given: topics to look at; None: those of the nodes that are found
    :param settings: of a node for the topics that are given
    :param seconds: how long images are received from a camera
    """
    context = rclpy.Context()
    rclpy.init(args=[], context=context)
    try:
        looks = [("", given, settings)] if given else []
        if not given:
            with _spinning(context) as (node, executor):
                nodes = _grounding_nodes(node, executor)
                yield from _of_nodes(nodes)
                looks = _looks(node, executor, nodes)
        for name, topics, its_settings in looks:
            if fault := _invalid(topics):
                yield fault
                continue
            with _spinning(context, topics.remaps) as (node, executor):
                for check in Camera(node, topics, its_settings, name).look(executor, seconds):
                    yield replace(check, name=f"{check.name} of {name}") if len(looks) > 1 else check
    except SelconError as error:
        yield fail("ROS graph", str(error))
    finally:
        rclpy.try_shutdown(context=context)


def _invalid(topics: Topics) -> Check | None:
    """What is no name of a topic: a remap would refuse it."""
    for topic in (topics.image, topics.depth, topics.camera_info):
        try:
            validate_topic_name(topic)
        except InvalidTopicNameException as error:
            return fail(
                "topics", f"{quoted(topic)} is no topic: {' '.join(str(error).split())}", "/like/this"
            )
    return None


@contextmanager
def _spinning(
    context: rclpy.Context, remaps: Sequence[str] = ()
) -> Iterator[tuple[Node, SingleThreadedExecutor]]:
    """A node of our own with an executor; it logs nothing."""
    arguments = ["--ros-args", *(word for remap in remaps for word in ("-r", remap))]
    node = Node(
        NAME,
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


def _grounding_nodes(node: Node, executor: SingleThreadedExecutor) -> dict[str, Told]:
    """What the grounding nodes of the domain say, by their full names."""
    found: dict[str, Told] = {}

    def hear(message: DiagnosticArray) -> None:
        for status in message.status:
            values = {each.key: each.value for each in status.values}
            told = Told(_level(status.level), status.message, values)
            if told.topics is not None:
                found[status.name] = told

    subscription = node.create_subscription(DiagnosticArray, "/diagnostics", hear, 10)
    end = time.monotonic() + DIAGNOSTICS_SECONDS
    while (left := end - time.monotonic()) > 0:
        executor.spin_once(timeout_sec=left)
    node.destroy_subscription(subscription)
    return found


def _level(level: Any) -> int:
    """The level of a status, which rclpy has as one byte."""
    return level[0] if isinstance(level, bytes) else int(level)


def _of_nodes(nodes: Mapping[str, Told]) -> Iterator[Check]:
    if not nodes:
        yield warn(
            "grounding node",
            "none is heard in this domain",
            "ros2 launch selcon_ros grounding.launch.py image:=TOPIC depth:=TOPIC camera_info:=TOPIC",
        )
    for name, told in sorted(nodes.items()):
        if told.level == _level(DiagnosticStatus.OK):
            yield ok(name, f"{told.message}; engine {told.values.get('engine', 'not told')}")
        else:
            # Its message says what to do about each problem.
            yield (warn if told.level == _level(DiagnosticStatus.WARN) else fail)(name, told.message)


def _looks(
    node: Node, executor: SingleThreadedExecutor, nodes: Mapping[str, Told]
) -> list[tuple[str, Topics, Settings]]:
    """Each node's name, its topics, and its parameters."""
    return [
        (name, told.topics, _settings_of(name, node, executor))
        for name, told in sorted(nodes.items())
        if told.topics is not None
    ]


def _settings_of(name: str, node: Node, executor: SingleThreadedExecutor) -> Settings:
    """The parameters of a node; the defaults of those that it does not tell."""
    client: Any = node.create_client(GetParameters, f"{name}/get_parameters")
    try:
        if not client.wait_for_service(ANSWER_SECONDS):
            return Settings()
        names = list(TABLE)
        future = client.call_async(GetParameters.Request(names=names))
        executor.spin_until_future_complete(future, ANSWER_SECONDS)
        if (response := future.result() if future.done() else None) is None:
            return Settings()
        given = {
            each: parameter_value_to_python(value)
            for each, value in zip(names, response.values, strict=False)
        }
        return Settings(**{each: checked(each, value) for each, value in given.items() if value is not None})
    finally:
        node.destroy_client(client)
