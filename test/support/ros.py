"""A robot around the node under test: its camera, its commands, and all that it hears, over ROS topics."""

from __future__ import annotations

import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PolygonStamped, PoseArray
from rclpy.context import Context
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy, qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2
from std_msgs.msg import String
from visualization_msgs.msg import MarkerArray

from selcon_ros.ros import interfaces
from selcon_ros.ros.fastdds import profile_variable
from selcon_ros.ros.grounding_node import GroundingNode
from support.messages import FRAME, camera_info, header, raw_image

# Different test processes on one machine do not hear each other, nor a demo (domains 60 to 99).
WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
DOMAIN = 1 + (4 * os.getppid() + WORKER) % 56
PROFILE = Path(__file__).resolve().parents[2] / "config" / "fastdds_images.xml"
ENVIRONMENT = {
    "ROS_DOMAIN_ID": str(DOMAIN),
    "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
    profile_variable(): str(PROFILE),
    "OMP_NUM_THREADS": "1",
}
TIMEOUT = 90.0
OUTPUTS = {
    "heatmap": Image,
    "overlay": Image,
    "grasp_points": PoseArray,
    "grasp_pixels": PolygonStamped,
    "markers": MarkerArray,
    "status": DiagnosticArray,
    "mask": Image,
    "cloud": PointCloud2,
    "affordance_map": Image,
}
if not interfaces.MISSING:
    OUTPUTS["result"] = interfaces.AffordanceResult
RELIABLE = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)


class Robot(Node):
    """Publishes camera messages and actions, and keeps what it hears of the outputs that it listens to."""

    def __init__(
        self,
        context: Context,
        outputs: tuple[str, ...] = tuple(OUTPUTS),
        image_type: type = Image,
        namespace: str = "affordance",
    ) -> None:
        super().__init__("robot", context=context, namespace=namespace)
        self.heard: dict[str, list[Any]] = defaultdict(list)
        self.image = self.create_publisher(image_type, "image", qos_profile_sensor_data)
        self.depth = self.create_publisher(
            CompressedImage if image_type is CompressedImage else Image, "depth", qos_profile_sensor_data
        )
        self.info = self.create_publisher(CameraInfo, "camera_info", qos_profile_sensor_data)
        self.action = self.create_publisher(String, "action", RELIABLE)
        self.ears = {name: self.listen(name) for name in outputs}
        self.create_subscription(DiagnosticArray, "/diagnostics", self._keeper("diagnostics"), RELIABLE)
        self._executor = SingleThreadedExecutor(context=context)
        self._executor.add_node(self)
        self._clock = 100.0

    def listen(self, name: str) -> Any:
        """Subscribe to an output."""
        return self.create_subscription(OUTPUTS[name], name, self._keeper(name), RELIABLE)

    def _keeper(self, name: str) -> Callable[[Any], None]:
        return lambda message: self.heard[name].append(message)

    def spin(self, seconds: float) -> None:
        """Handle messages for a while."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._executor.spin_once(timeout_sec=left)

    def until(self, condition: Callable[[], Any], what: str, every: Callable[[], Any] | None = None) -> Any:
        """Handle messages until the condition holds, and return its value; `every` is called each 0.2 s."""
        end = time.monotonic() + TIMEOUT
        again = 0.0
        while not (found := condition()):
            assert time.monotonic() < end, f"waited {TIMEOUT} s for {what}; the node says: {self.problems()}"
            if every is not None and time.monotonic() >= again:
                every()
                again = time.monotonic() + 0.2
            self._executor.spin_once(timeout_sec=0.02)
        return found

    def connect(self, node: Node | None = None) -> None:
        """Wait until the node under test hears and is heard; `node`: that node, if it is in this process."""
        publishers = [self.info, self.action]
        if self.ears:  # otherwise the node takes no images
            publishers += [self.image, self.depth]
        self.until(
            lambda: (
                all(each.get_subscription_count() for each in publishers)
                and all(self.count_publishers(f"{self.get_namespace()}/{name}") for name in self.ears)
                and self.heard["diagnostics"]
            ),
            "discovery",
        )
        # The other side of discovery: the node counts this robot's subscriptions.
        if node is None:
            self.spin(0.3)
            return
        ears = {ear.topic_name for ear in self.ears.values()}
        mouths = [each for each in node.publishers if each.topic_name in ears]
        assert {each.topic_name for each in mouths} == ears
        self.until(lambda: all(each.get_subscription_count() for each in mouths), "discovery of the robot")

    def say(self, action: str) -> None:
        """Send an action."""
        self.action.publish(String(data=action))

    def stamp(self) -> Any:
        """A header that no message had before."""
        self._clock += 1.0
        return header(self._clock)

    def show(
        self, image: np.ndarray | Image | CompressedImage, depth: Any = None, info: CameraInfo | None = None
    ) -> float:
        """Send an image, with depth (array or message) and calibration if given; return its stamp, s."""
        stamp = self.stamp()
        message = raw_image(image, "rgb8") if isinstance(image, np.ndarray) else image
        message.header = stamp
        if info is not None:
            info.header.stamp = stamp.stamp
            self.info.publish(info)
        if depth is not None:
            depth = raw_image(depth, "16UC1") if isinstance(depth, np.ndarray) else depth
            depth.header.stamp = stamp.stamp
            self.depth.publish(depth)
        self.image.publish(message)
        return self._clock

    def answer(
        self,
        name: str,
        image: Any,
        depth: Any = None,
        info: CameraInfo | None = None,
        fits: Callable[[Any], Any] = lambda message: True,
    ) -> Any:
        """Send an image, again when something of it is lost, until an output answers it that `fits`."""
        first = self._clock + 1.0

        def found() -> Any:
            new = [each for each in self.heard[name] if stamp_of(each) >= first and fits(each)]
            return new[-1] if new else None

        return self.until(found, f"{name} of an image", every=lambda: self.show(image, depth, info))

    def answer_in_3d(self, image: Any, depth: Any, info: CameraInfo) -> Any:
        """The status of an image whose grasp points have poses."""
        poses = self.answer("grasp_points", image, depth, info, fits=lambda message: message.poses)
        return self.beside(poses, "status")

    def beside(self, message: Any, name: str) -> Any:
        """What an output said about the same image as this message."""
        asked = stamp_of(message)
        return self.until(
            lambda: next((each for each in self.heard[name] if stamp_of(each) == asked), None), name
        )

    def problems(self) -> str:
        """The message of the newest diagnostics."""
        return self.heard["diagnostics"][-1].status[0].message if self.heard["diagnostics"] else ""

    def facts(self) -> dict[str, str]:
        """The values of the newest diagnostics."""
        return {each.key: each.value for each in self.heard["diagnostics"][-1].status[0].values}

    def told(self, text: str, every: Callable[[], Any] | None = None) -> str:
        """Wait until the diagnostics say this, and return all they say."""
        self.until(lambda: text in self.problems(), f"diagnostics with {text!r}", every)
        return self.problems()


def stamp_of(message: Any) -> float:
    """The stamp in seconds; that of the first marker in a MarkerArray."""
    if isinstance(message, MarkerArray):
        return stamp_of(message.markers[0]) if message.markers else -1.0
    return message.header.stamp.sec + 1e-9 * message.header.stamp.nanosec


def pixels_of(message: Image) -> np.ndarray:
    """The array in an output image."""
    dtype, shape = {"32FC1": (np.float32, ()), "bgr8": (np.uint8, (3,)), "mono8": (np.uint8, ())}[
        message.encoding
    ]
    return np.frombuffer(message.data, dtype).reshape(message.height, message.width, *shape)


def calibration(width: int = 320, height: int = 240, focal: float = 300.0) -> CameraInfo:
    """The robot's camera."""
    return camera_info(width, height, focal, header(frame=FRAME))


