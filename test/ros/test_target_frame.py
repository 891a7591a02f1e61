"""Poses, markers and clouds in a target frame; what is said where tf2 or a transform is missing."""

from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
from geometry_msgs.msg import Quaternion, TransformStamped, Vector3
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile

from selcon_ros.model import load
from selcon_ros.ros import interfaces
from support.lifecycle import ACTIVATE, CONFIGURE, DEACTIVATE
from support.messages import FRAME, header
from support.ros import Robot, calibration, pixels_of, stamp_of
from support.scenes import bar_depth, level, scene

PART = (200, 48, 232, 144)
IMAGE, DEPTH = scene(hold=PART), bar_depth(320, 240, PART)
OUTPUTS = ("grasp_points", "grasp_pixels", "markers", "cloud", "status")
with_tf2 = pytest.mark.skipif(
    find_spec("tf2_ros") is None, reason="tf2_ros is missing: it comes with a ROS 2 installation"
)
without_tf2 = pytest.mark.skipif(find_spec("tf2_ros") is not None, reason="tf2_ros is installed")


def transform(seconds: float, x: float, parent: str = "base_link") -> TransformStamped:
    """The camera looks straight down from 1 m above x, with its image's top forward."""
    half = float(np.sqrt(0.5))
    message = TransformStamped(header=header(seconds, parent), child_frame_id=FRAME)
    message.transform.translation = Vector3(x=x, y=0.0, z=1.0)
    message.transform.rotation = Quaternion(x=half, y=-half, z=0.0, w=0.0)
    return message


def broadcast(robot: Robot, topic: str, *transforms: TransformStamped) -> None:
    from tf2_msgs.msg import TFMessage

    qos = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    robot.transforms = robot.create_publisher(TFMessage, topic, qos)  # as long as the robot
    robot.until(robot.transforms.get_subscription_count, f"a subscriber of {topic}")
    robot.transforms.publish(TFMessage(transforms=list(transforms)))


def answer(robot: Robot, frame: str) -> dict[str, Any]:
    """Every output of an image whose poses are in a frame."""
    robot.say("hold")
    fits = lambda message: message.poses and message.header.frame_id == frame  # noqa: E731
    poses = robot.answer("grasp_points", IMAGE, DEPTH, calibration(), fits=fits)
    return {name: robot.beside(poses, name) for name in OUTPUTS}


def facts(status: Any) -> dict[str, str]:
    return {each.key: each.value for each in status.status[0].values}


def in_camera_frame(found: dict[str, Any]) -> None:
    """All of an answer is in the camera's frame, and says so."""
    assert {found[name].header.frame_id for name in ("grasp_points", "grasp_pixels", "cloud")} == {FRAME}
    assert {marker.header.frame_id for marker in found["markers"].markers} == {FRAME}
    assert facts(found["status"])["frame"] == FRAME
    assert found["grasp_points"].poses[0].position.z == pytest.approx(0.76, abs=0.002)


@without_tf2
def test_without_tf2_the_poses_stay_in_the_cameras_frame(start) -> None:
    robot, _ = start(outputs=OUTPUTS, target_frame="base_link")
    in_camera_frame(answer(robot, FRAME))
    said = robot.told("target_frame: poses, markers and cloud stay in the camera's frame")
    assert "tf2_ros cannot be imported" in said and "install ros-$ROS_DISTRO" in said


def test_without_a_target_frame_nothing_is_said(start) -> None:
    robot, node = start(outputs=OUTPUTS)
    in_camera_frame(answer(robot, FRAME))
    assert "target_frame" not in robot.problems()
    assert node.count_subscribers("/tf") == 0


