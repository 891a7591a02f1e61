"""Where a bag has its transforms: /tf and /tf_static, or those of the one robot that has a namespace."""

from __future__ import annotations

from dataclasses import dataclass

from rosbags.interfaces import Connection

from selcon_ros.bags.reader import BagError, BagReader
from selcon_ros.core.text import quoted

TF_TYPE = "tf2_msgs/msg/TFMessage"
MOVING, STATIC = "tf", "tf_static"
MAX_TOPICS_SHOWN = 6


@dataclass(frozen=True)
class TransformTopics:
    """The topics of moving and of static transforms; one of them may be missing in the bag."""

    moving: str
    static: str


def transform_topics(reader: BagReader, target: str) -> TransformTopics:
    """Return the topics of transforms for a target frame: /tf before all others.

    Raises BagError for a frame that is no name, a bag without transforms, or with those of several robots.
    """
    if not target or target.startswith("/"):
        raise BagError(f"--target-frame {quoted(target)} is none: a frame's name, without a '/' before it")
    topics = {
        each.topic
        for each in reader.connections
        if each.msgtype == TF_TYPE and _name(each) in (MOVING, STATIC)
    }
    if not topics:
        raise BagError(
            f"--target-frame {quoted(target)}: the bag has no /{MOVING} and no /{STATIC} of {TF_TYPE}, also "
            "in no namespace: record them too, or leave the option out for poses in the camera's frame"
        )
    spaces = sorted({topic.rpartition("/")[0] for topic in topics})
    robots = [space for space in spaces if space]
    if len(robots) > 1 and "" not in spaces:
        listed = ", ".join(quoted(f"{robot}/{MOVING}") for robot in robots[:MAX_TOPICS_SHOWN])
        raise BagError(
            f"--target-frame {quoted(target)}: the bag has transforms of several robots, {listed}: keep "
            "one's in a bag of its own (ros2 bag convert)"
        )
    own = robots[0] if len(robots) == 1 else ""
    moving, static = (f"/{name}" if f"/{name}" in topics else f"{own}/{name}" for name in (MOVING, STATIC))
    return TransformTopics(moving, static)


def _name(connection: Connection) -> str:
    """The last part of a topic."""
    return connection.topic.rpartition("/")[2]