@contextmanager
def context() -> Iterator[Context]:
    """A ROS context in the domain of this test process."""
    made = Context()
    rclpy.init(context=made, domain_id=DOMAIN)
    try:
        yield made
    finally:
        made.try_shutdown()


@contextmanager
def running_node(
    context: Context,
    bundle: Path,
    open_model: Callable[..., Any] | None = None,
    cli_args: list[str] | None = None,
    **settings: Any,
) -> Iterator[GroundingNode]:
    """The node under test, spinning in a thread of its own."""
    # However slow the machine is, no image is too old and no depth too late, unless the test wants that.
    patient = {"max_frame_age": 0.0, "sync_wait": 1.0}
    settings = {"bundle": str(bundle), "threads": 1, "diagnostics_period": 0.1, **patient, **settings}
    options: dict[str, Any] = {} if open_model is None else {"open_model": open_model}
    node = GroundingNode(
        context=context,
        namespace="affordance",
        parameter_overrides=[Parameter(name, value=value) for name, value in settings.items()],
        cli_args=cli_args,
        **options,
    )
    node.wait_for_model()
    try:
        with spun(node):
            yield node
    finally:
        node.close()
        node.destroy_node()


@contextmanager
def spun(node: Node) -> Iterator[None]:
    """A node's callbacks run, in a thread of their own."""
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)

    def spin() -> None:
        with suppress(ExternalShutdownException):
            executor.spin()

    thread = threading.Thread(target=spin)
    thread.start()
    try:
        yield
    finally:
        executor.shutdown()
        thread.join(10)


@contextmanager
def listening(context: Context, node: GroundingNode) -> Iterator[None]:
    """Somebody listens to the heatmap: without a listener the node takes no images."""
    listener = Node("listener", context=context, namespace="affordance")
    listener.create_subscription(Image, "heatmap", lambda _: None, RELIABLE)
    end = time.monotonic() + TIMEOUT
    while node._inputs.image.paused:
        assert time.monotonic() < end, f"waited {TIMEOUT} s for the node to take images"
        time.sleep(0.02)
    yield
    listener.destroy_node()
