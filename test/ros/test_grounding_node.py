"""The node over real topics: answers, headers, actions, transports, QoS, parameters."""

import threading

import numpy as np
import pytest
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import String
from visualization_msgs.msg import Marker

from selcon_ros import load
from support.messages import FRAME, compressed_image, encoded
from support.ros import OUTPUTS, calibration, context, pixels_of, stamp_of
from support.scenes import bar_depth, scene

PART = (200, 48, 232, 144)  # 32 x 96 pixels, upper right
MIDDLE = (215.5, 95.5)
OTHER = (40, 140, 120, 180)


def test_the_answer_to_an_image_with_depth(start):
    robot, _ = start()
    robot.say("hold")
    image = scene(hold=PART, cut_with=OTHER)
    status = robot.answer_in_3d(image, bar_depth(320, 240, PART), calibration())
    answers = {name: robot.beside(status, name) for name in OUTPUTS}

    heat = pixels_of(answers["heatmap"])
    assert heat.shape == (240, 320)
    assert 0 <= heat.min() < 1e-6 and 1 - 1e-6 < heat.max() <= 1
    left, top, right, bottom = PART
    v, u = np.unravel_index(heat.argmax(), heat.shape)
    assert left <= u < right and top <= v < bottom
    for name in ("heatmap", "overlay", "grasp_points", "grasp_pixels"):
        assert answers[name].header.frame_id == FRAME
    assert all(each.header.frame_id == FRAME for each in answers["markers"].markers)

    best = answers["grasp_points"].poses[0]
    expected = ((MIDDLE[0] - 159.5) / 300 * 0.76, (MIDDLE[1] - 119.5) / 300 * 0.76, 0.76)
    # The best point lies anywhere along the bar, in the middle across it, on its surface.
    assert best.position.x == pytest.approx(expected[0], abs=0.01)
    assert best.position.y == pytest.approx(expected[1], abs=0.10)
    assert best.position.z == pytest.approx(0.76, abs=0.002)
    x, y, z, w = best.orientation.x, best.orientation.y, best.orientation.z, best.orientation.w
    approach = np.array([2 * (x * z + y * w), 2 * (y * z - x * w), 1 - 2 * (x * x + y * y)])
    closing = np.array([1 - 2 * (y * y + z * z), 2 * (x * y + z * w), 2 * (x * z - y * w)])
    assert approach[2] > 0.95  # into the table
    assert abs(closing[0]) > 0.95  # across the bar
    pixel = answers["grasp_pixels"].polygon.points[0]
    assert left <= pixel.x < right and top <= pixel.y < bottom and 0 < pixel.z <= 1

    values = {each.key: each.value for each in status.status[0].values}
    assert values["action"] == "hold" and float(values["confidence"]) > 0.9
    assert float(values["widths_m"].split()[0]) == pytest.approx(32 / 300 * 0.76, abs=0.02)
    assert float(values["inference_ms"]) > 0 and float(values["latency_ms"]) >= float(values["inference_ms"])
    shown = {each.ns for each in answers["markers"].markers if each.action == Marker.ADD}
    assert shown == {"approach", "gripper", "label"}

    overlay = pixels_of(answers["overlay"])
    assert overlay.shape == image.shape
    # bgr8: away from the heat the overlay is the image with its channels turned around.
    assert overlay[150, 60].tolist() == [0, 0, 255] and overlay[235, 310].tolist() == [120, 120, 120]


