"""The robot around the node: sends cases, hears all outputs, and asks for a right answer between them."""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.srv import SetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import qos_profile_sensor_data
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import String

from fuzzing.hostile import Case
from fuzzing.judge import Sizes, Stamp, faults
from selcon_ros.ros.parameters import Settings
from support.bundles import COLOURS
from support.messages import camera_info, compressed_image, encoded, header, raw_image
from support.ros import OUTPUTS, RELIABLE
from support.scenes import bar_depth, scene

IMAGE_SIZE = (160, 120)
PART_BOX = (100, 24, 116, 72)
FOCAL_LENGTH = 150.0
PARAMETER_OVERRIDES = {"max_frame_age": 0.0, "sync_wait": 0.2}
"""What differs from the node's own defaults while a right answer is asked for: a slow machine is no fault."""


class Robot:
    """Everything around one node under test, in its namespace."""

    def __init__(
        self,
        node: Node,
        executor: SingleThreadedExecutor,
        name: str,
        compressed: bool,
        sim: bool,
        settings: Mapping[str, str],
    ) -> None:
        """`settings`: the parameters that the node was started with."""
        self.name, self.compressed, self.sim = name, compressed, sim
        self._node, self._executor = node, executor
        picture = CompressedImage if compressed else Image
        topic = f"/{name}/"
        self._image = node.create_publisher(picture, topic + "image", qos_profile_sensor_data)
        self._depth = node.create_publisher(picture, topic + "depth", qos_profile_sensor_data)
        self._info = node.create_publisher(CameraInfo, topic + "camera_info", qos_profile_sensor_data)
        self._action = node.create_publisher(String, topic + "action", RELIABLE)
        self._clock = node.create_publisher(Clock, "/clock", RELIABLE) if sim else None
        self._set: Any = node.create_client(SetParameters, topic + "grounding/set_parameters")
        for output, kind in OUTPUTS.items():
            node.create_subscription(kind, topic + output, self._keeper(output), RELIABLE)
        node.create_subscription(DiagnosticArray, "/diagnostics", self._keep_diagnostics, RELIABLE)
        self._settings = settings
        self._pending: list[tuple[list[tuple[str, Any]], Any]] = []
        self.sizes: Sizes = {}
        self.faults: list[tuple[str, str]] = []
        self.right: dict[str, Stamp] = {}
        self.heard: defaultdict[str, int] = defaultdict(int)
        self.seconds = 1000.0
        self.facts: dict[str, str] = {}

    @property
    def ready(self) -> bool:
        """The node is there and hears everything."""
        publishers = (self._image, self._depth, self._info, self._action)
        heard = all(each.get_subscription_count() for each in publishers)
        return (
            heard
            and bool(self._node.count_publishers(f"/{self.name}/status"))
            and self._set.service_is_ready()
        )

    def tick(self) -> float:
        """The next stamp, s."""
        self.seconds += 0.125
        return self.seconds

    def send(self, case: Case) -> None:
        """Send a case, and wait a moment for its answer."""
        if case.clock is not None and self._clock is not None:
            self._clock.publish(Clock(clock=case.clock))
        if case.parameters:
            self._change(case.parameters)
        if case.action is not None:
            self._action.publish(case.action)
        for publisher, message in (
            (self._info, case.info),
            (self._depth, case.depth),
            (self._image, case.image),
        ):
            if message is not None:
                publisher.publish(message)
        if case.image is not None:
            stamp = (case.image.header.stamp.sec, case.image.header.stamp.nanosec)
            known = self.sizes.get(stamp, (0, 0))
            self.sizes[stamp] = (max(known[0], case.size[0]), max(known[1], case.size[1]))
        before, end = self.heard["status"], time.monotonic() + 0.02
        while self.heard["status"] == before and time.monotonic() < end:
            self._executor.spin_once(timeout_sec=0.004)

    def _change(self, changes: Sequence[tuple[str, Any]]) -> None:
        """Ask for changes of parameters; a list of two types cannot be sent."""
        request, sent = SetParameters.Request(), []
        for name, value in changes:
            with suppress(TypeError, ValueError):
                request.parameters.append(Parameter(name, value=value).to_parameter_msg())
                sent.append((name, value))
        self._pending.append((sent, self._set.call_async(request)))
        # The queue of a service holds ten requests.
        if len(self._pending) % 5 == 0:
            self._answered(1.0)

    def _answered(self, deadline: float) -> bool:
        end = time.monotonic() + deadline
        while not (done := all(future.done() for _, future in self._pending)) and time.monotonic() < end:
            self._executor.spin_once(timeout_sec=0.02)
        return done

    def settle(self, deadline: float) -> Iterator[str]:
        """Wait for the answers to all parameter changes, judge them, then set what a right answer needs."""
        self._answered(deadline)
        usual = [
            (each.name, each.default) for each in fields(Settings) if each.metadata["changes"] == "any time"
        ]
        self._change([(name, PARAMETER_OVERRIDES.get(name, default)) for name, default in usual])
        if not self._answered(deadline):
            yield f"no answer to a change of parameters within {deadline:g} s"
        for changes, future in self._pending:
            for (name, value), result in zip(
                changes, future.result().results if future.done() else [], strict=False
            ):
                # A change of a parameter without a name changes nothing, and rclpy calls it successful.
                if name and result.successful != _allowed(name, value, self._settings):
                    did = "was taken" if result.successful else f"was refused: {result.reason}"
                    yield f"{name[:60]!r} = {str(value)[:60]!r} {did}"
        self._pending.clear()

    def ask(self, deadline: float) -> str:
        """Send a plain frame until it is answered rightly; returns what was wrong, or nothing."""
        self.right.clear()
        end, again = time.monotonic() + deadline, 0.0
        first = int(self.seconds) + 1
        self.seconds = float(first)
        while time.monotonic() < end:
            if time.monotonic() >= again:
                self._show()
                again = time.monotonic() + 0.3
            self._executor.spin_once(timeout_sec=0.02)
            if all(self.right.get(output, (0, 0))[0] >= first for output in ("heatmap", "grasp_points")):
                return ""
        missing = [output for output in ("heatmap", "grasp_points") if output not in self.right]
        return f"no right {' and '.join(missing)} of a plain frame within {deadline:g} s"

    def _show(self) -> None:
        stamp = header(self.tick())
        if self._clock is not None:
            self._clock.publish(Clock(clock=Time(sec=stamp.stamp.sec, nanosec=stamp.stamp.nanosec)))
        self._action.publish(String(data="hold"))
        pixels, depth = scene(*IMAGE_SIZE, hold=PART_BOX), bar_depth(*IMAGE_SIZE, PART_BOX)
        info = camera_info(*IMAGE_SIZE, FOCAL_LENGTH, stamp)
        info.distortion_model, info.d = "plumb_bob", [0.0] * 5
        self._info.publish(info)
        if self.compressed:
            self._depth.publish(compressed_image(encoded(depth, ".png"), "16UC1; png", stamp))
            picture = encoded(np.ascontiguousarray(pixels[..., ::-1]), ".jpg")
            self._image.publish(compressed_image(picture, "rgb8; jpeg compressed bgr8", stamp))
        else:
            self._depth.publish(raw_image(depth, "16UC1", stamp=stamp))
            self._image.publish(raw_image(pixels, "rgb8", stamp=stamp))
        self.sizes[stamp.stamp.sec, stamp.stamp.nanosec] = IMAGE_SIZE

    def _keeper(self, output: str) -> Any:
        def keep(message: Any) -> None:
            self.heard[output] += 1
            self.faults += [(output, each) for each in faults(message, self.sizes)]
            stamp = getattr(message, "header", None) and (
                message.header.stamp.sec,
                message.header.stamp.nanosec,
            )
            if stamp and self.sizes.get(stamp) == IMAGE_SIZE and _right(output, message):
                self.right[output] = stamp

        return keep

    def _keep_diagnostics(self, message: DiagnosticArray) -> None:
        if message.status[0].name.strip("/") == f"{self.name}/grounding":
            self.heard["diagnostics"] += 1
            self.faults += [("/diagnostics", each) for each in faults(message, self.sizes)]
            self.facts = {each.key: each.value for each in message.status[0].values}
            self.facts["message"] = message.status[0].message


