"""What `grounding_node --help` says."""

from __future__ import annotations

import json
import textwrap
from importlib.util import find_spec

from selcon_ros.ros.parameters import SETTINGS_FIELDS

USAGE = """\
usage: grounding_node [--help] [--ros-args [-p NAME:=VALUE] [-r FROM:=TO] [--params-file FILE] ...]

Finds the part of an object that affords an action (hold, pour, ...) in a camera's images, and grasp
points on it, and publishes both. Ctrl-C ends it. Exit status: 0 after a signal, 1 when it cannot
start or fails; the log says why.

examples:
  ros2 launch selcon_ros grounding.launch.py image:=/camera/color/image_raw rviz:=true
  ros2 run selcon_ros grounding_node --ros-args -p action:=hold -r image:=/camera/color/image_raw
"""
TOPICS_IN = {
    "image": "the colour camera, Image or CompressedImage (image_transport)",
    "depth": "registered to the image; optional, poses need it",
    "camera_info": "of the colour camera; poses need it",
    "action": "std_msgs/String: what to do, hold for instance, or several: hold,pour",
}
TOPICS_OUT = {
    "heatmap": "Image, 32FC1, 0..1",
    "overlay": "Image, bgr8",
    "grasp_points": "PoseArray",
    "grasp_pixels": "PolygonStamped",
    "markers": "MarkerArray",
    "mask": "Image, mono8: the affording part",
    "cloud": "PointCloud2: the points of that part",
    "result": "selcon_interfaces/AffordanceResult, if that package is there",
    "status": "DiagnosticArray, about each answered image",
    "affordance_map": "Image, mono8: the best action of each pixel, by the legend beside it",
    "/diagnostics": "DiagnosticArray, about the node",
}
NO_ROS = "ROS 2 is not here, or not whole: source its setup.bash, or pip install 'selcon_ros[ros]'"
LOG_FOLDER = "set HOME, or ROS_LOG_DIR to a folder that can be written to"


def lacks_log_folder(said: str) -> bool:
    """Whether what rcl says as it starts is about its folder for logs."""
    return "log directory" in said or "logging directory" in said


def usage() -> str:
    """The help text."""
    return "\n".join(
        [
            USAGE,
            "topics it hears:",
            *(f"  {name:<16}{about}" for name, about in TOPICS_IN.items()),
            "topics it publishes:",
            *(f"  {name:<16}{about}" for name, about in TOPICS_OUT.items()),
            "",
            "parameters, with their defaults:",
            *(_parameter(name) for name in SETTINGS_FIELDS),
            "",
            "in full: docs/topics.md, docs/parameters.md",
            *([] if find_spec("rclpy") else ["", NO_ROS]),
        ]
    )


def _parameter(name: str) -> str:
    field = SETTINGS_FIELDS[name]
    limits = ", ".join(map(str, field.metadata["choices"]))
    if field.metadata["low"] is not None:
        limits = f"{field.metadata['low']:g} to {field.metadata['high']:g}"
    about = f"{field.metadata['description']}{f' [{limits}]' if limits else ''}"
    first = f"  {f'{name}: {json.dumps(field.default)}':<28}"
    return textwrap.fill(about, 100, initial_indent=first, subsequent_indent=" " * len(first))