def test_the_image_of_a_turned_camera_is_seen_upright_and_answered_as_it_is(start, bundle):
    robot, node = start(outputs=("heatmap", "grasp_points", "status"), action="hold")
    image, depth = scene(hold=PART), bar_depth(320, 240, PART)
    heat, points = [], []
    for turn in (0, 90):
        assert node.set_parameters([Parameter("image_turn", value=turn)])[0].successful
        # What is on its way still may be answered with the former turn.
        robot.spin(0.3)
        poses = robot.answer("grasp_points", image, depth, calibration(), fits=lambda message: message.poses)
        heat.append(pixels_of(robot.beside(poses, "heatmap")))
        points.append(poses.poses[0].position)
    with load(bundle, backend="onnxruntime", precision="fp32") as model:
        for turn, found in zip((0, 90), heat, strict=True):
            assert found == pytest.approx(model.ground(image, turn).heatmap("hold").values, abs=1e-5)
    assert np.abs(heat[0] - heat[1]).max() > 1e-3  # stretched another way
    # Across the bar and on it; along the bar it may lie anywhere.
    assert (points[1].x, points[1].z) == pytest.approx((points[0].x, points[0].z), abs=0.01)
    assert points[1].y == pytest.approx(points[0].y, abs=0.10)
    refused = node.set_parameters([Parameter("image_turn", value=45)])[0]
    assert not refused.successful
    assert refused.reason == "parameter image_turn is 45, must be one of 0, 90, 180, 270"


def test_a_new_turn_grounds_the_newest_image_anew(start):
    """As a new action does; what was found with the former turn is no answer to it."""
    robot, node = start(outputs=("heatmap",), action="hold")
    robot.answer("heatmap", scene(hold=PART, cut_with=OTHER))
    robot.spin(0.3)
    first = robot.heard["heatmap"][-1]
    assert node.set_parameters([Parameter("image_turn", value=90)])[0].successful
    count = len(robot.heard["heatmap"])
    robot.say("cut_with")
    robot.until(lambda: len(robot.heard["heatmap"]) > count, "the answer to the new action")
    count = len(robot.heard["heatmap"])
    robot.say("hold")
    robot.until(lambda: len(robot.heard["heatmap"]) > count, "the answer to the former action")
    again = robot.heard["heatmap"][-1]
    assert stamp_of(again) == stamp_of(first)
    assert np.abs(pixels_of(again) - pixels_of(first)).max() > 1e-3


def test_a_new_action_is_answered_from_the_newest_image(start):
    robot, _ = start(outputs=("heatmap",))
    robot.say("hold")
    robot.answer("heatmap", scene(hold=PART, cut_with=OTHER))
    robot.spin(0.3)  # whatever was sent again is answered
    count, asked = len(robot.heard["heatmap"]), stamp_of(robot.heard["heatmap"][-1])
    robot.say("Cut With")
    robot.until(lambda: len(robot.heard["heatmap"]) > count, "the answer to the new action")
    newest = robot.heard["heatmap"][-1]
    v, u = np.unravel_index(pixels_of(newest).argmax(), (240, 320))
    assert OTHER[0] <= u < OTHER[2] and OTHER[1] <= v < OTHER[3]
    assert stamp_of(newest) == asked


def test_an_action_before_the_first_image_waits_for_it(start):
    robot, _ = start(outputs=("heatmap",))
    robot.say("pour")
    robot.until(lambda: robot.facts()["action"] == "pour", "the action in diagnostics")
    assert not robot.heard["heatmap"]
    assert robot.answer("heatmap", scene(pour=PART)).encoding == "32FC1"


def test_an_image_before_the_first_action_is_answered_when_it_comes(start):
    robot, _ = start(outputs=("heatmap",))
    robot.until(
        lambda: robot.facts()["received_images"] != "0",
        "an image",
        every=lambda: robot.show(scene(pour=PART)),
    )
    robot.until(lambda: robot.facts()["state"] == "waiting for an action on /affordance/action", "the state")
    assert not robot.heard["heatmap"]
    robot.say("pour")
    robot.until(lambda: robot.heard["heatmap"], "the answer")


def test_an_old_image_is_not_answered(start):
    robot, _ = start(outputs=("heatmap",), max_frame_age=0.2)
    robot.until(
        lambda: robot.facts()["received_images"] != "0",
        "an image",
        every=lambda: robot.show(scene(pour=PART)),
    )
    robot.spin(0.4)
    robot.say("pour")
    robot.told("s ago, too old to answer")
    assert not robot.heard["heatmap"]


