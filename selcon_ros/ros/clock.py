"""The ROS clock under `use_sim_time`: whether it runs, and what to stamp diagnostics with otherwise."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from builtin_interfaces.msg import Time
from rclpy.clock import Clock, ROSClock
from rclpy.node import Node

from selcon_ros.ros.compat import ClockType
from selcon_ros.ros.diagnostics import LOG_PERIOD_SECONDS, Health

STANDSTILL_SECONDS = 2.0
"""Seconds in which the ROS clock must move."""
STEADY_CLOCK = Clock(clock_type=ClockType.STEADY_TIME)
"""For timers that run whatever the ROS clock does."""


def without_negative(callback: Callable[[Any], None], logger: Any) -> Callable[[Any], None]:
    """What rclpy does with a message on /clock, without those before time zero: it would end the node."""

    def take(message: Any) -> None:
        if message.clock.sec < 0:
            logger.warning(
                f"clock: /clock says {message.clock.sec} s, a negative time, which is left out",
                throttle_duration_sec=LOG_PERIOD_SECONDS,
            )
        else:
            callback(message)

    return take


class ClockWatch:
    """Reports a simulated clock that is awaited or stands still."""

    def __init__(self, node: Node, health: Health) -> None:
        self._node, self._health = node, health
        self._shown, self._since = -1, time.monotonic()

    def look(self) -> None:
        """Report, or take back what was reported."""
        clock = self._node.get_clock()
        now = clock.now().nanoseconds
        if now != self._shown:
            self._shown, self._since = now, time.monotonic()
        elif time.monotonic() - self._since >= STANDSTILL_SECONDS and _simulated(clock):
            self._health.problem("clock", self._reason(now), every=30.0)
            return
        self._health.solved("clock")

    def _reason(self, now: int) -> str:
        if not self._node.count_publishers("/clock"):
            return (
                "use_sim_time is true and nobody publishes /clock: start the simulator, play the bag with "
                "--clock, or set use_sim_time to false"
            )
        if not now:
            return "use_sim_time is true and /clock has not told the time yet: is the simulation paused?"
        return (
            f"use_sim_time is true and /clock stands still at {now * 1e-9:.1f} s: is the simulation paused?"
        )

    def stamp(self) -> Time:
        """The ROS time, or the system's before a simulated clock has told any."""
        now = self._node.get_clock().now()
        if not now.nanoseconds:
            now = Clock(clock_type=ClockType.SYSTEM_TIME).now()
        return now.to_msg()


def _simulated(clock: Clock) -> bool:
    return isinstance(clock, ROSClock) and bool(clock.ros_time_is_active)
