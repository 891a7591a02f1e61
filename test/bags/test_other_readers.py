"""What `selcon ground-bag` writes is read by readers that share no code with the one that wrote it."""

from __future__ import annotations

import array
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from rclpy.serialization import deserialize_message

pytest.importorskip("mcap_ros2", reason="mcap-ros2-support is missing: pip install 'selcon_ros[test]'")

from mcap.reader import NonSeekingReader, make_reader
from mcap_ros2.decoder import DecoderFactory

from selcon_ros.cli.main import main
from selcon_ros.core.grasps.rigid import Rigid
from support.bags import FRAME, camera, transforms, write_bag
from support.bundles import colour_bundle

COUNT = 3
OURS = {
    "/affordance/heatmap": "sensor_msgs/msg/Image",
    "/affordance/overlay/compressed": "sensor_msgs/msg/CompressedImage",
    "/affordance/grasp_points": "geometry_msgs/msg/PoseArray",
    "/affordance/cloud": "sensor_msgs/msg/PointCloud2",
    "/affordance/markers": "visualization_msgs/msg/MarkerArray",
    "/affordance/status": "diagnostic_msgs/msg/DiagnosticArray",
}


@pytest.fixture(scope="module")
def grounded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bag of a run, with a type that rclpy of pip does not have."""
    folder = tmp_path_factory.mktemp("grounded")
    mount = transforms(("base_link", FRAME, 0.0, Rigid((0.0, 0.0, 0.0, 1.0), (0.0, 0.0, 1.0))))
    bag = write_bag(folder / "bag", [("/tf_static", mount, 99 * 10**9), *camera(COUNT)])
    given = ["--bundle", str(colour_bundle(folder / "colours")), "--action", "hold", "--processes", "1"]
    to = ["--out", str(folder / "out"), "--target-frame", "base_link"]
    outcome = CliRunner().invoke(main, ["ground-bag", str(bag), *given, *to])
    assert outcome.exit_code == 0, outcome.output
    return folder / "out" / "bag"


@pytest.fixture
def file(grounded: Path) -> Iterator[Any]:
    with (grounded / "bag.mcap").open("rb") as stream:
        yield stream


def test_mcap_reads_all_of_it_from_front_to_back(file: Any) -> None:
    """Without the index, with the checksums."""
    reader = NonSeekingReader(file, validate_crcs=True)
    seen = Counter(channel.topic for _, channel, _ in reader.iter_messages())
    assert {topic: seen[topic] for topic in OURS} == dict.fromkeys(OURS, COUNT)
    assert seen["/camera/image"] == COUNT and seen["/tf_static"] == 1


def test_mcap_finds_it_by_the_index(file: Any) -> None:
    reader = make_reader(file, validate_crcs=True)
    assert reader.get_header().profile == "ros2"
    summary = reader.get_summary()
    assert summary is not None and summary.statistics is not None and summary.chunk_indexes
    channels = {channel.topic: channel for channel in summary.channels.values()}
    counts = summary.statistics.channel_message_counts
    for topic, kind in OURS.items():
        channel = channels[topic]
        schema = summary.schemas[channel.schema_id]
        assert (channel.message_encoding, schema.name, schema.encoding) == ("cdr", kind, "ros2msg")
        assert counts[channel.id] == COUNT
        (qos,) = yaml.safe_load(channel.metadata["offered_qos_profiles"])
        assert (qos["reliability"], qos["durability"], qos["depth"]) == ("reliable", "volatile", 1)
    markers = [message for *_, message in reader.iter_messages(topics=["/affordance/markers"])]
    assert len(markers) == COUNT and markers[0].log_time == 100_021_000_000


def test_mcaps_ros_2_support_decodes_every_message_as_rclpy_does(file: Any) -> None:
    """By the definitions in the file alone."""
    decoded = Counter[str]()
    reader = make_reader(file, decoder_factories=[DecoderFactory()])
    for schema, channel, message, found in reader.iter_decoded_messages():
        assert schema is not None
        decoded[channel.topic] += 1
        if channel.topic == "/tf_static":
            (mounted,) = found.transforms
            assert mounted.child_frame_id == FRAME and mounted.transform.translation.z == 1.0
            continue
        package, _, name = schema.name.split("/")
        kind = getattr(import_module(f"{package}.msg"), name)
        same(deserialize_message(message.data, kind), found)
    assert decoded.keys() >= OURS.keys() | {"/tf_static", "/camera/camera_info"}
    assert set(decoded.values()) == {COUNT, 1}


def same(expected: Any, found: Any) -> None:
    """All fields of a message of rclpy are those of one of mcap-ros2-support."""
    if hasattr(expected, "get_fields_and_field_types"):
        for field in expected.get_fields_and_field_types():
            same(getattr(expected, field), getattr(found, field))
    elif isinstance(expected, list):
        assert len(expected) == len(found)
        for one, other in zip(expected, found, strict=True):
            same(one, other)
    elif isinstance(expected, (array.array, np.ndarray)):
        assert list(expected) == list(found)
    else:
        assert expected == (bytes([found]) if isinstance(expected, bytes) else found)
