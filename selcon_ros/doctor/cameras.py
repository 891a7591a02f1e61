"""A camera's topics: what comes on them, and whether it fits together and the node."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from rclpy.clock import Clock
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from selcon_ros.core.errors import SelconError
from selcon_ros.core.text import quoted
from selcon_ros.doctor.check import Check, CheckLevel, fail, ok, warn
from selcon_ros.ros.camera_watch import losses, misfit, names_of, why_silent
from selcon_ros.ros.compat import ClockType
from selcon_ros.ros.conversions import image_from_message
from selcon_ros.ros.depth_sync import DepthSync
from selcon_ros.ros.diagnostics import Health
from selcon_ros.ros.inputs import IMAGE_TYPES, Input, name_of
from selcon_ros.ros.message_buffers import seconds
from selcon_ros.ros.parameters import Settings
from selcon_ros.ros.running_nodes import Topics
from selcon_ros.ros.target_frame import PROBLEM_SOURCE, TargetFrameLookup

MAX_IMAGES = 8
"""Images that are kept; depth that belongs to one of the last may still be on its way."""
MAX_CLOCK_DIFFERENCE_SECONDS = 0.5
"""Seconds that stamps and this machine's clock may differ: a camera's latency, and what NTP leaves."""
PERIOD_SECONDS = 0.5
"""Seconds between two looks at the graph."""
REALSENSE_ALIGNED = "aligned_depth_to_color"
"""Part of the topic on which realsense2_camera publishes depth that librealsense has aligned."""


class CameraCheck:
    """Receives a camera's images for a while, as the node would, and judges them."""

    def __init__(self, node: Node, topics: Topics, settings: Settings, user: str) -> None:
        """Subscribe.

        `node` was made with `Topics.remaps`. `settings` are those of the node that the camera is for. `user`
        is that node's full name, "" if none runs.
        """
        self._node, self._settings, self._user = node, settings, user
        self._health = Health(node.get_logger())
        self._depth_sync = DepthSync(node, self._health, settings)
        self._target_frame = TargetFrameLookup(node, self._health, settings.target_frame)
        self._images: deque[Any] = deque(maxlen=MAX_IMAGES)
        self._stamps: list[float] = []
        self._ages: list[float] = []
        kind, transport = IMAGE_TYPES[settings.image_transport], settings.image_transport
        self._image = Input(node, "image", kind, self._on_image, depth=5, transport=transport)

        for each in self._inputs:
            each.ours.add(user)

    @property
    def _inputs(self) -> tuple[Input, ...]:
        return self._image, *self._depth_sync.inputs

    def look(self, executor: SingleThreadedExecutor, length: float) -> Iterator[Check]:
        """Receive for `length` seconds, then judge what came."""
        end, next_look = time.monotonic() + length, 0.0
        while (now := time.monotonic()) < end:
            if now >= next_look:
                next_look = now + PERIOD_SECONDS
                for each in self._inputs:
                    each.look()
            executor.spin_once(timeout_sec=min(end, next_look) - now)
        yield from self._transport()
        if not self._images:
            yield fail("image", why_silent(self._image))
            return
        yield self._of_image(length)
        yield self._of_stamps()
        # Of the last one the depth may not have come yet; of any one it may be lost on a busy machine.
        depth = None
        for message in self._images:
            try:
                height, width = image_from_message(message, self._settings.limit).shape[:2]
            except SelconError as error:
                yield fail("image content", str(error))
                return
            found = self._of_depth(message.header, (width, height))
            if depth is None or found.level != CheckLevel.FAIL:
                depth = found
            if found.level != CheckLevel.FAIL:
                break
        assert depth is not None
        yield depth
        yield self._of_calibration(message.header, (width, height), needed=depth.level != CheckLevel.WARN)
        if self._settings.target_frame:
            yield self._of_frame(message.header)

    def _on_image(self, message: Any) -> None:
        self._images.append(message)
        stamp = seconds(message.header.stamp)
        self._stamps.append(stamp)
        self._ages.append(seconds(Clock(clock_type=ClockType.SYSTEM_TIME).now().to_msg()) - stamp)

    def _transport(self) -> Iterator[Check]:
        """What the middleware keeps from the node, or from us."""
        for each in self._inputs:
            ends = [
                info
                for info in self._node.get_subscriptions_info_by_topic(each.topic)
                if name_of(info) in (self._user, self._node.get_fully_qualified_name())
            ]
            apart = {
                f"{name_of(publisher)} and {name_of(end)}: {reason}"
                for publisher in each.publishers
                for end in ends
                if publisher.topic_type == end.topic_type and (reason := misfit(publisher, end))
            }
            name = f"QoS of {each.topic}"
            if apart:
                override = f"qos_overrides.{each.topic}.subscription.reliability"
                remedy = f"publish reliable, or give the node -p {override}:=best_effort"
                yield fail(name, "; ".join(sorted(apart)), remedy)
            elif each.losses.serious:
                yield fail(f"losses on {each.topic}", losses(each))

    def _of_image(self, length: float) -> Check:
        message = self._images[-1]
        size = (
            f"{message.width} x {message.height} {message.encoding}" if hasattr(message, "encoding") else ""
        )
        kind = size or message.format
        rate = len(self._stamps) / length
        said = f"{self._image.topic}: {kind}, {rate:.0f} Hz, from {names_of(self._image.publishers)}"
        if not message.header.frame_id:
            return warn("image", f"{said}; its frame_id is empty", "set the frame_id of the camera's driver")
        return ok("image", said)

    def _of_stamps(self) -> Check:
        name, age = "stamps", float(np.median(self._ages))
        if not any(self._stamps):
            return fail(
                name,
                "all are zero: neither depth nor transforms can be found for them",
                "stamp the images when they are taken",
            )
        if back := sum(later < earlier for earlier, later in pairwise(self._stamps)):
            said = f"{back} of {len(self._stamps)} images are older than the one before"
            return fail(
                name, said, "look for a second publisher, or a bag that plays in a loop: play it with --clock"
            )
        if self._node.count_publishers("/clock"):
            return ok(name, "of a simulated clock, which is not compared with this machine's")
        if abs(age) > MAX_CLOCK_DIFFERENCE_SECONDS:
            said = f"{abs(age):.1f} s {'behind' if age > 0 else 'ahead of'} this machine's clock"
            return warn(
                name,
                said,
                "synchronise both machines (chrony); a bag: play it with --clock, and set use_sim_time",
            )
        return ok(name, f"{1e3 * age:.0f} ms old when they come, by this machine's clock")

    def _of_depth(self, header: Any, size: tuple[int, int]) -> Check:
        mine = self._depth_sync.depth_input
        depth = self._depth_sync.depth_of(header, size, self._settings)
        if problem := self._health.problems.get("depth"):
            return fail("depth", problem)
        if depth is None:
            return warn("depth", f"{why_silent(mine)}; grasp points stay in pixels, without poses")
        valid = np.isfinite(depth)
        said = (
            f"{mine.topic}: {valid.mean():.0%} of the pixels are measured, median "
            f"{np.median(depth[valid]):.2f} m, stamped as the image within "
            f"{self._settings.sync_tolerance * 1e3:.0f} ms"
        )
        return ok("depth", said)

    def _of_calibration(self, header: Any, size: tuple[int, int], needed: bool) -> Check:
        """needed: there is depth, for which one is used."""
        mine = self._depth_sync.info_input
        intrinsics = self._depth_sync.intrinsics_of(header, size, self._settings)
        if intrinsics is None:
            level = fail if needed or self._depth_sync.calibrated else warn
            return level("calibration", self._health.problems.get("camera_info", why_silent(mine)))
        lens = "no distortion" if intrinsics.distortion is None else intrinsics.distortion.model
        used = "P, of the rectified image" if self._settings.rectified else "K"
        said = f"{mine.topic}: focal length {intrinsics.fx:.0f} px from {used}, {lens}"
        if needed and intrinsics.distortion and REALSENSE_ALIGNED in self._depth_sync.depth_input.topic:
            return warn(
                "calibration",
                f"{said}, which librealsense leaves out of aligned depth: image and depth are pixels apart",
                "rectify the image with image_proc, use its image_rect, and set rectified to true",
            )
        return ok("calibration", said)

    def _of_frame(self, header: Any) -> Check:
        self._target_frame.of(header, self._settings.sync_wait)
        if problem := self._health.problems.get(PROBLEM_SOURCE):
            return fail(
                "transform",
                problem,
                f"ros2 run tf2_ros tf2_echo {self._settings.target_frame} {header.frame_id}",
            )
        return ok("transform", f"from {quoted(header.frame_id)} to {quoted(self._settings.target_frame)}")
