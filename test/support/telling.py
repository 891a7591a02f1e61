"""What tells of itself in /diagnostics as a grounding node does, and does nothing else."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node

from support import ros


@contextmanager
def telling_node(level: bytes, services: bool = True, lost: int = 0, **parameters: Any) -> Iterator[None]:
    """A node /affordance/grounding at this level.

    With `services` it tells its parameters, if it is asked. Of each of its services the first `lost` answers
    are lost on the way.
    """
    with ros.context() as context:
        node = Node("grounding", context=context, namespace="affordance", start_parameter_services=services)
        for name, value in parameters.items():
            node.declare_parameter(name, value)
        for service in node.services:
            _lose(service, lost)
        topics = {"image_topic": "/a", "depth_topic": "/b", "camera_info_topic": "/c"}
        values = [KeyValue(key=key, value=value) for key, value in topics.items()]
        status = DiagnosticStatus(level=level, name="/affordance/grounding", message="no disk", values=values)
        publisher = node.create_publisher(DiagnosticArray, "/diagnostics", 1)
        node.create_timer(0.2, lambda: publisher.publish(DiagnosticArray(status=[status])))
        with ros.spun(node):
            yield


def _lose(service: Any, answers: int) -> None:
    send, left = service.send_response, itertools.count(answers, -1)

    def send_later(response: Any, header: Any) -> None:
        if next(left) <= 0:
            send(response, header)

    service.send_response = send_later
