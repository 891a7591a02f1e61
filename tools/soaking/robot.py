"""A robot around the node: a camera that fails at times, listeners that come and go, commands, questions."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from fuzzing.judge import Stamp, faults
from fuzzing.report import choose
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import String

from selcon_ros.demo.player import to_messages
from selcon_ros.recording import Recording
from soaking.questions import Questioner
from support.ros import OUTPUTS, RELIABLE

COMMAND_SHARES = {"one": 0.45, "several": 0.25, "all": 0.1, "unknown": 0.1, "none": 0.1}
NO_CAMERA_SHARE, NO_DEPTH_SHARE, NO_CALIBRATION_SHARE = 0.1, 0.2, 0.1
"""How often, for ten seconds, images, depth images and calibration stay away."""
MAX_REMEMBERED = 3000
"""Images whose stamp and size are remembered, to judge answers by."""


class Robot:
    """Everything around the node in the namespace `name`, driven by one random generator."""

    def __init__(self, node: Node, name: str, recording: Recording, actions: list[str], rate: float) -> None:
        self._node, self._name, self._actions = node, name, actions
        self._executor = SingleThreadedExecutor(context=node.context)
        self._executor.add_node(node)
        self._frames = [to_messages(frame) for frame in recording.frames]
        self._period, self._due, self._shown = 1 / rate, time.monotonic(), 0
        topic = f"/{name}/"
        self._image = node.create_publisher(Image, topic + "image", qos_profile_sensor_data)
        self._depth = node.create_publisher(Image, topic + "depth", qos_profile_sensor_data)
        self._info = node.create_publisher(CameraInfo, topic + "camera_info", qos_profile_sensor_data)
        self._action = node.create_publisher(String, topic + "action", RELIABLE)
        self._ears: dict[str, Any] = {}
        self._stamps: deque[Stamp] = deque()
        self._sizes: dict[Stamp, tuple[int, int]] = {}
        self.heard: Counter[str] = Counter()
        self.sent: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.answers: Counter[str] = Counter()
        self.images = self.depths = self.calibration = True
        self._questions = Questioner(node, name, actions, self._judge, self.answers)
        node.create_subscription(DiagnosticArray, "/diagnostics", self._keeper("diagnostics"), RELIABLE)

    def spin(self, seconds: float) -> None:
        """Show frames at the camera's rate and hear answers, for a while."""
        end = time.monotonic() + seconds
        while (now := time.monotonic()) < end:
            if now >= self._due:
                self._show()
                # A late frame is left out, as by a camera.
                self._due = max(self._due + self._period, now)
            self._executor.spin_once(timeout_sec=max(0.0, min(self._due, end) - time.monotonic()))

    def steady(self) -> None:
        """Camera, depth and calibration as usual, one action, all outputs heard: to compare moments by."""
        self.images = self.depths = self.calibration = True
        for name in OUTPUTS:
            self._listen(name)
        self._say("hold")

    def each_second(self, random: np.random.Generator) -> Iterator[str]:
        """Give another command, and ask; yields requests that were not answered."""
        kind = choose(random, COMMAND_SHARES)
        count = {"one": 1, "several": int(random.integers(2, len(self._actions) + 1))}.get(kind, 0)
        chosen = list(random.choice(self._actions, count, replace=False))
        self._say({"all": "*", "unknown": "juggle", "none": ""}.get(kind, ", ".join(chosen)))
        yield from self._questions.each_second(random)

    def each_few_seconds(self, random: np.random.Generator) -> None:
        """Let listeners come and go."""
        for name in OUTPUTS:
            if random.random() < 0.3:
                self._leave(name) if name in self._ears else self._listen(name)

    def each_ten_seconds(self, random: np.random.Generator) -> None:
        """Let the camera fail, or work again."""
        draws = random.random(3)
        self.images, self.depths = bool(draws[0] >= NO_CAMERA_SHARE), bool(draws[1] >= NO_DEPTH_SHARE)
        self.calibration = bool(draws[2] >= NO_CALIBRATION_SHARE)

    def wait_for(self, what: Callable[[], Any], seconds: float) -> float | None:
        """Spin until `what()` holds; returns the seconds that took, None for more than `seconds`."""
        start = time.monotonic()
        while not what():
            if time.monotonic() - start > seconds:
                return None
            self.spin(0.005)
        return time.monotonic() - start

    def _say(self, text: str) -> None:
        self._action.publish(String(data=text))
        self.sent["actions"] += 1

    def _listen(self, name: str) -> None:
        if name not in self._ears:
            topic = f"/{self._name}/{name}"
            self._ears[name] = self._node.create_subscription(
                OUTPUTS[name], topic, self._keeper(name), RELIABLE
            )

    def _leave(self, name: str) -> None:
        self._node.destroy_subscription(self._ears.pop(name))

    def _show(self) -> None:
        frame = self._frames[self._shown % len(self._frames)]
        self._shown += 1
        stamp = self._node.get_clock().now().to_msg()
        for message in (frame.camera_info, frame.depth, frame.image):
            message.header.stamp = stamp
        if self.calibration:
            self._info.publish(frame.camera_info)
        if self.depths:
            self._depth.publish(frame.depth)
        if self.images:
            self._remember((stamp.sec, stamp.nanosec), (frame.image.width, frame.image.height))
            self._image.publish(frame.image)
            self.sent["images"] += 1

    def _remember(self, stamp: Stamp, size: tuple[int, int]) -> None:
        self._stamps.append(stamp)
        self._sizes[stamp] = size
        if len(self._stamps) > MAX_REMEMBERED:
            self._sizes.pop(self._stamps.popleft(), None)

    def _keeper(self, output: str) -> Any:
        def keep(message: Any) -> None:
            self.heard[output] += 1
            self._judge(output, message)

        return keep

    def _judge(self, output: str, message: Any) -> None:
        """Note what is wrong with a message; a text is itself what is wrong."""
        for fault in (message,) if isinstance(message, str) else faults(message, self._sizes):
            self.faults[f"{output}: {fault}"] += 1
