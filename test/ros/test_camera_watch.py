"""What the node says about its topics: who is not heard, and why, and when that is over."""

import pytest
from rcl_interfaces.msg import Log
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import String

from selcon_ros.ros import diagnostics, fastdds
from selcon_ros.ros.camera_watch import losses, why_silent
from selcon_ros.ros.inputs import Input, Losses
from support.messages import raw_image
from support.ros import calibration, context
from support.scenes import bar_depth, scene

PART = (200, 48, 232, 144)
IMAGE, DEPTH = scene(hold=PART), bar_depth(320, 240, PART)
BEST_EFFORT = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)


@pytest.fixture(autouse=True)
def profile_for_any_machine(monkeypatch):
    """The tests' own profile keeps traffic on the machine, and the node says so."""
    monkeypatch.setattr(fastdds, "local_only", lambda: False)


def test_a_camera_that_comes_back_is_said_to_work_again(start, monkeypatch):
    monkeypatch.setattr("selcon_ros.ros.camera_watch.SILENCE_SECONDS", 0.5)
    monkeypatch.setattr(diagnostics, "SETTLED_SECONDS", 0.2)
    robot, _ = start(outputs=("heatmap",))
    heard: list[str] = []
    robot.create_subscription(Log, "/rosout", lambda said: heard.append(said.msg), 100)
    robot.told("camera: no image for")
    robot.until(lambda: "camera: works again" in heard, "the line", every=lambda: robot.show(IMAGE))


def test_a_qos_that_does_not_fit_is_told_until_the_other_node_is_gone(start):
    robot, _ = start(outputs=())
    shy = robot.create_publisher(String, "action", BEST_EFFORT)
    told = robot.told("QoS of /affordance/action: /affordance/robot: Best effort publisher")
    assert "qos_overrides./affordance/action.subscription.reliability to best_effort" in told
    deaf = robot.create_subscription(
        Image, "heatmap", lambda _: None, QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    )
    robot.told("QoS of /affordance/heatmap: /affordance/robot: Volatile publisher")
    robot.destroy_publisher(shy)
    robot.destroy_subscription(deaf)
    robot.until(lambda: "QoS" not in robot.problems(), "the end of the warnings")


def test_a_calibration_that_was_sent_once_before_the_start_is_heard(start, bundle):
    once = QoSProfile(
        depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
    )
    with context() as elsewhere:
        driver = Node("driver", context=elsewhere, namespace="affordance")
        driver.create_publisher(CameraInfo, "camera_info", once).publish(calibration())
        robot, node = start(action="hold")
        robot.answer("grasp_points", IMAGE, DEPTH, fits=lambda message: message.poses)
        assert len(node._inputs.depth_sync.infos) == 1
        driver.destroy_node()
    # A volatile camera is heard as before, beside it and after it.
    robot.answer_in_3d(IMAGE, DEPTH, calibration())


def test_a_missing_calibration_names_topic_publisher_and_cure(start):
    robot, _ = start(action="hold")

    def show() -> None:
        robot.show(IMAGE, DEPTH)

    robot.told(
        "no camera_info has come yet: /affordance/camera_info has a publisher that sends nothing, /aff", show
    )
    robot.destroy_publisher(robot.info)
    robot.told(
        "no camera_info has come yet: nobody publishes /affordance/camera_info: remap camera_info to the",
        show,
    )
    with context() as elsewhere:  # one participant cannot have a topic with two types
        other = Node("other", context=elsewhere, namespace="affordance")
        other.create_publisher(String, "camera_info", 1)
        robot.told(
            "/affordance/camera_info carries std_msgs/msg/String, this node takes sensor_msgs/msg/Cam", show
        )
        other.destroy_node()


def test_a_calibration_of_another_frame_names_topic_and_publisher(start):
    robot, _ = start(action="hold")
    info = calibration()
    info.header.frame_id = "depth_optical_frame"
    told = robot.told("camera_info is in frame 'depth_optical_frame'", lambda: robot.show(IMAGE, DEPTH, info))
    assert "(/affordance/camera_info of /affordance/robot; grasp points stay in pixels)" in told


def test_depth_that_is_lost_is_told_from_depth_that_is_not_synchronised(start):
    robot, node = start(action="hold", sync_wait=0.0)
    late = raw_image(DEPTH, "16UC1")

    def show() -> None:
        robot.show(IMAGE)
        late.header = robot.stamp()
        robot.depth.publish(late)

    robot.told("earlier; synchronise the topics or raise sync_tolerance", show)
    node._inputs.depth_sync.depth_input.lost += 100
    told = robot.told("messages on /affordance/depth were lost on the way", show)
    assert "losses on /affordance/depth" in told
    robot.until(lambda: "synchronise" not in robot.problems(), "the right reason", show)


def test_losses_are_serious_when_there_are_some_and_they_are_many():
    assert not Losses(came=0, lost=2).serious
    assert not Losses(came=100, lost=10).serious
    assert Losses(came=20, lost=3).serious and Losses(came=0, lost=3).serious


