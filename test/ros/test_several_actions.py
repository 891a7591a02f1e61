"""Several actions at once: one pass of the network answers all, each on topics and markers of its own."""

import json
import threading
import time

import numpy as np
import pytest
from geometry_msgs.msg import PolygonStamped, PoseArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import Image
from std_msgs.msg import String
from visualization_msgs.msg import Marker

from selcon_ros.core.grounding.actions import ALL_ACTIONS
from selcon_ros.model import load
from selcon_ros.ros.action_topics import MAX_ACTIONS, ActionTopics, topic_names
from support import ros
from support.bundles import COLOURS
from support.ros import RELIABLE, TIMEOUT, calibration, pixels_of, stamp_of
from support.scenes import bar_depth, scene

LEFT, RIGHT = (60, 48, 92, 144), (200, 48, 232, 144)
KINDS = {"heatmap": Image, "grasp_points": PoseArray, "grasp_pixels": PolygonStamped}


def peak(message: Image) -> tuple[int, int]:
    v, u = np.unravel_index(pixels_of(message).argmax(), (240, 320))
    return int(u), int(v)


def inside(place: tuple[int, int], part: tuple[int, int, int, int]) -> bool:
    return part[0] <= place[0] < part[2] and part[1] <= place[1] < part[3]


def of_action(robot, action: str) -> None:
    """Let the robot listen to the topics of one action."""
    for kind, message_type in KINDS.items():
        name = f"{kind}/{action}"
        robot.create_subscription(message_type, name, robot._keeper(name), RELIABLE)


def test_one_pass_answers_a_list(start):
    runs = []

    def counting(*arguments, **options):
        model = load(*arguments, **options)
        run = model.backend.run
        model.backend.run = lambda frames: runs.append(1) or run(frames)
        return model

    robot, node = start(open_model=counting, action="hold, pour")
    of_action(robot, "pour")
    robot.until(lambda: robot.count_publishers("/affordance/heatmap/pour"), "the topics of pour")
    depth = np.minimum(bar_depth(320, 240, LEFT), bar_depth(320, 240, RIGHT))
    image = scene(hold=LEFT, pour=RIGHT)
    pour = robot.answer("grasp_points/pour", image, depth, calibration(), fits=lambda message: message.poses)
    hold = robot.beside(pour, "grasp_points")
    assert hold.poses[0].position.x < -0.1 < 0.1 < pour.poses[0].position.x
    assert inside(peak(robot.beside(pour, "heatmap")), LEFT)
    assert inside(peak(robot.beside(pour, "heatmap/pour")), RIGHT)
    pixel = robot.beside(pour, "grasp_pixels/pour").polygon.points[0]
    assert inside((pixel.x, pixel.y), RIGHT)
    status = robot.beside(pour, "status").status
    values = [{each.key: each.value for each in one.values} for one in status]
    assert [each["action"] for each in values] == ["hold", "pour"]
    assert [one.name for one in status] == ["/affordance/grounding: hold", "/affordance/grounding: pour"]
    assert all(float(each["confidence"]) > 0.9 and each["grasp_points"] == "1" for each in values)
    markers = robot.beside(pour, "markers").markers
    assert {each.ns for each in markers if each.action == Marker.ADD} == {"hold", "pour"}
    robot.spin(0.5)  # whatever was sent again is answered
    assert len(runs) == len({stamp_of(each) for each in robot.heard["heatmap"]})
    assert robot.facts()["action"] == "hold,pour" and node.get_parameter("action").value == "hold, pour"


def test_topics_of_one_action_come_and_go_with_the_list(start):
    robot, _ = start(outputs=())
    topics = lambda action: [robot.count_publishers(f"/affordance/{kind}/{action}") for kind in KINDS]  # noqa: E731
    robot.say("pour,cut with")
    robot.until(lambda: topics("pour") == topics("cut_with") == [1, 1, 1], "topics of both")
    robot.say("pour,hold")
    robot.until(lambda: topics("hold") == [1, 1, 1] and topics("cut_with") == [0, 0, 0], "the other topics")
    assert topics("pour") == [1, 1, 1]
    robot.say("pour")
    robot.until(lambda: topics("pour") == topics("hold") == [0, 0, 0], "the end of the topics")