@with_tf2
def test_poses_markers_and_cloud_are_in_the_target_frame(start) -> None:
    robot, _ = start(outputs=OUTPUTS, target_frame="base_link")
    broadcast(robot, "/tf_static", transform(0.0, 0.5))
    found = answer(robot, "base_link")
    pose = found["grasp_points"].poses[0]
    pixel = found["grasp_pixels"].polygon.points[0]
    right, down = ((value - centre) / 300 * 0.76 for value, centre in ((pixel.x, 159.5), (pixel.y, 119.5)))
    assert found["grasp_pixels"].header.frame_id == FRAME
    assert pose.position.x == pytest.approx(0.5 - down, abs=0.002)
    assert pose.position.y == pytest.approx(-right, abs=0.002)
    assert pose.position.z == pytest.approx(0.24, abs=0.002)
    q = pose.orientation
    assert 1 - 2 * (q.x**2 + q.y**2) < -0.95  # approached from above
    markers = found["markers"].markers
    assert {marker.header.frame_id for marker in markers} == {"base_link"}
    label = next(marker for marker in markers if marker.ns == "label")
    assert label.pose.position.z > pose.position.z + 0.1
    cloud = found["cloud"]
    assert cloud.header.frame_id == "base_link" and stamp_of(cloud) == stamp_of(found["status"])
    heights = np.frombuffer(cloud.data, "<f4").reshape(-1, 5)[:, 2]
    assert set(np.round(heights, 3)) == {np.float32(0.2), np.float32(0.24)}
    assert facts(found["status"])["frame"] == "base_link"
    robot.until(lambda: "target_frame" not in robot.problems(), "no problem any more")


@with_tf2
def test_the_transform_is_that_of_the_images_stamp(start) -> None:
    robot, _ = start(outputs=OUTPUTS, target_frame="base_link")
    # Images are one second apart from 101 s on; the camera moves by a millimetre a second.
    broadcast(robot, "/tf", *(transform(at, 0.001 * at) for at in (100.0, 190.0, 290.0)))
    found = answer(robot, "base_link")
    down = (found["grasp_pixels"].polygon.points[0].y - 119.5) / 300 * 0.76
    expected = 0.001 * stamp_of(found["grasp_points"]) - down
    assert found["grasp_points"].poses[0].position.x == pytest.approx(expected, abs=0.0005)


@with_tf2
def test_a_transform_that_is_missing_is_named(start) -> None:
    robot, _ = start(outputs=OUTPUTS, target_frame="base_link")
    in_camera_frame(answer(robot, FRAME))
    said = robot.told("target_frame: poses, markers and cloud stay in the camera's frame")
    assert f"no transform from '{FRAME}' to 'base_link'" in said
    broadcast(robot, "/tf_static", transform(0.0, 0.5))
    answer(robot, "base_link")
    robot.until(lambda: "target_frame" not in robot.problems(), "the problem to be over")


@with_tf2
def test_a_transform_that_is_too_old_is_named(start) -> None:
    robot, _ = start(outputs=OUTPUTS, target_frame="base_link", sync_wait=0.1)
    broadcast(robot, "/tf", transform(10.0, 0.5))
    in_camera_frame(answer(robot, FRAME))
    assert "extrapolation" in robot.told("target_frame: poses").lower()


@with_tf2
def test_a_target_frame_that_cannot_be_is_named(start) -> None:
    robot, _ = start(outputs=OUTPUTS, target_frame="/base_link")
    in_camera_frame(answer(robot, FRAME))
    assert "'/'" in robot.told("target_frame: poses")


def turned(turn: int, seconds: float) -> TransformStamped:
    """A camera that looks level, and whose image must be turned to be upright."""
    message = transform(seconds, 0.0)
    x, y, z, w = level(turn).rotation
    message.transform.rotation = Quaternion(x=x, y=y, z=z, w=w)
    return message


def shows_turn(robot: Robot, turn: int) -> None:
    robot.until(lambda: robot.facts()["image_turn"] == str(turn), f"an image that was turned by {turn}")


