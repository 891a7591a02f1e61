"""Names of rclpy that are in other modules in ROS 2 Humble."""

from __future__ import annotations

try:
    from rclpy.clock_type import ClockType
    from rclpy.event_handler import (
        PublisherEventCallbacks,
        SubscriptionEventCallbacks,
        UnsupportedEventTypeError,
    )
except ImportError:
    from rclpy.clock import ClockType  # type: ignore[attr-defined,no-redef]
    from rclpy.qos_event import (
        PublisherEventCallbacks,
        SubscriptionEventCallbacks,
        UnsupportedEventTypeError,
    )

__all__ = ["ClockType", "PublisherEventCallbacks", "SubscriptionEventCallbacks", "UnsupportedEventTypeError"]