def test_images_are_taken_for_a_listener_to_one_action_alone(start):
    robot, _ = start(outputs=(), action=ALL_ACTIONS)
    robot.create_subscription(Image, "heatmap/hold", robot._keeper("heatmap/hold"), RELIABLE)
    robot.answer("heatmap/hold", scene(hold=RIGHT))
    robot.until(lambda: robot.facts()["state"] == "answering cut_with,hold,pour", "the state")
    # The listener stays, but what it listened to is taken away.
    robot.say("hold")
    robot.until(lambda: not robot.image.get_subscription_count(), "the end of the subscription")


def test_the_map_of_the_best_actions_and_its_legend(start):
    robot, node = start(outputs=(), action="pour,hold")
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    robot.create_subscription(String, "affordance_map/legend", robot._keeper("legend"), latched)
    robot.create_subscription(Image, "affordance_map", robot._keeper("affordance_map"), RELIABLE)
    robot.until(lambda: robot.heard["legend"], "the legend")
    legend = json.loads(robot.heard["legend"][0].data)
    assert legend == {str(label): action for label, action in enumerate(COLOURS, 1)}
    image = scene(hold=LEFT, pour=RIGHT, cut_with=(120, 10, 160, 40))
    found = robot.answer("affordance_map", image)
    assert found.encoding == "mono8" and found.header.frame_id
    labels = np.frombuffer(found.data, np.uint8).reshape(240, 320)
    assert (legend[str(labels[96, 76])], legend[str(labels[96, 216])]) == ("hold", "pour")
    assert labels[230, 10] == 0 and set(np.unique(labels)) == {0, 2, 3}  # cutting is not asked for
    assert node.set_parameters([Parameter("min_confidence", value=1.0)])[0].successful
    robot.spin(0.3)
    later = robot.answer("affordance_map", image)
    assert not np.frombuffer(later.data, np.uint8).any()


def test_an_unknown_name_among_known_ones_ends_the_answers(start):
    robot, node = start(outputs=("heatmap",), action="hold")
    robot.say("pour,fly")
    robot.told("action: unknown action 'fly': This model knows: cut_with, hold, pour")
    assert node.get_parameter("action").value == ""
    refused = node.set_parameters([Parameter("action", value="hold,fly,flz")])[0]
    assert not refused.successful and refused.reason.startswith("unknown actions 'fly', 'flz'")


@pytest.mark.parametrize(
    ("actions", "names"),
    [
        (("cut_with", "Pick Up", "stir-in"), ("cut_with", "pick_up", "stir_in")),
        (("3d print", "切る", "a.b", "a_b"), ("action_1", "action_2", "a_b", "action_4")),
        (("action_2", "!"), ("action_2", "action_2_")),
    ],
)
def test_names_of_topics(actions, names):
    assert tuple(topic_names(actions).values()) == names


def test_a_list_of_many_actions_has_topics_for_the_first():
    with ros.context() as context:
        check_topics(context)


def check_topics(context):
    node = Node("someone", context=context)
    make = lambda kind, name: node.create_publisher(kind, name, 1)  # noqa: E731
    topics = ActionTopics(node, threading.Lock(), {"heatmap": String}, make, lambda: None)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    actions = [f"act{number}" for number in range(MAX_ACTIONS + 5)]
    topics.know(actions)
    topics.follow(actions)

    def names(wait: float = 0.1) -> set[str]:
        executor.spin_once(timeout_sec=wait)
        return {each.topic_name for each in node.publishers if "heatmap" in each.topic_name}

    end = time.monotonic() + TIMEOUT
    while len(names(0.002)) < MAX_ACTIONS:  # though asked for again all the time
        topics.follow(actions)
        assert time.monotonic() < end
    for _ in range(3):
        assert names() == {f"/heatmap/{action}" for action in actions[:MAX_ACTIONS]}
    topics.follow(actions[:1])
    while names():
        assert time.monotonic() < end
    node.destroy_node()
