"""Publishes a recording as a camera driver would: raw image, registered depth, camera_info, stamps of now."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import rclpy
from builtin_interfaces.msg import Time
from rclpy.exceptions import InvalidNamespaceException
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from selcon_ros.core.cameras.camera import Intrinsics
from selcon_ros.core.cameras.distortion import model_and_coefficients
from selcon_ros.core.errors import ParameterError, first_line
from selcon_ros.core.text import quoted
from selcon_ros.recording import FRAME_ID, RecordedFrame, Recording
from selcon_ros.ros.conversions import fill_image
from selcon_ros.ros.signals import Stop
from selcon_ros.ros.start import start_ros


@dataclass(frozen=True)
class CameraMessages:
    """A frame as a camera driver publishes it."""

    image: Image
    depth: Image
    camera_info: CameraInfo


class Player(Node):
    """Publishes `image` (rgb8), `depth` (16UC1, millimetres) and `camera_info` below `namespace`.

    Raises ParameterError for a namespace that is none.
    """

    def __init__(self, recording: Recording, namespace: str = "/camera") -> None:
        try:
            super().__init__("selcon_player", namespace=namespace)
        except InvalidNamespaceException as error:
            raise ParameterError(f"namespace {quoted(namespace)}: {first_line(error)}") from error
        # Reliable suits every subscriber: one that asks for best effort gets that.
        qos = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)
        self._image = self.create_publisher(Image, "image", qos)
        self._depth = self.create_publisher(Image, "depth", qos)
        self._camera_info = self.create_publisher(CameraInfo, "camera_info", qos)
        # Made once: filling a message with a picture costs more than publishing it.
        self._messages = [to_messages(frame) for frame in recording.frames]

    @property
    def image_topic(self) -> str:
        """The full name of the image topic."""
        return str(self._image.topic_name)

    def publish(self, index: int) -> None:
        """Publish frame `index` as if it had been taken just now."""
        messages = self._messages[index]
        stamp = self.get_clock().now().to_msg()
        for message in (messages.camera_info, messages.depth, messages.image):
            message.header.stamp = stamp
        self._camera_info.publish(messages.camera_info)
        self._depth.publish(messages.depth)
        self._image.publish(messages.image)


def play(
    recording: Recording,
    stop: Stop,
    namespace: str = "/camera",
    rate: float | None = None,
    loop: bool = False,
) -> int:
    """Publish the recording until its end or until `stop`, and return the number of frames published.

    rate: frames per second; None keeps the recording's own times.
    """
    stop.hold()
    start_ros()
    player = None
    try:
        player = Player(recording, namespace)
        due = due_times(recording, rate)
        player.get_logger().info(
            f"playing {len(due) - 1} frames on {player.image_topic}, depth and camera_info"
            + (", again and again: Ctrl-C ends it" if loop else "")
        )
        count = 0
        start = time.monotonic()
        while True:
            lap, index = divmod(count, len(due) - 1)
            if (lap and not loop) or stop.wait(
                max(0.0, start + lap * due[-1] + due[index] - time.monotonic())
            ):
                return count
            player.publish(index)
            count += 1
    finally:
        stop.ending()
        try:
            if player is not None:
                player.destroy_node()
        finally:
            rclpy.try_shutdown()
            stop.done()


def due_times(recording: Recording, rate: float | None) -> list[float]:
    """Seconds after the start at which each frame is due, and as a last element when the next lap begins."""
    stamps = np.array([frame.stamp_ns for frame in recording.frames], dtype=np.float64) / 1e9
    if rate is not None or len(stamps) < 2:
        return [index / (rate or 1.0) for index in range(len(stamps) + 1)]
    seconds = stamps - stamps[0]
    return [*seconds.tolist(), float(seconds[-1] + np.median(np.diff(seconds)))]


def to_messages(frame: RecordedFrame) -> CameraMessages:
    """Return a frame's messages, rgb8 and 16UC1 in millimetres, with the stamp 0."""
    header = Header(stamp=Time(), frame_id=FRAME_ID)
    return CameraMessages(
        image=fill_image(Image(), frame.image, "rgb8", header),
        depth=fill_image(Image(), frame.depth_mm, "16UC1", header),
        camera_info=_camera_info(frame.intrinsics, header),
    )


def _camera_info(camera: Intrinsics, header: Header) -> CameraInfo:
    model, coefficients = model_and_coefficients(camera.distortion)
    k = [camera.fx, 0.0, camera.cx, 0.0, camera.fy, camera.cy, 0.0, 0.0, 1.0]
    return CameraInfo(
        header=header,
        width=camera.width,
        height=camera.height,
        distortion_model=model,
        d=coefficients,
        k=k,
        r=[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        p=[*k[:3], 0.0, *k[3:6], 0.0, *k[6:], 0.0],
    )
