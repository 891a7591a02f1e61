"""The grounding node on your camera's topics, and RViz if wanted.

ros2 launch selcon_ros grounding.launch.py image:=/camera/color/image_raw \\
    depth:=/camera/aligned_depth_to_color/image_raw camera_info:=/camera/color/camera_info rviz:=true
ros2 topic pub --once /affordance/action std_msgs/msg/String "{data: hold}"
"""

import sys
from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    OpaqueFunction,
    RegisterEventHandler,
    SetEnvironmentVariable,
)
from launch.events import matches_action
from launch.events.process import ProcessExited
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode, Node
from launch_ros.event_handlers import OnStateTransition
from launch_ros.events.lifecycle import ChangeState
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.utilities import make_namespace_absolute, prefix_namespace
from lifecycle_msgs.msg import Transition

from launch import Action, LaunchContext, LaunchDescription
from selcon_ros.core.errors import SelconError
from selcon_ros.core.files.user_path import user_path
from selcon_ros.ros.fastdds import packaged_profile, profile_variable
from selcon_ros.ros.inputs import COMPRESSED_SUFFIXES
from selcon_ros.ros.launch_arguments import unknown_argument

SHARE_FOLDER = Path(get_package_share_directory("selcon_ros"))
TOPICS = ("image", "depth", "camera_info")
# What grounding.rviz shows of the node, by the names that it has there.
SHOWN_TOPICS = (
    "/affordance/overlay",
    "/affordance/heatmap",
    "/affordance/markers",
    "/affordance/grasp_points",
    "/affordance/cloud",
)


def as_text(text: str) -> ParameterValue:
    """Text, whatever it looks like: a bundle may be called 2024."""
    return ParameterValue(text, value_type=str)


def as_truth(text: str) -> bool:
    """One of BOOLEANS."""
    return text.lower() == "true"


BOOLEANS = ("true", "false", "True", "False")
# Arguments that, where given, go before the parameter file.
OVERRIDES = {
    "bundle": as_text,
    "action": as_text,
    "image_transport": as_text,
    "depth_transport": as_text,
    "min_confidence": float,
    "autostart": as_truth,
    "use_sim_time": as_truth,
}
INITIAL_STATES = ("", "inactive", "active")
RESPAWN_DELAY = 2.0
PROFILES = {"shm": "images", "udp": "udp"}
RELIABILITIES = ("", "reliable", "best_effort")


def generate_launch_description() -> LaunchDescription:
    """Describe the launch: the arguments, the node, and RViz where it is asked for."""

    def argument(name: str, default: str, about: str, *choices: str) -> DeclareLaunchArgument:
        options = {"choices": list(choices)} if choices else {}
        return DeclareLaunchArgument(name, default_value=default, description=about, **options)

    of_file = "empty: that of the parameter file"
    return LaunchDescription([
        argument("image", "/camera/image", "colour image topic, its full name"),
        argument("depth", "/camera/depth", "depth image topic, registered to the colour image"),
        argument("camera_info", "/camera/camera_info", "calibration topic of the colour camera"),
        argument("image_transport", "", "form of the images", "", "raw", "compressed"),
        argument("depth_transport", "", "form of depth", "", "raw", "compressed", "compressedDepth"),
        argument("bundle", "", f"model bundle, folder or .zip; {of_file}"),
        argument("action", "", f"action to begin with; {of_file}"),
        argument("min_confidence", "", f"no grasp points for less confidence, 0 to 1; {of_file}"),
        argument("autostart", "", f"false: a lifecycle manager starts it; {of_file}", "", *BOOLEANS),
        argument("initial_state", "", "lifecycle state that this launch brings the node to", *INITIAL_STATES),
        argument("use_sim_time", "", f"time from /clock; {of_file}", "", *BOOLEANS),
        argument("image_reliability", "", "QoS of the image subscription", *RELIABILITIES),
        argument("depth_reliability", "", "QoS of the depth subscription", *RELIABILITIES),
        argument("profile", "none", "Fast DDS profile of node and RViz: none, shm, udp, or a file"),
        argument("namespace", "affordance", "namespace of the node and its topics"),
        argument("name", "grounding", "name of the node"),
        argument("params_file", str(SHARE_FOLDER / "config" / "grounding.yaml"), "parameters of the node"),
        argument("log_level", "info", "debug, info, warn, error or fatal"),
        argument("respawn", "false", "start the node again when it has ended", *BOOLEANS),
        argument("required", "true", "end the launch with status 1 when the node fails", *BOOLEANS),
        argument("rviz", "false", "show heatmap, overlay, grasp points and depth in RViz", *BOOLEANS),
        argument("rviz_config", str(SHARE_FOLDER / "config" / "grounding.rviz"), "what RViz shows"),
        argument("frame", "camera_color_optical_frame", "fixed frame of RViz"),
        OpaqueFunction(function=_start),
    ])  # fmt: skip


def _start(context: LaunchContext) -> list[Action]:
    declared = [each.name for each in generate_launch_description().get_launch_arguments()]
    if wrong := unknown_argument(sys.argv, Path(__file__), declared):
        raise RuntimeError(wrong)
    node = _grounding_node(context)
    nodes = [*_profile(context), *_transitions(context, node)]
    return [*nodes, _rviz(context)] if as_truth(_text(context, "rviz")) else nodes


