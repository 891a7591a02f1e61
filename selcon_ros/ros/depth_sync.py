"""The depth and the calibration that belong to an image, or a clear word on why there are none."""

from __future__ import annotations

import math
from typing import Any

from rclpy.node import Node
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from selcon_ros.core.cameras.camera import Intrinsics
from selcon_ros.core.errors import SelconError
from selcon_ros.ros.camera_watch import SILENCE_SECONDS, losses, names_of, why_silent
from selcon_ros.ros.conversions import MessageError
from selcon_ros.ros.depth import Depth
from selcon_ros.ros.diagnostics import Health
from selcon_ros.ros.inputs import IMAGE_TYPES, Input
from selcon_ros.ros.message_buffers import OutOfStep, StampedBuffer
from selcon_ros.ros.parameters import Settings
from selcon_ros.ros.registered import Size, registered_depth, registered_intrinsics

MIN_DEPTH_IMAGES = 5
"""Depth images after which it is known whether some are lost."""
MAX_MESSAGES = 10
"""Messages that are kept of depth and camera_info: a third of a second at 30 Hz."""


class DepthSync:
    """Keeps the last depth images and calibrations, and finds those that belong to an image."""

    def __init__(self, node: Node, health: Health, settings: Settings) -> None:
        """Subscribe to depth and camera_info."""
        self._node = node
        self._health = health
        self._image_topic = node.resolve_topic_name("image")
        self.depths: StampedBuffer[Any] = StampedBuffer("depth image", MAX_MESSAGES)
        self.infos: StampedBuffer[CameraInfo] = StampedBuffer("camera_info", MAX_MESSAGES)
        kind = IMAGE_TYPES[settings.depth_transport]
        self.depth_input = Input(
            node, "depth", kind, self.depths.put, depth=5, transport=settings.depth_transport
        )
        self.info_input = Input(node, "camera_info", CameraInfo, self.infos.put, depth=5, latched=True)

    @property
    def inputs(self) -> tuple[Input, Input]:
        """The subscriptions."""
        return self.depth_input, self.info_input

    @property
    def calibrated(self) -> bool:
        """A calibration has come."""
        return len(self.infos) > 0

    def awaited_until(self, depth: Depth | None, intrinsics: Intrinsics | None) -> float:
        """Until when what an image lacks may be on its way for the first time; -inf where it is not.

        On the machine's monotonic clock. After subscribing again the first image may come before any depth,
        and a camera may send its calibration only while its images are received.
        """
        mine = self.depth_input if depth is None else self.info_input
        known = self.depth_input.since_resumed >= MIN_DEPTH_IMAGES if depth is None else self.calibrated
        if intrinsics is not None or known or not self._node.count_publishers(mine.topic):
            return -math.inf
        return self.depth_input.resuming_until

    def of(self, header: Header, size: Size, settings: Settings) -> tuple[Depth | None, Intrinsics | None]:
        """Depth in metres and intrinsics for an image of `size` (width, height).

        What is missing or does not fit is None, and reported as a problem of its topic.
        """
        depth = self.depth_of(header, size, settings)
        return depth, None if depth is None else self.intrinsics_of(header, size, settings)

    def depth_of(self, header: Header, size: Size, settings: Settings) -> Depth | None:
        """As `of`, without the intrinsics."""
        published = self._node.count_publishers(self.depth_input.topic) > 0
        if not published and len(self.depths) == 0:
            self._node.get_logger().info(
                f"{why_silent(self.depth_input)}; grasp points stay in pixels, without poses",
                once=True,
            )
            return None
        try:
            wait = settings.sync_wait if published else 0.0
            message = self._depth_message(header, settings.sync_tolerance, wait)
            depth = registered_depth(message, header, size, settings)
        except SelconError as error:
            if not self.depth_input.just_resumed:
                self._health.problem("depth", f"{error} ({location(self.depth_input)})")
            return None
        self._health.solved("depth")
        return depth

    def _depth_message(self, header: Header, tolerance: float, wait: float) -> Any:
        try:
            message = self.depths.match(header, tolerance, wait)
        except OutOfStep as error:
            raise MessageError(f"{error}; {self._why_out_of_step()}") from error
        if message is None:
            raise MessageError(f"no depth image has come yet: {why_silent(self.depth_input)}")
        return message

    def _why_out_of_step(self) -> str:
        """Whether depth images are missing, or have other stamps than the images."""
        if self.depth_input.silence > SILENCE_SECONDS:
            return f"no depth image for {self.depth_input.silence:.0f} s: {why_silent(self.depth_input)}"
        if self.depth_input.losses.lost:
            return losses(self.depth_input)
        if self.depth_input.received < MIN_DEPTH_IMAGES:
            return f"only {self.depth_input.received} depth images have come yet"
        return "synchronise the topics or raise sync_tolerance"

    def intrinsics_of(self, header: Header, size: Size, settings: Settings) -> Intrinsics | None:
        """As `of`, without the depth."""
        try:
            # A calibration holds for longer than an image: the nearest one serves, however old.
            info = self.infos.nearest(header)
            if info is None:
                raise MessageError(f"no camera_info has come yet: {why_silent(self.info_input)}")
            intrinsics = registered_intrinsics(info, header, size, settings, self._image_topic)
        except SelconError as error:
            if not self.info_input.just_resumed:
                self._health.problem("camera_info", f"{error} ({location(self.info_input)})")
            return None
        self._health.solved("camera_info")
        return intrinsics


def location(mine: Input) -> str:
    """Which topic and publisher a problem is about, and what it means."""
    publishers = names_of(mine.publishers)
    source = f"{mine.topic} of {publishers}; " if publishers else ""
    return f"{source}grasp points stay in pixels"
