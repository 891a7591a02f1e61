"""Tests of the ROS shell need rclpy and the message packages."""

import pytest

try:
    import rclpy  # noqa: F401
except ImportError:
    pytest.skip(
        "rclpy is missing: pip install 'selcon_ros[ros]' in an environment of its own, or source a ROS 2 installation",
        allow_module_level=True,
    )