def test_silence_begins_when_callbacks_run_not_while_a_model_is_opened(monkeypatch):
    with context() as made:
        node = Node("ear", context=made)
        now = [1000.0]
        monkeypatch.setattr("selcon_ros.ros.inputs.time.monotonic", lambda: now[0])
        heard = Input(node, "image", Image, lambda _: None, depth=1)
        now[0] += 60.0
        heard.look()
        assert heard.silence == 0.0
        now[0] += 3.0
        heard.look()
        assert heard.silence == 3.0
        node.destroy_node()


@pytest.mark.parametrize("remote", [False, True])
def test_the_cure_of_losses_depends_on_where_the_camera_is(start, monkeypatch, remote):
    monkeypatch.delenv(fastdds.profile_variable(), raising=False)
    monkeypatch.setattr(fastdds, "other_host", lambda one, other: remote)
    robot, node = start(outputs=("heatmap",))
    heard = node._inputs.image
    robot.until(lambda: heard.publishers and heard.endpoint, "the ROS graph")
    heard.lost += 7
    assert ("without its address list" in losses(heard)) is remote


@pytest.mark.parametrize("local", [False, True])
def test_a_profile_that_hears_no_other_machine_is_told_where_nobody_publishes(monkeypatch, local):
    monkeypatch.setattr(fastdds, "local_only", lambda: local)
    with context() as made:
        node = Node("alone", context=made)
        heard = Input(node, "image", Image, lambda _: None, depth=1)
        said = why_silent(heard)
        assert said.startswith("nobody publishes /image: remap image to the camera's topic")
        assert ("with this Fast DDS profile no other machine is heard" in said) is local
        node.destroy_node()


def test_old_losses_are_forgotten(monkeypatch):
    with context() as made:
        node = Node("ear", context=made)
        now = [1000.0]
        monkeypatch.setattr("selcon_ros.ros.inputs.time.monotonic", lambda: now[0])
        heard = Input(node, "image", Image, lambda _: None, depth=1)
        heard.look()
        heard.lost += 7
        heard.look()
        assert heard.losses == Losses(came=0, lost=7)
        assert "7 of the last 7 messages on /image were lost on the way" in losses(heard)
        now[0] += 11.0
        heard.look()
        assert heard.losses == Losses(came=0, lost=0)
        heard.lost += 5
        now[0] += 60.0  # diagnostics_period may be so long
        heard.look()
        assert heard.losses == Losses(came=0, lost=5)
        now[0] += 60.0
        heard.look()
        assert heard.losses == Losses(came=0, lost=0)
        node.destroy_node()


def test_a_base_topic_that_carries_raw_images_only_is_told(start, monkeypatch):
    monkeypatch.setattr("selcon_ros.ros.camera_watch.SILENCE_SECONDS", 0.3)
    with context() as made:
        node = Node("ear", context=made)
        heard = Input(node, "image", CompressedImage, lambda _: None, depth=1, transport="compressed")
        assert why_silent(heard) == "nobody publishes /image/compressed: remap image to the camera's topic"
        node.create_publisher(Image, "image", 1)
        heard.look()
        assert heard.topic == "/image/compressed"
        told = why_silent(heard)
        assert "nobody publishes /image/compressed, and /image carries sensor_msgs/msg/Image: set im" in told
        node.destroy_node()


def test_a_topic_of_another_form_or_name_is_named_where_nobody_publishes_the_one_that_is_heard():
    with context() as made:
        node, camera = Node("ear", context=made), Node("camera", context=made)
        heard = Input(node, "image", Image, lambda _: None, depth=1)
        node.create_publisher(Image, "image_of_its_own", 1)
        node.create_subscription(Image, "image_that_is_heard", lambda _: None, 1)
        assert why_silent(heard) == "nobody publishes /image: remap image to the camera's topic"
        for topic in ("/wrist/colour", "/images", "/a", "/b", "/c"):
            camera.create_publisher(Image, topic, 1)
        told = why_silent(heard)
        assert "remap image to the camera's topic; sensor_msgs/msg/Image is on /images, " in told
        assert told.count(",") == 3
        camera.create_publisher(CompressedImage, "/image/compressed", 1)
        assert why_silent(heard) == (
            "nobody publishes /image, but /image/compressed is published: set image_transport to compressed"
        )
        info = Input(node, "camera_info", CameraInfo, lambda _: None, depth=1)
        camera.create_publisher(CameraInfo, "/camera/camera_info", 1)
        assert why_silent(info).endswith("; sensor_msgs/msg/CameraInfo is on /camera/camera_info")
        node.destroy_node()
        camera.destroy_node()


def test_a_base_topic_that_carries_compressed_images_is_taken():
    with context() as made:
        node = Node("ear", context=made)
        heard = Input(node, "image", CompressedImage, lambda _: None, depth=1, transport="compressed")
        node.create_publisher(CompressedImage, "image", 1)
        heard.look()
        assert heard.topic == "/image"
        assert node.count_subscribers("/image") == 1 and node.count_subscribers("/image/compressed") == 0
        node.destroy_node()
