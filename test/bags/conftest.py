"""Tests of bags need rclpy, for its messages, and rosbags."""

import pytest

pytest.importorskip("rclpy", reason="rclpy is missing: pip install 'selcon_ros[ros]'")
pytest.importorskip("rosbags", reason="rosbags is missing: pip install 'selcon_ros[demo]'")