def _text(context: LaunchContext, name: str) -> str:
    return LaunchConfiguration(name).perform(context)


def _path(context: LaunchContext, name: str) -> Path:
    """A path; no shell replaces the ~ in name:=~/file."""
    return user_path(_text(context, name), SelconError)


def _overrides(context: LaunchContext) -> dict[str, object]:
    given = {name: text for name in OVERRIDES if (text := _text(context, name))}
    if _text(context, "initial_state"):
        given.setdefault("autostart", "false")
    try:
        return {name: OVERRIDES[name](text) for name, text in given.items()}
    except ValueError:
        wrong = f"min_confidence is {given['min_confidence']!r}: give a number from 0 to 1"
        raise RuntimeError(wrong) from None


def _profile(context: LaunchContext) -> list[SetEnvironmentVariable]:
    """What gives the node and RViz a Fast DDS profile; `none` leaves the environment as it is."""
    given = _text(context, "profile")
    if given == "none":
        return []
    file = packaged_profile(PROFILES[given]) if given in PROFILES else _path(context, "profile")
    if not file.is_file():
        raise RuntimeError(f"profile is {given!r}: give none, shm, udp, or the path of a file")
    return [SetEnvironmentVariable(profile_variable(), str(file.absolute()))]


def _qos_overrides(context: LaunchContext) -> dict[str, str]:
    """The parameters that ROS names after the topics, compressed or not."""
    overrides = {}
    for name in ("image", "depth"):
        if reliability := _text(context, f"{name}_reliability"):
            topic = _text(context, name)
            if not topic.startswith("/"):
                raise RuntimeError(f"{name} is {topic!r}: {name}_reliability needs a full name with a slash")
            for ending in ("", *COMPRESSED_SUFFIXES):
                overrides[f"qos_overrides.{topic}{ending}.subscription.reliability"] = reliability
    return overrides


def _transitions(context: LaunchContext, node: Node) -> list[Action]:
    """The node, and the events that bring it to its initial state."""
    state = _text(context, "initial_state")
    if not state:
        return [node]
    for name in ("autostart", "respawn"):
        if as_truth(_text(context, name)):
            wrong = f"initial_state is {state!r}: it cannot be used with {name}:=true"
            raise RuntimeError(f"{wrong}; leave one of them away")

    def change(transition: int) -> EmitEvent:
        return EmitEvent(event=ChangeState(
            lifecycle_node_matcher=matches_action(node), transition_id=transition
        ))  # fmt: skip

    # Once: whoever configures the node again later also decides whether to activate it.
    activate = RegisterEventHandler(OnStateTransition(
        target_lifecycle_node=node,
        start_state="configuring",
        goal_state="inactive",
        entities=[change(Transition.TRANSITION_ACTIVATE)],
        handle_once=True,
    ))  # fmt: skip
    configure = change(Transition.TRANSITION_CONFIGURE)
    return [node, configure] if state == "inactive" else [activate, node, configure]


def _grounding_node(context: LaunchContext) -> Node:
    file = _path(context, "params_file")
    if not file.is_file():
        raise RuntimeError(f"no parameter file at {str(file)!r}: give params_file another")
    respawn = as_truth(_text(context, "respawn"))
    kind = LifecycleNode if _text(context, "initial_state") else Node
    return kind(
        package="selcon_ros",
        executable="grounding_node",
        name=LaunchConfiguration("name"),
        namespace=LaunchConfiguration("namespace"),
        parameters=[str(file), _overrides(context), _qos_overrides(context)],
        remappings=[(name, LaunchConfiguration(name)) for name in TOPICS],
        arguments=["--ros-args", "--log-level", LaunchConfiguration("log_level")],
        output="screen",
        respawn=respawn,
        respawn_delay=RESPAWN_DELAY,
        on_exit=_fail if as_truth(_text(context, "required")) and not respawn else None,
    )


def _fail(event: ProcessExited, context: LaunchContext) -> None:
    """End the launch with status 1 when the node has failed: launch itself would return 0."""
    if event.returncode and not context.is_shutdown:
        raise RuntimeError(f"the grounding node ended with exit status {event.returncode}")


def _rviz(context: LaunchContext) -> Node:
    pushed = context.launch_configurations.get("ros_namespace")
    namespace = make_namespace_absolute(prefix_namespace(pushed, _text(context, "namespace"))).rstrip("/")
    shown = [(topic, f"{namespace}/{topic.split('/')[-1]}") for topic in SHOWN_TOPICS]
    cameras = [(f"/camera/{name}", LaunchConfiguration(name)) for name in TOPICS]
    sim_time = {name: value for name, value in _overrides(context).items() if name == "use_sim_time"}
    return Node(
        package="rviz2",
        executable="rviz2",
        arguments=["-d", str(_path(context, "rviz_config")), "-f", LaunchConfiguration("frame")],
        parameters=[sim_time],
        # grounding.rviz names the default topics.
        remappings=[*cameras, *shown],
    )
