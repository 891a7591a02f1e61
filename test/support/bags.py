"""Bags as rosbag2 writes them, of any messages."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml
from rclpy.serialization import serialize_message
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import CompressionMode, StoragePlugin, Writer
from rosbags.rosbag2.enums import CompressionFormat
from rosbags.typesys import Stores, get_typestore

from selcon_ros.core.grasps.rigid import Rigid
from support.messages import camera_info, header, raw_image
from support.scenes import bar_depth, scene

FRAME = "camera_color_optical_frame"
DOWN = Rigid((0.5**0.5, -(0.5**0.5), 0.0, 0.0), (0.5, 0.0, 1.0))
"""The camera looks down from 1 m above, with its image's top forward."""
Stamped = tuple[str, Any, int]
"""Topic, message, and when it was received in ns."""


def write_bag(
    path: Path,
    messages: Iterable[Stamped],
    plugin: StoragePlugin = StoragePlugin.MCAP,
    compression: CompressionMode = CompressionMode.NONE,
    **qos: Any,
) -> Path:
    """Write messages of rclpy or rosbags into a bag folder, and return it.

    `qos` is that of topics, by their names without the first slash and with _ for others.
    """
    store = get_typestore(Stores.ROS2_JAZZY)
    connections: dict[str, Any] = {}
    writer = Writer(path, version=9, storage_plugin=plugin)
    writer.set_compression(compression, CompressionFormat.ZSTD)
    with writer:
        for topic, message, received in messages:
            kind = type(message)
            of_rosbags = getattr(kind, "__msgtype__", None)
            name = of_rosbags or f"{kind.__module__.split('.')[0]}/msg/{kind.__name__}"
            if topic not in connections:
                connections[topic] = writer.add_connection(
                    topic,
                    name,
                    typestore=store,
                    offered_qos_profiles=qos.get(topic[1:].replace("/", "_"), ()),
                )
            data = store.serialize_cdr(message, name) if of_rosbags else serialize_message(message)
            writer.write(connections[topic], received, data)
    return path


def joined(path: Path, *bags: Path) -> Path:
    """One bag of several mcap files, as rosbag2 splits a long one."""
    path.mkdir()
    described = [yaml.safe_load((bag / "metadata.yaml").read_text()) for bag in bags]
    whole, *others = (each["rosbag2_bagfile_information"] for each in described)
    for number, bag in enumerate(bags):
        shutil.copy(next(bag.glob("*.mcap")), path / f"{path.name}_{number}.mcap")
    whole["relative_file_paths"] = [f"{path.name}_{number}.mcap" for number in range(len(bags))]
    whole["message_count"] += sum(other["message_count"] for other in others)
    (path / "metadata.yaml").write_text(yaml.safe_dump(described[0]))
    return path


def part_at(index: int) -> tuple[int, int, int, int]:
    """Where the part is in image number `index`: left, top, right, bottom."""
    return (60 + 4 * index, 48, 92 + 4 * index, 144)


def camera(
    count: int, camera: str = "/camera", frame: str = FRAME, start: float = 100.0, size: int = 320
) -> list[Stamped]:
    """Images ten times a second, with depth and calibration, of a part that moves."""
    found: list[Stamped] = []
    for index in range(count):
        seconds = start + 0.1 * index
        received = round(1e9 * (seconds + 0.02))
        depth = bar_depth(size, 240, part_at(index))
        image = scene(size, 240, hold=part_at(index))
        found += [
            (f"{camera}/camera_info", camera_info(size, 240, 300.0, header(seconds, frame)), received),
            (f"{camera}/depth", raw_image(depth, "16UC1", stamp=header(seconds, frame)), received),
            (f"{camera}/image", raw_image(image, "rgb8", stamp=header(seconds, frame)), received + 1_000_000),
        ]
    return found


def transforms(*given: tuple[str, str, float, Rigid]) -> Any:
    """A TFMessage of rosbags, for pip has no tf2_msgs: parent, child, stamp in s, and the child's pose."""
    types = get_typestore(Stores.ROS2_JAZZY).types
    quaternion, vector = types["geometry_msgs/msg/Quaternion"], types["geometry_msgs/msg/Vector3"]
    message, stamped = types["geometry_msgs/msg/Transform"], types["geometry_msgs/msg/TransformStamped"]
    header, time = types["std_msgs/msg/Header"], types["builtin_interfaces/msg/Time"]
    return types["tf2_msgs/msg/TFMessage"](
        [
            stamped(
                header(time(*divmod(round(1e9 * stamp), 10**9)), parent),
                child,
                message(vector(*pose.translation), quaternion(*pose.rotation)),
            )
            for parent, child, stamp, pose in given
        ]
    )


def drive(count: int) -> list[Stamped]:
    """The base drives on by 1 m a second, and is known until 0.1 s before the last image."""
    odometry = [
        ("odom", "base_link", 99.95 + 0.1 * step, Rigid((0.0, 0.0, 0.0, 1.0), (0.1 * step, 0.0, 0.0)))
        for step in range(count)
    ]
    mount = ("/tf_static", transforms(("base_link", FRAME, 0.0, DOWN)), round(1e9 * 99.0))
    return [mount, *(("/tf", transforms(each), round(1e9 * (each[2] + 0.001))) for each in odometry)]


def messages(bag: Path) -> dict[str, list[tuple[int, bytes]]]:
    """When each message was received, and the message, by topic."""
    found: dict[str, list[tuple[int, bytes]]] = {}
    with AnyReader([bag]) as reader:
        for connection, received, data in reader.messages():
            found.setdefault(connection.topic, []).append((received, bytes(data)))
    return found


def rows(out: Path) -> list[dict[str, str]]:
    """The table of a grounded bag."""
    with (out / "results.csv").open(newline="") as file:
        return list(csv.DictReader(file))
