"""Depth and calibration of the images of one stretch of a bag, found by their stamps."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Set
from typing import Any

from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from selcon_ros.bags.plan import BagPlan, Segment
from selcon_ros.bags.reader import BagError, BagReader, Message, stamp_of
from selcon_ros.bags.topics import MESSAGE_TYPES
from selcon_ros.core.cameras.camera import Intrinsics
from selcon_ros.core.errors import SelconError, first_line
from selcon_ros.ros.depth import Depth
from selcon_ros.ros.registered import registered_depth, registered_intrinsics

MARGIN_SECONDS = 1.0
"""Seconds around a stretch in which depth and calibration of its images are looked for."""


def images_of(reader: BagReader, plan: BagPlan, segment: Segment) -> Iterator[Message]:
    """The images of a stretch."""
    return reader.messages(reader.of(plan.topics.image), segment.start, segment.end)


def camera_message(data: bytes, kind: str) -> Any:
    """A message of one of `MESSAGE_TYPES`. Raises BagError for a damaged one."""
    try:
        return deserialize_message(bytes(data), MESSAGE_TYPES[kind])
    except Exception as error:  # whatever the middleware throws
        raise BagError(f"a {kind} cannot be read: {first_line(error)}") from error


def stamp_or_none(data: bytes) -> int | None:
    """A message's stamp in ns; None for what is damaged."""
    try:
        return stamp_of(bytes(data[:16]))
    except BagError:
        return None


_Stamped = tuple[int, str, bytes]
"""A message's stamp in ns, its type, and the message in CDR."""


def nearest(messages: Iterable[Message], stamps: Set[int]) -> dict[int, _Stamped]:
    """The message nearest to each of the stamps; no others are kept: between two images may be hours."""
    found: dict[int, _Stamped] = {}
    for connection, _, data in messages:
        if (when := stamp_or_none(data)) is None:
            continue
        for stamp in stamps:
            if stamp not in found or abs(when - stamp) < abs(found[stamp][0] - stamp):
                found[stamp] = (when, connection.msgtype, data)
    return found


class Near:
    """Depth and calibration around a stretch, found by the stamps of its images."""

    def __init__(self, reader: BagReader, plan: BagPlan, segment: Segment, stamps: Set[int]) -> None:
        """Read what is near images with these stamps."""
        self._plan = plan
        margin = int((MARGIN_SECONDS + plan.settings.sync_tolerance) * 1e9)
        window = (segment.start - margin, segment.end + margin)
        depths, infos = reader.of(plan.topics.depth), reader.of(plan.topics.camera_info)
        self._depths = nearest(reader.messages(depths, *window), stamps)
        self._infos = nearest(reader.messages(infos, *window), stamps)
        if not self._infos:
            # A calibration that was sent once, before.
            before = deque(reader.messages(infos, None, segment.end), maxlen=1)
            self._infos = nearest(before, stamps)

    def of(self, header: Header, size: tuple[int, int]) -> tuple[Depth | None, Intrinsics | None, str]:
        """Depth and intrinsics of an image of this size (width, height), and what is wrong with them."""
        stamp = header.stamp.sec * 1_000_000_000 + header.stamp.nanosec
        settings = self._plan.settings
        if not self._depths:
            return None, None, ""
        when, kind, data = self._depths[stamp]
        if abs(when - stamp) > settings.sync_tolerance * 1e9:
            apart = abs(when - stamp) / 1e6
            return None, None, f"the nearest depth image is {apart:.0f} ms away: raise --sync-tolerance"
        try:
            depth = registered_depth(camera_message(data, kind), header, size, settings)
        except SelconError as error:
            return None, None, str(error)
        if not self._infos:
            return depth, None, ""
        _, kind, data = self._infos[stamp]
        try:
            info: CameraInfo = camera_message(data, kind)
            return depth, registered_intrinsics(info, header, size, settings, self._plan.topics.image), ""
        except SelconError as error:
            return depth, None, str(error)