def test_action_parameter_is_the_first_action(start):
    robot, _ = start(outputs=("heatmap",), action="pour")
    robot.answer("heatmap", scene(pour=PART))


def test_parameter_and_topic_action_are_one(start):
    robot, node = start(outputs=("heatmap",))
    parameter = lambda: node.get_parameter("action").value  # noqa: E731
    set_to = lambda value: node.set_parameters([Parameter("action", value=value)])[0]  # noqa: E731
    assert set_to("Cut With").successful
    robot.answer("heatmap", scene(cut_with=PART))
    refused = set_to("fly")
    assert not refused.successful and refused.reason.startswith("unknown action 'fly': This model knows: ")
    robot.say("hold")
    robot.until(lambda: parameter() == "hold", "the parameter")
    robot.answer("heatmap", scene(hold=PART))
    robot.say("fly")
    robot.until(lambda: parameter() == "", "the parameter of no action")
    assert set_to("pour").successful
    robot.until(lambda: robot.facts()["state"] == "answering pour", "pour")
    assert set_to("").successful
    robot.until(lambda: robot.facts()["state"].startswith("waiting for an action"), "no action")


def test_a_value_for_no_parameter_is_a_lasting_warning(start):
    robot, _ = start(action="hold", treshold=0.4)
    robot.told("parameters: this node has no parameter 'treshold' (did you mean threshold?)")
    robot.answer("heatmap", scene(hold=PART))
    robot.told("parameters: this node has no parameter 'treshold'")


def test_a_part_that_is_absent_has_no_grasp_point_and_its_markers_go(start):
    robot, _ = start(action="hold")
    robot.answer_in_3d(scene(hold=PART), bar_depth(320, 240, PART), calibration())
    before = len(robot.heard["markers"])
    status = robot.answer("status", scene(), np.full((240, 320), 800, np.uint16), calibration())
    poses = robot.beside(status, "grasp_points")
    assert not poses.poses and poses.header.frame_id == FRAME
    values = {each.key: each.value for each in status.status[0].values}
    assert float(values["confidence"]) < 0.1 and "confidence" in values["grasp_notes"]
    deletions = [
        each
        for message in robot.heard["markers"][before:]
        for each in message.markers
        if each.action == Marker.DELETE
    ]
    assert {each.ns for each in deletions} == {"approach", "gripper", "label"}


def test_compressed_image_and_depth(start):
    robot, _ = start(
        image_type=CompressedImage, action="hold", image_transport="compressed", depth_transport="compressed"
    )
    image = compressed_image(encoded(scene(hold=PART)[..., ::-1], ".jpg"), "rgb8; jpeg compressed bgr8")
    depth = compressed_image(encoded(bar_depth(320, 240, PART), ".png"), "16UC1; png")
    status = robot.answer_in_3d(image, depth, calibration())
    poses = robot.beside(status, "grasp_points")
    assert poses.poses[0].position.z == pytest.approx(0.76, abs=0.002)
    trailing = compressed_image(bytes(image.data) + b"\r\n\xff", "jpeg")
    by_codec = compressed_image(bytes(depth.data), "png")
    status = robot.answer_in_3d(trailing, by_codec, calibration())
    assert robot.beside(status, "grasp_points").poses[0].position.z == pytest.approx(0.76, abs=0.002)


def test_the_largest_image_is_a_parameter(start):
    robot, node = start(outputs=("heatmap",), action="hold", max_image_pixels=320 * 240 - 1)
    robot.told(
        "the image has 320 x 240 pixels; at most 76799 are read: send smaller ones, or raise "
        "max_image_pixels",
        every=lambda: robot.show(scene(hold=PART)),
    )
    assert node.set_parameters([Parameter("max_image_pixels", value=320 * 240)])[0].successful
    robot.answer("heatmap", scene(hold=PART))


