"""The node's end of a bond with a lifecycle manager: heartbeats while it is active, as Nav2 expects them.

The protocol is that of the message package bond (ros/bond_core), which is optional.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any
from uuid import uuid4

from rclpy.clock import Clock
from rclpy.node import Node

from selcon_ros.core.errors import first_line
from selcon_ros.ros.compat import ClockType

TOPIC = "bond"
TIMEOUT_SECONDS = 4.0
"""Seconds without a heartbeat after which the manager may take the node to be dead: Nav2's default."""


class Bond:
    """The node's end of a bond: a heartbeat each period between `form` and `break_off`.

    They come from the node's executor: where that hangs, they stop. Everything here runs in it, too.
    """

    def __init__(self, node: Node, period: float) -> None:
        """Open the topic, if the messages are installed.

        `period` is the seconds between two heartbeats; 0: no bond.
        """
        self._node, self._period = node, period
        self._instance = ""
        """Names this bond; "" before the first one."""
        self._alive = False
        if not period:
            return
        try:
            self._status: Any = import_module("bond.msg").Status
        except ImportError as error:
            node.get_logger().info(
                f"no heartbeats for a lifecycle manager: bond is not there ({first_line(error)}): install "
                "ros-$ROS_DISTRO-bond, or set the manager's bond_timeout to 0.0"
            )
            self._period = 0.0
            return
        self._publisher = node.create_publisher(self._status, TOPIC, 5)
        self._subscription = node.create_subscription(self._status, TOPIC, self._on_status, 10)
        # Not of the node's clock, which may be that of a simulation.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = node.create_timer(period, self._beat, clock=steady)
        self._timer.cancel()

    def form(self) -> None:
        """Begin with a new bond."""
        if self._period:
            self._instance, self._alive = str(uuid4()), True
            self._timer.reset()
            self._publish()

    def break_off(self) -> None:
        """Say that the bond ends, and send no more heartbeats."""
        if self._alive:
            self._alive = False
            self._timer.cancel()
            self._publish()

    def _beat(self) -> None:
        if self._alive:
            self._publish()

    def _on_status(self, status: Any) -> None:
        if status.id != self._node.get_name() or status.instance_id == self._instance or not self._instance:
            return
        if not status.active:
            self.break_off()
        elif not self._alive:
            self._publish()  # it may have missed that the bond has ended

    def _publish(self) -> None:
        message = self._status(id=self._node.get_name(), instance_id=self._instance, active=self._alive)
        message.header.stamp = self._node.get_clock().now().to_msg()
        message.heartbeat_timeout, message.heartbeat_period = TIMEOUT_SECONDS, self._period
        self._publisher.publish(message)