def _right(output: str, message: Any) -> bool:
    left, top, right, bottom = PART_BOX
    if output == "heatmap" and (message.width, message.height) == IMAGE_SIZE:
        v, u = divmod(int(np.frombuffer(message.data, np.float32).argmax()), IMAGE_SIZE[0])
        return left <= u < right and top <= v < bottom
    if output == "grasp_points" and message.poses:
        p = message.poses[0].position
        u, v = (
            FOCAL_LENGTH * p.x / p.z + (IMAGE_SIZE[0] - 1) / 2,
            FOCAL_LENGTH * p.y / p.z + (IMAGE_SIZE[1] - 1) / 2,
        )
        return bool(left - 3 <= u < right + 3 and top - 3 <= v < bottom + 3 and abs(p.z - 0.76) < 0.01)
    return False


def _allowed(name: str, value: Any, settings: Mapping[str, str]) -> bool:
    """Whether a change has to be taken, by their table; whole numbers are fractions and texts too."""
    known = {each.name: each for each in fields(Settings)}
    if name not in known or known[name].metadata["changes"] == "start":
        return False
    default: Any = known[name].default
    kind, about = type(default), known[name].metadata
    if type(value) is int and kind in (float, str):
        value = kind(value)
    if type(value) is not kind:
        return False
    if about["changes"] == "configure":  # the node is active: what is in use stays
        in_use = kind(settings[name]) if name in settings else default
        return bool(value == in_use)
    if name == "action":
        known_actions = ["*", *(action.replace("_", "") for action in COLOURS)]
        parts = [re.sub(r"[\s_-]+", "", each).lower() for each in value.split("\0")[0].split(",")]
        named = [each for each in parts if each]
        return not value or (bool(named) and all(each in known_actions for each in named))
    if about["low"] is not None:
        return bool(about["low"] <= value <= about["high"])
    return not about["choices"] or value in about["choices"]
