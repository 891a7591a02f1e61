"""What tells of itself in /diagnostics as a grounding node does, and does nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node

from support import ros


@contextmanager
def telling_node(level: bytes, services: bool = True, **parameters: Any) -> Iterator[None]:
    """A node /affordance/grounding at this level. services: it tells its parameters, if it is asked."""
    with ros.context() as context:
        node = Node("grounding", context=context, namespace="affordance", start_parameter_services=services)
        for name, value in parameters.items():
            node.declare_parameter(name, value)
        topics = {"image_topic": "/a", "depth_topic": "/b", "camera_info_topic": "/c"}
        values = [KeyValue(key=key, value=value) for key, value in topics.items()]
        status = DiagnosticStatus(level=level, name="/affordance/grounding", message="no disk", values=values)
        publisher = node.create_publisher(DiagnosticArray, "/diagnostics", 1)
        node.create_timer(0.2, lambda: publisher.publish(DiagnosticArray(status=[status])))
        with ros.spun(node):
            yield