def test_parameters_take_effect_at_once(start):
    robot, node = start(outputs=("grasp_pixels",), action="hold")
    image = scene(hold=PART)
    assert robot.answer("grasp_pixels", image).polygon.points
    assert node.set_parameters([Parameter("min_confidence", value=1.0)])[0].successful
    robot.spin(0.3)
    assert not robot.answer("grasp_pixels", image).polygon.points


def test_an_action_that_cannot_arrive_is_told(start):
    robot, _ = start(outputs=())
    robot.create_publisher(String, "action", QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT))
    told = robot.told("QoS of /affordance/action")
    assert "/affordance/robot: Best effort publisher and reliable subscription; no message passes" in told


def test_a_subscriber_that_cannot_hear_is_told(start):
    robot, _ = start(outputs=())
    demanding = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    robot.create_subscription(Image, "heatmap", lambda _: None, demanding)
    told = robot.told("QoS of /affordance/heatmap")
    assert "/affordance/robot: Volatile publisher and transient local subscription; no message passes" in told


def test_a_camera_that_does_not_send_is_told(start, monkeypatch):
    monkeypatch.setattr("selcon_ros.ros.camera_watch.SILENCE_SECONDS", 0.3)
    robot, _ = start(outputs=("heatmap",), action="hold")
    robot.told("/affordance/image has a publisher that sends nothing")
    robot.destroy_publisher(robot.image)
    robot.told("nobody publishes /affordance/image: remap image to the camera's topic")
    with context() as elsewhere:  # one participant cannot have a topic with two types
        camera = Node("camera", context=elsewhere, namespace="affordance")
        camera.create_publisher(CompressedImage, "image", 1)
        robot.told("carries sensor_msgs/msg/CompressedImage, this node takes sensor_msgs/msg/Image: set ")
        camera.destroy_node()
    robot.image = robot.create_publisher(Image, "image", 1)
    robot.answer("heatmap", scene(hold=PART))
    robot.until(
        lambda: "camera" not in robot.problems(), "recovery", every=lambda: robot.show(scene(hold=PART))
    )


def test_times_and_counts_are_in_diagnostics(start):
    robot, _ = start(outputs=("heatmap",), action="hold")
    robot.answer("heatmap", scene(hold=PART))
    robot.until(lambda: robot.facts()["answered_images"] != "0", "the count")
    facts = robot.facts()
    assert (
        facts["model"] == "colours"
        and facts["action"] == "hold"
        and "onnxruntime" in facts["engine"].lower().replace(" ", "")
        and facts["engine_choice"].startswith("onnxruntime: ")
    )
    for name in ("latency", "inference", "overhead", "waiting", "grasping"):
        assert 0 <= float(facts[f"{name}_ms"]) <= float(facts[f"{name}_p95_ms"])
    assert facts["last_problem"] == "none" and float(facts["confidence"]) > 0.9
    status = robot.heard["diagnostics"][-1].status[0]
    assert status.name == "/affordance/grounding" and status.level == b"\0"


def test_stopping_ends_the_worker(start):
    _, node = start(outputs=())
    node.close()
    assert not any(
        thread.name == "grounding worker" and thread.is_alive() for thread in threading.enumerate()
    )


def test_grasp_points_are_averaged_while_nothing_moves(start):
    robot, node = start(outputs=("grasp_points",), steady_frames=100)
    robot.say("hold")
    image, near, far = scene(hold=PART), bar_depth(320, 240, PART), bar_depth(320, 240, PART)
    near[near == 760], far[far == 760] = 755, 765

    def seen(depth) -> float:
        poses = robot.answer("grasp_points", image, depth, calibration(), fits=lambda message: message.poses)
        return float(poses.poses[0].position.z)

    assert seen(near) == pytest.approx(0.755, abs=1e-4)
    assert 0.756 < seen(far) < 0.764
    node.set_parameters([Parameter("steady_frames", value=1)])
    assert seen(far) == pytest.approx(0.765, abs=1e-4)
