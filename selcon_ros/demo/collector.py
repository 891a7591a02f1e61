"""Listens to the camera and to all that the grounding node publishes, and joins what belongs together."""

from __future__ import annotations

import math
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PolygonStamped, PoseArray
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import String
from visualization_msgs.msg import Marker, MarkerArray

IMAGE, DEPTH, CAMERA_INFO = "/camera/image", "/camera/depth", "/camera/camera_info"
HEATMAP, OVERLAY = "/affordance/heatmap", "/affordance/overlay"
GRASP_POINTS, GRASP_PIXELS = "/affordance/grasp_points", "/affordance/grasp_pixels"
MARKERS, STATUS = "/affordance/markers", "/affordance/status"
DIAGNOSTICS, ACTION = "/diagnostics", "/affordance/action"

# The messages of one camera frame: all carry its stamp.
PER_FRAME: dict[str, type[Any]] = {
    IMAGE: Image,
    DEPTH: Image,
    CAMERA_INFO: CameraInfo,
    HEATMAP: Image,
    OVERLAY: Image,
    GRASP_POINTS: PoseArray,
    GRASP_PIXELS: PolygonStamped,
    MARKERS: MarkerArray,
    STATUS: DiagnosticArray,
}
TYPES: dict[str, type[Any]] = {**PER_FRAME, DIAGNOSTICS: DiagnosticArray, ACTION: String}

# Of the frames at hand, so many of the newest are kept: a frame's messages take five megabytes.
_MAX_WAITING, _MAX_ANSWERED = 45, 100


@dataclass
class FrameMessages:
    """The messages of one camera frame as they came, in CDR, by topic.

    status: what the node says of its answer: action, confidence, widths, times; {} before it has.
    """

    stamp_ns: int
    data: dict[str, bytes] = field(default_factory=dict)
    received_ns: dict[str, int] = field(default_factory=dict)
    status: dict[str, str] = field(default_factory=dict)

    def message(self, topic: str) -> Any:
        """The deserialised message of `topic`."""
        return deserialize_message(self.data[topic], PER_FRAME[topic])

    def missing(self) -> list[str]:
        """The topics without a message for this frame."""
        topics = [topic for topic in PER_FRAME if topic not in self.data]
        if topics == [MARKERS] and not self.widths:
            return []  # nothing to mark, and an empty array has no stamp that would say so
        return topics

    @property
    def widths(self) -> list[float]:
        """Per grasp point with a pose its width in metres."""
        widths = [float(text) for text in self.status.get("widths_m", "").split()]
        return [width for width in widths if math.isfinite(width)]

    @property
    def latency_ms(self) -> float:
        """From the camera's stamp to the arrival of the heatmap, milliseconds."""
        return (self.received_ns[HEATMAP] - self.stamp_ns) / 1e6


class Collector(Node):
    """Sends actions and gathers the frames that answer them.

    `keep` is called with every message outside of frames (topic, CDR, time in ns): diagnostics and actions.
    """

    def __init__(self, keep: Callable[[str, bytes, int], None]) -> None:
        super().__init__("selcon_demo")
        self._keep = keep
        self._frames: dict[int, FrameMessages] = {}
        self.seen: set[str] = set()
        qos = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
        self._action = self.create_publisher(String, ACTION, qos)
        for topic in (*PER_FRAME, DIAGNOSTICS):
            # Raw: messages go into the bag byte for byte, and only the few that are shown are deserialised.
            self.create_subscription(TYPES[topic], topic, self._receiver(topic), qos, raw=True)

    def send(self, action: str) -> int:
        """Publish an action, forget all frames so far, and return the time in nanoseconds."""
        message = String(data=action)
        now = time.time_ns()
        self._action.publish(message)
        self._keep(ACTION, serialize_message(message), now)
        self._frames.clear()
        return now

    def listened_to(self) -> bool:
        """Whether a node takes the actions."""
        return bool(self._action.get_subscription_count())

    def wait_for(self, condition: Callable[[], bool], seconds: float, watch: Callable[[], None]) -> bool:
        """Spin until `condition` holds or the time is up, and return whether it holds.

        `watch` is called between messages, to raise when a process has died.
        """
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                return False
            watch()
            rclpy.spin_once(self, timeout_sec=0.05)
        return True

    def answers(self, action: str, sent_ns: int) -> list[FrameMessages]:
        """The frames taken after `sent_ns` that the node answered for `action`, oldest first."""
        return [
            frame
            for _, frame in sorted(self._frames.items())
            if frame.stamp_ns > sent_ns and HEATMAP in frame.data and frame.status.get("action") == action
        ]

    def _receiver(self, topic: str) -> Callable[[bytes], None]:
        def receive(data: bytes) -> None:
            now = time.time_ns()
            self.seen.add(topic)
            if topic == DIAGNOSTICS:
                self._keep(topic, data, now)
                return
            stamp = _markers_stamp_ns(data) if topic == MARKERS else stamp_ns(data)
            if stamp is None:
                return
            frame = self._frames.setdefault(stamp, FrameMessages(stamp))
            frame.data[topic] = data
            frame.received_ns[topic] = now
            if topic == STATUS:
                frame.status = {entry.key: entry.value for entry in frame.message(STATUS).status[0].values}
            self._drop_old()

        return receive

    def _drop_old(self) -> None:
        # The heatmap alone is none: the node leaves the rest out where a newer image came.
        answered = {stamp for stamp, frame in self._frames.items() if frame.status}
        waiting = self._frames.keys() - answered
        for stamp in [*sorted(waiting)[:-_MAX_WAITING], *sorted(answered)[:-_MAX_ANSWERED]]:
            del self._frames[stamp]


def stamp_ns(data: bytes) -> int:
    """The stamp in nanoseconds of a message in CDR that begins with its header."""
    # Four bytes tell the byte order, then comes the header, and that begins with the stamp.
    seconds, nanoseconds = struct.unpack_from("<iI" if data[1] & 1 else ">iI", data, 4)
    return int(seconds * 1_000_000_000 + nanoseconds)


def _markers_stamp_ns(data: bytes) -> int | None:
    """The stamp of serialised markers, which have no header in common; None where nothing is shown."""
    markers = [
        marker for marker in deserialize_message(data, MarkerArray).markers if marker.action == Marker.ADD
    ]
    if not markers:
        return None
    stamp = markers[0].header.stamp
    return int(stamp.sec * 1_000_000_000 + stamp.nanosec)
