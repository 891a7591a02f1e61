"""rclpy's names where ROS 2 Humble has them."""

import runpy
import sys

import rclpy.event_handler

from selcon_ros.ros import compat


def test_the_names_are_found_in_humble_too(monkeypatch):
    events = rclpy.event_handler
    monkeypatch.setitem(sys.modules, "rclpy.event_handler", None)
    monkeypatch.setitem(sys.modules, "rclpy.clock_type", None)
    monkeypatch.setitem(sys.modules, "rclpy.qos_event", events)
    found = runpy.run_path(compat.__file__)
    for name in compat.__all__:
        assert found[name] is getattr(compat, name)
