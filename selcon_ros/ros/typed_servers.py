"""The service and the action that answer with typed results; make them where their messages are."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.node import Node

from selcon_ros.ros.requests import Requests


class TypedServers:
    """The service `ground` and the action `ground_stream`."""

    def __init__(self, node: Node, requests: Requests, model: Callable[[], str]) -> None:
        """Offer both. `model` returns the name of the bundle."""
        from selcon_ros.ros.ground_service import GroundService
        from selcon_ros.ros.ground_stream import GroundStreams

        GroundService(node, requests, model)
        self._streams = GroundStreams(node, requests, model)

    def destroy(self) -> None:
        """Take the action down, which `Node.destroy_node` forgets."""
        self._streams.destroy()
