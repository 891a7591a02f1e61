"""What is wrong in a running graph is told: real nodes and cameras, judged from outside."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is missing: pip install 'selcon_ros[ros]'")

from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from selcon_ros.doctor import cameras
from selcon_ros.doctor.check import Check, CheckLevel
from selcon_ros.doctor.graph import check_graph
from selcon_ros.ros.parameters import Settings
from selcon_ros.ros.running_nodes import Topics, spinning
from support import ros
from support.bundles import colour_bundle
from support.messages import camera_info, header, raw_image
from support.scenes import bar_depth, scene

PART = (200, 48, 232, 144)
IMAGE, DEPTH = scene(hold=PART), bar_depth(320, 240, PART)
TOPICS = Topics("/affordance/image", "/affordance/depth", "/affordance/camera_info")
OK, WARN, FAIL = CheckLevel
Publish = Callable[["Camera", int, Any], None]


pytestmark = pytest.mark.usefixtures("own_domain")


class Camera(Node):
    """Publishes images with depth and calibration."""

    def __init__(
        self, context: Any, image_type: type = Image, qos: QoSProfile | None = None, depth: str = "depth"
    ) -> None:
        super().__init__("camera", context=context, namespace="affordance", start_parameter_services=False)
        qos = qos or QoSProfile(depth=2, reliability=ReliabilityPolicy.BEST_EFFORT)
        self.image = self.create_publisher(image_type, "image", qos)
        self.depth = self.create_publisher(Image, depth, qos)
        self.info = self.create_publisher(CameraInfo, "camera_info", qos)

    def now(self) -> Any:
        return header(self.get_clock().now().nanoseconds * 1e-9)


def whole(camera: Camera, count: int, stamp: Any) -> None:
    """All that a good camera sends."""
    camera.info.publish(camera_info(320, 240, 300.0, stamp))
    camera.depth.publish(raw_image(DEPTH, "16UC1", stamp=stamp))
    camera.image.publish(raw_image(IMAGE, "rgb8", stamp=stamp))


def without_depth(camera: Camera, count: int, stamp: Any) -> None:
    """The same, but for the depth."""
    camera.info.publish(camera_info(320, 240, 300.0, stamp))
    camera.image.publish(raw_image(IMAGE, "rgb8", stamp=stamp))


@contextmanager
def running(publish: Publish = whole, **options: Any) -> Iterator[Camera]:
    """A camera that publishes ten times a second."""
    with ros.context() as context:
        camera = Camera(context, **options)
        ended = threading.Event()

        def work() -> None:
            count = 0
            while not ended.wait(0.1):
                publish(camera, count, camera.now())
                count += 1

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield camera
        finally:
            ended.set()
            thread.join()
            camera.destroy_node()


def look(topics: Topics | None = TOPICS, seconds: float = 1.5, **settings: Any) -> dict[str, Check]:
    return {check.name: check for check in check_graph(topics, Settings(**settings), seconds)}


def test_a_node_and_its_camera_in_order(tmp_path: Path) -> None:
    bundle = colour_bundle(tmp_path / "colours")
    with running(), ros.context() as context, ros.running_node(context, bundle, action="hold"):
        found = look(None)
    assert not [check for check in found.values() if check.level != OK]
    assert found["/affordance/grounding"].found.startswith("resting")
    assert "/affordance/image: 320 x 240 rgb8" in found["image"].found
    assert "/affordance/camera" in found["image"].found
    assert "focal length 300 px" in found["calibration"].found
    assert "/affordance/depth" in found["depth"].found


def test_depth_images_that_are_lost_now_and_then_are_no_fault() -> None:
    """As on a busy machine: the first image that is judged has none beside it, whichever that is."""

    def publish(camera: Camera, count: int, stamp: Any) -> None:
        whole(camera, count, stamp) if count % 4 == 0 else without_depth(camera, count, stamp)

    with running(publish):
        levels = [look()["depth"].level for _ in range(3)]
    assert levels == [OK] * 3


def test_what_the_node_says_of_itself_is_told(tmp_path: Path) -> None:
    bundle = colour_bundle(tmp_path / "colours")
    with ros.context() as context, ros.running_node(context, bundle) as node:
        node._health.problem("image", "made up for this test")
        found = look(None)
    assert found["/affordance/grounding"].level == WARN
    assert "made up for this test" in found["/affordance/grounding"].found
    assert found["image"].level == FAIL and "nobody publishes /affordance/image" in found["image"].found


def test_the_node_is_looked_at_as_it_is_set(tmp_path: Path) -> None:
    bundle = colour_bundle(tmp_path / "colours")
    with running(), ros.context() as context, ros.running_node(context, bundle, sync_tolerance=1.5):
        found = look(None)
    assert "within 1500 ms" in found["depth"].found


def test_without_a_node_there_is_one_line() -> None:
    found = look(None)
    assert list(found) == ["grounding node"] and found["grounding node"].level == WARN
    assert "ros2 launch" in found["grounding node"].remedy


def test_a_topic_that_nobody_publishes_fails() -> None:
    with running():
        found = look(Topics("/affordance/imgae", "/affordance/depth", "/affordance/camera_info"))
    assert found["image"].level == FAIL
    assert (
        "remap image to the camera's topic" in found["image"].found and TOPICS.image in found["image"].found
    )


def test_a_topic_of_another_type_fails() -> None:
    def send(camera: Camera, count: int, stamp: Any) -> None:
        camera.image.publish(CompressedImage(header=stamp, format="jpeg"))

    with running(send, image_type=CompressedImage):
        found = look()
    assert found["image"].level == FAIL and "set image_transport" in found["image"].found


def test_a_qos_that_does_not_fit_fails(tmp_path: Path) -> None:
    bundle = colour_bundle(tmp_path / "colours")
    name = "qos_overrides./affordance/camera_info.subscription.reliability"
    with (
        running(),
        ros.context() as context,
        ros.running_node(context, bundle, **{name: "reliable"}),
    ):
        found = look(None)
    check = found["QoS of /affordance/camera_info"]
    assert check.level == FAIL and "/affordance/camera and /affordance/grounding" in check.found
    assert f"{name}:=best_effort" in check.remedy


def test_an_image_that_cannot_be_used_fails() -> None:
    def send(camera: Camera, count: int, stamp: Any) -> None:
        camera.image.publish(raw_image(IMAGE[..., 0], "32SC1", stamp=stamp))

    with running(send):
        found = look()
    assert found["image content"].level == FAIL and "32SC1" in found["image content"].found


@pytest.mark.parametrize(
    ("stamp_of", "level", "said"),
    [
        (lambda count, now: header(0.0), FAIL, "all are zero"),
        (lambda count, now: header(1e9 - count), FAIL, "older than the one before"),
        (lambda count, now: header(1e9 + count), WARN, "behind this machine's clock"),
        (lambda count, now: header(2e9 + count), WARN, "ahead of this machine's clock"),
        (lambda count, now: now, OK, "ms old when they come"),
    ],
    ids=["zero", "backwards", "old", "future", "good"],
)
def test_stamps(stamp_of: Callable[[int, Any], Any], level: CheckLevel, said: str) -> None:
    with running(lambda camera, count, now: whole(camera, count, stamp_of(count, now))):
        found = look()
    assert found["stamps"].level == level and said in found["stamps"].found
    assert bool(found["stamps"].remedy) == (level != OK)


def test_an_image_without_a_frame_is_told() -> None:
    def send(camera: Camera, count: int, stamp: Any) -> None:
        stamp.frame_id = ""
        whole(camera, count, stamp)

    with running(send):
        assert look()["image"].level == WARN


@pytest.mark.parametrize(
    ("depth", "level", "said"),
    [
        (DEPTH[::2, ::2], FAIL, "use depth that is registered"),
        (DEPTH.astype(np.float32), FAIL, "32FC1 depth image must be in metres"),
        (np.zeros_like(DEPTH), FAIL, "no valid pixel"),
        (None, WARN, "without poses"),
    ],
    ids=["size", "unit", "empty", "none"],
)
def test_depth(depth: Any, level: CheckLevel, said: str) -> None:
    def send(camera: Camera, count: int, stamp: Any) -> None:
        if depth is not None:
            encoding = "16UC1" if depth.dtype == np.uint16 else "32FC1"
            camera.depth.publish(raw_image(depth, encoding, stamp=stamp))
        camera.info.publish(camera_info(320, 240, 300.0, stamp))
        camera.image.publish(raw_image(IMAGE, "rgb8", stamp=stamp))

    topics = TOPICS if depth is not None else Topics(TOPICS.image, "/nowhere", TOPICS.camera_info)
    with running(send):
        found = look(topics)
    assert found["depth"].level == level and said in found["depth"].found


def test_an_uncalibrated_camera_fails() -> None:
    def send(camera: Camera, count: int, stamp: Any) -> None:
        camera.info.publish(camera_info(320, 240, 0.0, stamp))
        camera.image.publish(raw_image(IMAGE, "rgb8", stamp=stamp))

    with running(send):
        found = look()
    assert found["calibration"].level == FAIL and "calibrat" in found["calibration"].found


@pytest.mark.parametrize(
    ("depth", "distortion", "rectified", "level"),
    [
        ("aligned_depth_to_color/image_raw", [-0.05, 0.06, 0.0, 0.0, -0.02], False, WARN),
        ("aligned_depth_to_color/image_raw", [-0.05, 0.06, 0.0, 0.0, -0.02], True, OK),
        ("aligned_depth_to_color/image_raw", [0.0] * 5, False, OK),
        ("depth", [-0.05, 0.06, 0.0, 0.0, -0.02], False, OK),
    ],
)
def test_depth_that_a_realsense_aligns_is_suspected_with_distortion(
    depth: str, distortion: list[float], rectified: bool, level: CheckLevel
) -> None:
    def send(camera: Camera, count: int, stamp: Any) -> None:
        info = camera_info(320, 240, 300.0, stamp)
        info.distortion_model, info.d = "plumb_bob", distortion
        camera.info.publish(info)
        camera.depth.publish(raw_image(DEPTH, "16UC1", stamp=stamp))
        camera.image.publish(raw_image(IMAGE, "rgb8", stamp=stamp))

    with running(send, depth=depth):
        found = look(Topics(TOPICS.image, f"/affordance/{depth}", TOPICS.camera_info), rectified=rectified)
    assert (found["depth"].level, found["calibration"].level) == (OK, level)
    assert ("image_proc" in found["calibration"].remedy) == (level == WARN)


@pytest.mark.parametrize(("depth", "level"), [("depth", FAIL), ("none", WARN)])
def test_a_missing_calibration_fails_where_there_is_depth(depth: str, level: CheckLevel) -> None:
    with running():
        found = look(Topics(TOPICS.image, f"/affordance/{depth}", "/affordance/nothing"))
    assert found["calibration"].level == level
    assert "nobody publishes /affordance/nothing" in found["calibration"].found


def test_a_missing_transform_fails() -> None:
    with running():
        found = look(target_frame="base_link")
    assert found["transform"].level == FAIL and "base_link" in found["transform"].remedy


def test_the_command_fails_with_the_graph(tmp_path: Path) -> None:
    from click.testing import CliRunner

    from selcon_ros.cli.main import main

    given = ["doctor", "--image", "/nowhere", "--seconds", "1"]
    outcome = CliRunner().invoke(main, given)
    assert outcome.exit_code == 1 and "FAIL  image: nobody publishes /nowhere" in outcome.output


def test_what_is_no_topic_is_told() -> None:
    found = look(Topics("/image", "not a topic", "/info"))
    assert found["topics"].level == FAIL and "'not a topic' is no topic" in found["topics"].found


def test_of_several_nodes_each_line_names_its_own(tmp_path: Path) -> None:
    bundle = colour_bundle(tmp_path / "colours")
    elsewhere = ["--ros-args", "-r", "__ns:=/left"]
    with (
        ros.context() as context,
        ros.running_node(context, bundle),
        ros.running_node(context, bundle, cli_args=elsewhere),
    ):
        found = look(None)
    assert {f"image of {node}" for node in ("/affordance/grounding", "/left/grounding")} <= found.keys(), (
        found
    )


def test_images_that_the_middleware_loses_are_told() -> None:
    with running(), ros.context() as context, spinning("doctor", context, TOPICS.remaps) as (node, executor):
        camera = cameras.CameraCheck(node, TOPICS, Settings(), "")
        camera._image.lost += 100  # as the event of the middleware does it
        found = {check.name: check for check in camera.look(executor, 1.0)}
    lost = found["losses on /affordance/image"]
    assert lost.level == FAIL and "messages on /affordance/image were lost on the way" in lost.found
