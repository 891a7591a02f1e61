"""Which topics of a bag are the camera's: given, or found where there is no doubt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rclpy.serialization import deserialize_message
from rosbags.interfaces import Connection
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from selcon_ros.bags.reader import BagError, BagReader
from selcon_ros.core.text import one_line

MESSAGE_TYPES: dict[str, Any] = {
    "sensor_msgs/msg/Image": Image,
    "sensor_msgs/msg/CompressedImage": CompressedImage,
    "sensor_msgs/msg/CameraInfo": CameraInfo,
}
DEPTH_ENCODINGS = ("16uc1", "32fc1", "mono16")
NO_DEPTH = "none"
"""Instead of a depth topic: none is used."""
MAX_TOPICS_SHOWN = 12


@dataclass(frozen=True)
class CameraTopics:
    """The topics of one camera; None where the bag has none. depth goes with camera_info."""

    image: str
    depth: str | None
    camera_info: str | None


@dataclass(frozen=True)
class _Seen:
    """A topic of images or calibrations, by its first message."""

    topic: str
    kind: str
    frame: str
    is_depth: bool


def choose(reader: BagReader, image: str | None, depth: str | None, camera_info: str | None) -> CameraTopics:
    """Return the camera's topics.

    What is not given is found where only one topic comes into question: the one of colour images; of depth
    and of calibrations the one in the frame of the images, beside them if there are several. `none` for
    `depth` means to do without. Raises BagError where a given topic is not there or of another type, or where
    several could be meant.
    """
    seen = [each for connection in reader.connections if (each := _inspect(reader, connection)) is not None]
    colour = _checked_topic(reader, seen, image, "image") or _only(
        {each.topic for each in seen if each.kind != "CameraInfo" and not each.is_depth},
        "colour images",
        "image",
    )
    frame = next(each.frame for each in seen if each.topic == colour)
    near = [each for each in seen if each.frame == frame]
    info = _checked_topic(reader, seen, camera_info, "camera-info") or _nearest(
        {each.topic for each in near if each.kind == "CameraInfo"}, colour, "calibrations", "camera-info"
    )
    if depth == NO_DEPTH:
        return CameraTopics(colour, None, info)
    measured = _checked_topic(reader, seen, depth, "depth") or _nearest(
        {each.topic for each in near if each.is_depth}, colour, "depth images", "depth"
    )
    return CameraTopics(colour, measured, info)


def _inspect(reader: BagReader, connection: Connection) -> _Seen | None:
    kind = MESSAGE_TYPES.get(connection.msgtype)
    data = reader.first(connection) if kind is not None else None
    if kind is None or data is None:
        return None
    try:
        message = deserialize_message(bytes(data), kind)
    except Exception:  # whatever the middleware throws; it is told when the topic is chosen
        return None
    form = getattr(message, "encoding", getattr(message, "format", "")).lower()
    is_depth = form.split(";")[0].strip() in DEPTH_ENCODINGS or "compresseddepth" in form
    name = connection.msgtype.rpartition("/")[2]
    return _Seen(connection.topic, name, message.header.frame_id, is_depth and name != "CameraInfo")


def _checked_topic(reader: BagReader, seen: list[_Seen], topic: str | None, option: str) -> str | None:
    """Return a topic that was given, if it is there and of a type for this option."""
    if topic is None:
        return None
    wanted = {"CameraInfo"} if option == "camera-info" else {"Image", "CompressedImage"}
    if any(each.topic == topic and each.kind in wanted for each in seen):
        return topic
    there = sorted(each.topic for each in seen if each.kind in wanted)
    types = {connection.msgtype for connection in reader.of(topic)}
    why = f"is of {', '.join(sorted(types))}, or empty" if types else "is not in the bag"
    raise BagError(
        f"--{option} {one_line(topic, 100)} {why}; of {' or '.join(sorted(wanted))} there are: "
        f"{_listed(there)}"
    )


def _only(topics: set[str], what: str, option: str) -> str:
    if len(topics) == 1:
        return next(iter(topics))
    if not topics:
        raise BagError(f"the bag has no {what}: sensor_msgs/msg/Image or CompressedImage is needed")
    raise BagError(f"the bag has {what} on {_listed(sorted(topics))}: choose one with --{option}")


def _nearest(topics: set[str], image: str, what: str, option: str) -> str | None:
    """Return the only topic, or the one that shares most of its name's beginning with the image topic."""
    if len(topics) < 2:
        return next(iter(topics), None)
    shared = {topic: _shared(topic, image) for topic in topics}
    best = [topic for topic in topics if shared[topic] == max(shared.values())]
    return best[0] if len(best) == 1 else _only(topics, what, option)


def _shared(one: str, other: str) -> int:
    """How many parts of two names are equal, from the start on."""
    count = 0
    for mine, theirs in zip(one.split("/"), other.split("/"), strict=False):
        if mine != theirs:
            break
        count += 1
    return count


def _listed(topics: list[str]) -> str:
    more = f" and {len(topics) - MAX_TOPICS_SHOWN} more" if len(topics) > MAX_TOPICS_SHOWN else ""
    return one_line(", ".join(topics[:MAX_TOPICS_SHOWN]), 1000) + more if topics else "none"
