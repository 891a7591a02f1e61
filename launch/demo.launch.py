"""The demo on a ROS installation: the packaged recording as a camera, the node, RViz, action after action.

ros2 launch selcon_ros demo.launch.py
ros2 launch selcon_ros demo.launch.py actions:=hold,pour rviz:=false
"""

import json
import math
import sys
from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch.actions import (
    DeclareLaunchArgument,
    ExecuteProcess,
    IncludeLaunchDescription,
    OpaqueFunction,
    SetEnvironmentVariable,
    TimerAction,
)
from launch.conditions import IfCondition
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.substitutions import ExecutableInPackage

from launch import LaunchContext, LaunchDescription
from selcon_ros.core.grounding.actions import match_action
from selcon_ros.core.grounding.bundle import default_bundle_path, load_bundle
from selcon_ros.ros.fastdds import packaged_profile, profile_variable
from selcon_ros.ros.launch_arguments import unknown_argument

SHARE_FOLDER = Path(get_package_share_directory("selcon_ros"))
CAMERA_FRAME = "camera_color_optical_frame"
WORLD_FRAME = "camera_link"


def generate_launch_description() -> LaunchDescription:
    """Describe the demo: player, node and RViz."""
    grounding = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(SHARE_FOLDER / "launch" / "grounding.launch.py")),
        launch_arguments={
            "bundle": LaunchConfiguration("bundle"),
            "rviz": LaunchConfiguration("rviz"),
            "frame": WORLD_FRAME,
        }.items(),
    )
    return LaunchDescription([
        DeclareLaunchArgument("rviz", default_value="true", description="show it in RViz"),
        DeclareLaunchArgument("bundle", default_value="", description="model bundle, folder or .zip"),
        DeclareLaunchArgument("actions", default_value="", description="hold,pour; empty: all"),
        DeclareLaunchArgument("seconds", default_value="5.0", description="time for each action"),
        # First of all: where an argument is wrong, nothing is started.
        OpaqueFunction(function=_check),
        # Images need more shared memory than Fast DDS gives by default.
        SetEnvironmentVariable(profile_variable(), str(packaged_profile())),
        # In RViz the world has z upwards, and the camera looks along x.
        Node(
            package="tf2_ros",
            executable="static_transform_publisher",
            arguments=[
                "--qx", "-0.5", "--qy", "0.5", "--qz", "-0.5", "--qw", "0.5",
                "--frame-id", WORLD_FRAME, "--child-frame-id", CAMERA_FRAME,
            ],
            condition=IfCondition(LaunchConfiguration("rviz")),
        ),
        # Not a launch_ros Node: it would add ROS arguments, and this is a command with its own.
        ExecuteProcess(cmd=[ExecutableInPackage("selcon", "selcon_ros"), "play", "--loop"], output="screen"),
        grounding,
        OpaqueFunction(function=_ask_for_actions),
    ])  # fmt: skip


def _check(context: LaunchContext) -> None:
    """Raise for an argument that is none, an unreadable bundle, an unknown action and a time that is none."""
    # Those of grounding.launch.py go through to it.
    declared = [each.name for each in generate_launch_description().get_launch_arguments()]
    if wrong := unknown_argument(sys.argv, Path(__file__), declared):
        raise RuntimeError(wrong)
    _actions(context)
    _seconds(context)


def _actions(context: LaunchContext) -> list[str]:
    given = LaunchConfiguration("actions").perform(context)
    bundle = LaunchConfiguration("bundle").perform(context) or default_bundle_path()
    known = load_bundle(bundle, roles=()).manifest.actions
    return [match_action(action, known) for action in given.split(",")] if given else list(known)


def _seconds(context: LaunchContext) -> float:
    given = LaunchConfiguration("seconds").perform(context)
    try:
        seconds = float(given)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise RuntimeError(f"seconds is {given!r}: give the time for each action, as 5.0")
    return seconds


def _ask_for_actions(context: LaunchContext) -> list[TimerAction]:
    """One `ros2 topic pub` per action, after each other."""
    seconds = _seconds(context)
    return [
        TimerAction(
            period=3.0 + number * seconds,
            actions=[
                ExecuteProcess(
                    cmd=[
                        *("ros2", "topic", "pub", "--once", "-w", "1"),
                        *("/affordance/action", "std_msgs/msg/String", f"{{data: {json.dumps(action)}}}"),
                    ]
                )
            ],
        )
        for number, action in enumerate(_actions(context))
    ]
