"""The grounding node on your camera's topics, and RViz if wanted.

ros2 launch selcon_ros grounding.launch.py image:=/camera/color/image_raw \\
    depth:=/camera/aligned_depth_to_color/image_raw camera_info:=/camera/color/camera_info rviz:=true
ros2 topic pub --once /affordance/action std_msgs/msg/String "{data: hold}"
"""

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from launch import LaunchContext, LaunchDescription

SHARE = Path(get_package_share_directory("selcon_ros"))
TOPICS = ("image", "depth", "camera_info")
# Arguments that, where given, go before the parameter file.
OVERRIDES = ("bundle", "action", "image_transport", "depth_transport")


def generate_launch_description() -> LaunchDescription:
    def argument(name: str, default: str, about: str, **options: list[str]) -> DeclareLaunchArgument:
        return DeclareLaunchArgument(name, default_value=default, description=about, **options)

    transports = ["", "raw", "compressed"]
    return LaunchDescription([
        argument("image", "/camera/image", "colour image topic, its full name"),
        argument("depth", "/camera/depth", "depth image topic, registered to the colour image"),
        argument("camera_info", "/camera/camera_info", "calibration topic of the colour camera"),
        argument("image_transport", "", "type of the image topic", choices=transports),
        argument("depth_transport", "", "type of the depth topic", choices=transports),
        argument("bundle", "", "model bundle, folder or .zip; empty: that of the parameter file"),
        argument("action", "", "action to begin with; empty: that of the parameter file"),
        argument("namespace", "affordance", "namespace of the node and its topics"),
        argument("params_file", str(SHARE / "config" / "grounding.yaml"), "parameters of the node"),
        argument("log_level", "info", "debug, info, warn, error or fatal"),
        argument("rviz", "false", "show heatmap, overlay, grasp points and depth in RViz"),
        argument("rviz_config", str(SHARE / "config" / "grounding.rviz"), "what RViz shows"),
        argument("frame", "camera_color_optical_frame", "fixed frame of RViz"),
        OpaqueFunction(function=_grounding_node),
        Node(
            package="rviz2",
            executable="rviz2",
            arguments=["-d", LaunchConfiguration("rviz_config"), "-f", LaunchConfiguration("frame")],
            # grounding.rviz names the default topics.
            remappings=[
                ("/camera/image", LaunchConfiguration("image")),
                ("/camera/depth", LaunchConfiguration("depth")),
                ("/camera/camera_info", LaunchConfiguration("camera_info")),
            ],
            condition=IfCondition(LaunchConfiguration("rviz")),
        ),
    ])  # fmt: skip


def _grounding_node(context: LaunchContext) -> list[Node]:
    given = {name: LaunchConfiguration(name).perform(context) for name in OVERRIDES}
    # As text, whatever it looks like: a bundle may be called 2024.
    overrides = {name: ParameterValue(value, value_type=str) for name, value in given.items() if value}
    return [
        Node(
            package="selcon_ros",
            executable="grounding_node",
            namespace=LaunchConfiguration("namespace"),
            parameters=[LaunchConfiguration("params_file"), overrides],
            remappings=[(name, LaunchConfiguration(name)) for name in TOPICS],
            arguments=["--ros-args", "--log-level", LaunchConfiguration("log_level")],
            output="screen",
        )
    ]