@with_tf2
def test_images_are_turned_by_where_up_is(start, bundle) -> None:
    """While the camera turns; what is asked for is the same as with the same turn that is given."""
    robot, _ = start(outputs=("heatmap",), action="hold", target_frame="base_link", image_turn_by_tf=True)
    # Images are one second apart from 101 s on.
    broadcast(
        robot, "/tf", *(turned(0, at) for at in (100.0, 110.0)), *(turned(90, at) for at in (111.0, 300.0))
    )
    with load(bundle, backend="onnxruntime", precision="fp32") as model:
        for seconds, turn in ((105.0, 0), (120.0, 90)):
            heatmap = robot.answer("heatmap", IMAGE)
            while stamp_of(heatmap) < seconds:
                heatmap = robot.answer("heatmap", IMAGE)
            expected = model.ground(IMAGE, turn).heatmap("hold").values
            assert pixels_of(heatmap) == pytest.approx(expected, abs=1e-5)
            shows_turn(robot, turn)
    assert "image_turn_by_tf" not in robot.problems()


@with_tf2
def test_a_late_transform_tells_where_up_is_and_one_that_is_old_does_not(start) -> None:
    robot, _ = start(
        outputs=("heatmap",), action="hold", target_frame="base_link", image_turn_by_tf=True, image_turn=270
    )
    robot.answer("heatmap", IMAGE)
    shows_turn(robot, 270)
    assert "no transform from" in robot.told(
        "image_turn_by_tf: images are turned by image_turn (270 degrees)"
    )
    broadcast(robot, "/tf", *(turned(180, at) for at in (100.0, 101.5)))
    robot.answer("heatmap", IMAGE)
    shows_turn(robot, 180)
    while "the newest is" not in robot.problems():
        robot.answer("heatmap", IMAGE)
        robot.spin(0.2)
    shows_turn(robot, 270)


@pytest.mark.parametrize(
    ("target", "said"), [("", "there is no target_frame"), (FRAME, "is the camera's own")]
)
def test_images_cannot_be_turned_without_a_frame_whose_z_is_up(start, target: str, said: str) -> None:
    robot, node = start(
        outputs=("heatmap",), action="hold", target_frame=target, image_turn_by_tf=True, image_turn=90
    )
    robot.answer("heatmap", IMAGE)
    assert said in robot.told("image_turn_by_tf: images are turned by image_turn (90 degrees)")
    shows_turn(robot, 90)
    node.set_parameters([Parameter("image_turn_by_tf", value=False)])
    robot.answer("heatmap", IMAGE)
    robot.until(lambda: "image_turn_by_tf" not in robot.problems(), "no problem any more")


@with_tf2
def test_while_the_node_is_not_active_it_does_not_listen_to_transforms(managed) -> None:
    robot, node, manager = managed(outputs=OUTPUTS, target_frame="base_link", action="hold")
    assert manager(CONFIGURE) and node.count_subscribers("/tf") == 0
    for again in (False, True):
        assert manager(ACTIVATE)
        if not again:  # static transforms are latched
            broadcast(robot, "/tf_static", transform(0.0, 0.5))
        answer(robot, "base_link")
        assert manager(DEACTIVATE)
        robot.until(lambda: node.count_subscribers("/tf") == 0, "no subscription")


@pytest.mark.skipif(
    bool(interfaces.MISSING), reason=f"{interfaces.MISSING}: python tools/build_interfaces.py"
)
def test_results_say_that_their_poses_are_not_in_the_target_frame(start) -> None:
    """On the topic and in an answer: programs need a code, whether tf2 is missing or the transform."""
    robot, _ = start(outputs=("result",), action="hold", target_frame="nowhere")
    client = robot.create_client(interfaces.Ground, "ground")
    robot.until(client.service_is_ready, "the service")
    fits = lambda message: any(each.has_pose for each in message.grasps)  # noqa: E731
    result = robot.answer("result", IMAGE, DEPTH, calibration(), fits=fits)
    asked = client.call_async(interfaces.Ground.Request(actions=["hold", "cut_with"]))
    robot.until(asked.done, "the answer")
    hold, cut = asked.result().results
    for each in (result, hold):
        assert each.header.frame_id == FRAME and each.grasps[0].has_pose
        (reason,) = each.reasons
        assert reason.code == interfaces.Reason.NO_TRANSFORM and "stay in the camera's frame" in reason.text
    assert [each.code for each in cut.reasons] == [interfaces.Reason.LOW_CONFIDENCE]  # it has no pose
