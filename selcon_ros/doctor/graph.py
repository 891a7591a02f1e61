"""The running ROS graph: the grounding nodes in it, and what comes on their topics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import rclpy
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.exceptions import InvalidTopicNameException
from rclpy.validate_topic_name import validate_topic_name

from selcon_ros.core.errors import SelconError
from selcon_ros.core.text import quoted
from selcon_ros.doctor.cameras import CameraCheck
from selcon_ros.doctor.check import Check, fail, ok, warn
from selcon_ros.ros.parameters import Settings
from selcon_ros.ros.running_nodes import (
    ANSWER_SECONDS,
    NodeStatus,
    Topics,
    grounding_nodes,
    level_of,
    settings_of,
    spinning,
)

NODE_NAME = "selcon_doctor"


def check_graph(given: Topics | None, settings: Settings, seconds: float) -> Iterator[Check]:
    """Look at a camera; or find the grounding nodes, hear what they say of themselves, and look at theirs.

    `given` are topics to look at; None: those of the nodes that are found. `settings` are those of a node for
    the topics that are given. Images are received from a camera for so many `seconds`.
    """
    context = rclpy.Context()
    rclpy.init(args=[], context=context)
    try:
        looks = [("", given, settings)] if given else []
        if not given:
            with spinning(NODE_NAME, context) as (node, executor):
                nodes = grounding_nodes(node, executor)
                yield from _of_nodes(nodes)
                for name, node_status in sorted(nodes.items()):
                    known = settings_of(name, node, executor)
                    if known is None:
                        yield _silent(name)
                    if node_status.topics is not None:
                        looks.append((name, node_status.topics, known or Settings()))
        for name, topics, its_settings in looks:
            if fault := _invalid(topics):
                yield fault
                continue
            with spinning(NODE_NAME, context, topics.remaps) as (node, executor):
                for check in CameraCheck(node, topics, its_settings, name).look(executor, seconds):
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


def _of_nodes(nodes: Mapping[str, NodeStatus]) -> Iterator[Check]:
    if not nodes:
        yield warn(
            "grounding node",
            "none is heard in this domain",
            "ros2 launch selcon_ros grounding.launch.py image:=TOPIC depth:=TOPIC camera_info:=TOPIC",
        )
    for name, node_status in sorted(nodes.items()):
        if node_status.level == level_of(DiagnosticStatus.OK):
            yield ok(name, f"{node_status.message}; engine {node_status.values.get('engine', 'not told')}")
        else:
            # Its message says what to do about each problem.
            yield (warn if node_status.level == level_of(DiagnosticStatus.WARN) else fail)(
                name, node_status.message
            )


def _silent(name: str) -> Check:
    said = f"it did not tell them within {ANSWER_SECONDS:g} s: its camera is looked at with the defaults"
    return warn(f"parameters of {name}", said, f"ros2 param dump {name}")
