"""What a peer can change, a second node of the name, and the policy file against the node's own graph."""

import gc
from fnmatch import fnmatchcase
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rclpy.node import Node
from rclpy.parameter import Parameter

from selcon_ros.ros import interfaces
from selcon_ros.ros.namesakes import LINGERING_SECONDS
from support import ros
from support.scenes import scene

POLICY = Path(__file__).resolve().parents[2] / "config" / "sros2_policy.xml"
CAMERA = ("image", "depth", "camera_info")
NODE, NAMESPACE = "grounding", "/affordance"
PART = (200, 48, 232, 144)

OF_ACTION = {
    ("topics", "publish"): ("feedback", "status"),
    ("topics", "subscribe"): (),
    ("services", "reply"): ("send_goal", "cancel_goal", "get_result"),
}
"""What sros2 allows who executes an action."""


def expanded(profile: ElementTree.Element, name: str) -> str:
    """The full name of an expression, as sros2's stylesheet makes it."""
    namespace, node = profile.attrib["ns"].rstrip("/"), profile.attrib["node"]
    if name.startswith("/"):
        return name
    return f"{namespace}/{node}/{name[2:]}" if name.startswith("~/") else f"{namespace}/{name}"


def allowed(group: str, right: str) -> set[str]:
    """The full names that the policy allows for a right: publish or subscribe topics, reply to services."""
    (profile,) = ElementTree.parse(POLICY).getroot().iter("profile")
    assert (profile.attrib["ns"], profile.attrib["node"]) == (NAMESPACE, NODE)

    def allowing(group: str, right: str) -> list[str]:
        lists = [each for each in profile.findall(group) if each.attrib.get(right) == "ALLOW"]
        return [str(name.text) for each in lists for name in each]

    served = allowing("actions", "execute")
    parts = [f"{name}/_action/{part}" for name in served for part in OF_ACTION[group, right]]
    return {expanded(profile, name) for name in [*allowing(group, right), *parts]}


@pytest.fixture(scope="module")
def graph(bundle) -> dict[tuple[str, str], set[str]]:
    """What the node opens, with all that can be had: several actions, a simulated clock, typed messages."""
    remaps = [part for name in CAMERA for part in ("-r", f"{name}:=/camera/{name}")]
    settings = {"cli_args": ["--ros-args", *remaps], "use_sim_time": True, "action": "hold,pour"}
    with ros.context() as context, ros.running_node(context, bundle, **settings) as node:
        peer = Node("peer", context=context)
        look = {
            ("topics", "publish"): peer.get_publisher_names_and_types_by_node,
            ("topics", "subscribe"): peer.get_subscriber_names_and_types_by_node,
            ("services", "reply"): peer.get_service_names_and_types_by_node,
            ("services", "request"): peer.get_client_names_and_types_by_node,
        }
        listener = peer.create_subscription(ros.Image, f"{NAMESPACE}/heatmap", lambda _: None, 1)
        robot = ros.Robot(context, outputs=())

        def whole() -> bool:
            names = {name for name, _ in peer.get_publisher_names_and_types_by_node(NODE, NAMESPACE)}
            into = {name for name, _ in peer.get_subscriber_names_and_types_by_node(NODE, NAMESPACE)}
            return f"{NAMESPACE}/grasp_pixels/pour" in names and "/camera/image" in into

        robot.until(whole, "all of the node's topics")
        found = {key: {name for name, _ in ask(NODE, NAMESPACE)} for key, ask in look.items()}
        assert node.count_publishers(f"{NAMESPACE}/heatmap") == 1 and listener
        robot.destroy_node()
        peer.destroy_node()
    return found


@pytest.mark.parametrize("right", [("topics", "publish"), ("topics", "subscribe"), ("services", "reply")])
def test_the_policy_allows_what_the_node_opens_and_no_more(graph, right) -> None:
    rules, names = allowed(*right), graph[right]
    assert not {name for name in names if not any(fnmatchcase(name, rule) for rule in rules)}
    unused = {rule for rule in rules if not any(fnmatchcase(name, rule) for name in names)}
    optional = {"/tf", "/tf_static"} if right == ("topics", "subscribe") else set()
    optional |= {f"{NAMESPACE}/bond"} if right[0] == "topics" else set()
    if interfaces.MISSING:
        optional |= {f"{NAMESPACE}/{name}" for name in ("result", "result/*", "ground")}
        optional |= {rule for rule in rules if "/_action/" in rule}
    assert unused - optional == set()


def test_the_node_asks_no_service(graph) -> None:
    assert graph[("services", "request")] == set()


def alone(robot: ros.Robot) -> None:
    """Wait until the node says that it is the only one of its name: earlier ones may be held."""
    robot.until(lambda: "node name" not in robot.problems(), "one node of the name", every=gc.collect)


def test_a_second_node_of_the_name_is_noticed_and_its_end_too(start, bundle) -> None:
    robot, _ = start(outputs=("heatmap",))
    alone(robot)
    with ros.context() as context, ros.running_node(context, bundle):
        said = robot.told("node name: another node has the name /affordance/grounding")
        assert "a namespace of its own" in said
    alone(robot)


def test_nodes_in_namespaces_of_their_own_do_not_mix(start, bundle) -> None:
    robot, _ = start(outputs=("status",))
    with ros.context() as context:
        other = Node("grounding", context=context, namespace="/second_robot/affordance")
        robot.say("hold")
        status = robot.answer("status", scene(hold=PART))
        robot.spin(LINGERING_SECONDS + 1)
        alone(robot)
        assert status.status[0].name == "/affordance/grounding"
        other.destroy_node()


def test_a_fixed_action_is_not_changed_by_a_message(start) -> None:
    robot, node = start(outputs=("status",), action="hold", read_only_parameters="action")
    robot.say("pour")
    said = robot.told("action: it stays hold")
    assert "read-only" in said
    status = robot.answer("status", scene(hold=PART))
    assert {each.key: each.value for each in status.status[0].values}["action"] == "hold"
    assert not node.set_parameters([Parameter("action", value="pour")])[0].successful
    robot.say("hold")
    robot.until(lambda: "it stays" not in robot.problems(), "the problem to be over")
