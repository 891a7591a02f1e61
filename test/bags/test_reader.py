"""A bag that is missing or damaged is told with its path; stamps are read without the rest of a message."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rclpy.serialization import serialize_message
from rosbags.rosbag1 import Writer as Ros1Writer
from rosbags.rosbag2 import CompressionMode, StoragePlugin
from sensor_msgs.msg import Image
from std_msgs.msg import String

from selcon_ros.bags import unpacking
from selcon_ros.bags.reader import BagError, BagReader, stamp_of
from support.bags import camera, write_bag
from support.messages import header, raw_image


@given(st.integers(-(2**31), 2**31 - 1), st.integers(0, 999_999_999), st.text(max_size=20))
def test_stamps(seconds: int, nanoseconds: int, frame: str) -> None:
    message = Image()
    message.header.stamp.sec, message.header.stamp.nanosec = seconds, nanoseconds
    message.header.frame_id = frame.replace("\0", "").encode(errors="ignore").decode()
    assert stamp_of(serialize_message(message)) == seconds * 1_000_000_000 + nanoseconds


def test_what_is_too_short_has_no_stamp() -> None:
    with pytest.raises(BagError, match="a message of 3 bytes has no header"):
        stamp_of(b"\0\1\0")


@pytest.mark.parametrize("plugin", StoragePlugin)
def test_both_kinds_of_bags_are_read_as_folder_and_as_file(tmp_path: Path, plugin: StoragePlugin) -> None:
    bag = write_bag(tmp_path / "bag", camera(3), plugin)
    file = next(each for each in bag.iterdir() if each.suffix in (".mcap", ".db3"))
    for path in (bag, file):
        with BagReader(path) as reader:
            images = list(reader.messages(reader.of("/camera/image")))
            assert [time for _, time, _ in images] == [100_021_000_000, 100_121_000_000, 100_221_000_000]
            assert not list(reader.messages(reader.of("/nowhere")))


def test_a_missing_bag_is_told(tmp_path: Path) -> None:
    with pytest.raises(BagError, match="no bag at .*/nowhere"):
        BagReader(tmp_path / "nowhere")


@pytest.mark.parametrize("plugin", StoragePlugin)
def test_a_truncated_bag_is_told(tmp_path: Path, plugin: StoragePlugin) -> None:
    bag = write_bag(tmp_path / "bag", camera(3), plugin)
    file = next(each for each in bag.iterdir() if each.suffix in (".mcap", ".db3"))
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    said = f"{bag}.*(mcap recover|Is it whole)"
    with pytest.raises(BagError, match=said), BagReader(bag) as reader:
        list(reader.messages(reader.connections))


@pytest.mark.parametrize("chunks", [True, False])
def test_a_bag_without_an_index_is_read(tmp_path: Path, chunks: bool) -> None:
    mcap = pytest.importorskip("mcap.writer", reason="mcap is missing: pip install 'selcon_ros[test]'")
    file = tmp_path / "bag.mcap"
    with file.open("wb") as stream:
        writer = mcap.Writer(
            stream,
            use_chunking=chunks,
            index_types=mcap.IndexType.NONE,
            use_statistics=False,
            use_summary_offsets=False,
            repeat_channels=False,
            repeat_schemas=False,
        )
        writer.start("ros2", "test")
        schema = writer.register_schema("std_msgs/msg/String", "ros2msg", b"string data")
        channel = writer.register_channel("/chatter", "cdr", schema)
        for second in range(3):
            data = serialize_message(String(data=str(second)))
            writer.add_message(channel, second * 10**9, data, second * 10**9)
        writer.finish()
    with BagReader(file) as reader:
        (connection,) = reader.connections
        found = [reader.deserialize(connection, data).data for _, _, data in reader.messages([connection])]
        assert found == ["0", "1", "2"]


@pytest.mark.parametrize("content", [b"", b"no yaml: [", b"rosbag2_bagfile_information: {version: 99}"])
def test_metadata_that_is_none_is_told(tmp_path: Path, content: bytes) -> None:
    bag = write_bag(tmp_path / "bag", [("/chatter", String(data="hello"), 1)])
    (bag / "metadata.yaml").write_bytes(content)
    with pytest.raises(BagError, match=str(bag)), BagReader(bag):
        pass


def test_a_bag_of_ros_1_is_refused(tmp_path: Path) -> None:
    bag = tmp_path / "old.bag"
    with Ros1Writer(bag):
        pass
    with pytest.raises(BagError, match="old.bag is a bag of ROS 1: convert it with: rosbags-convert"):
        BagReader(bag)


def test_a_folder_that_is_no_bag_is_refused(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "bag", camera(1))
    (bag / "metadata.yaml").unlink()
    with pytest.raises(BagError, match=r"no metadata.yaml: ros2 bag reindex .* or give one .mcap"):
        BagReader(bag)


def test_a_long_bag_of_a_covered_camera_is_read(tmp_path: Path) -> None:
    black = raw_image(np.zeros((1000, 1000, 3), np.uint8), "rgb8", stamp=header(1.0))
    bag = write_bag(tmp_path / "bag", [("/image", black, 10**9)] * 30, compression=CompressionMode.STORAGE)
    with BagReader(bag) as reader:
        assert len(list(reader.messages(reader.connections))) == 30


@pytest.mark.parametrize("keep", [0, 10, 2000])
def test_a_damaged_bag_compressed_by_file_is_told(tmp_path: Path, keep: int) -> None:
    bag = write_bag(tmp_path / "bag", camera(3), compression=CompressionMode.FILE)
    file = next(bag.glob("*.zstd"))
    file.write_bytes(file.read_bytes()[:keep] or b"no zstd at all")
    with pytest.raises(BagError, match=f"bag {bag} cannot be read"), BagReader(bag):
        pass


@pytest.mark.parametrize("plugin", StoragePlugin)
def test_a_bag_compressed_by_file_is_unpacked_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plugin: StoragePlugin
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    bag = write_bag(tmp_path / "bag", camera(3), plugin, CompressionMode.FILE)
    with BagReader(bag) as reader, BagReader(reader.plain, check=False) as other:
        assert reader.plain.parent == tmp_path and reader.plain == other.plain != bag
        mine, theirs = ([data for *_, data in each.messages(each.connections)] for each in (reader, other))
        assert len(mine) == 9 and mine == theirs
    assert list(tmp_path.iterdir()) == [bag]


def test_what_the_disk_has_no_room_for_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    bag = write_bag(tmp_path / "bag", camera(1), compression=CompressionMode.FILE)
    monkeypatch.setattr(unpacking, "MIN_FREE_DISK_BYTES", 1 << 60)
    with pytest.raises(BagError, match=f"{bag} is compressed by file, and {tmp_path} has no room to"):
        BagReader(bag).open()
    assert list(tmp_path.iterdir()) == [bag]


def test_a_bag_whose_unpacked_file_is_no_mcap_is_told(tmp_path: Path) -> None:
    zstd = pytest.importorskip("backports.zstd", reason="this rosbags has another library for zstd")
    bag = write_bag(tmp_path / "bag", camera(1), compression=CompressionMode.FILE)
    with zstd.ZstdFile(bag / "bag.mcap.zstd", "wb") as file:
        file.write(bytes(1 << 20))
    with pytest.raises(BagError, match="bag.mcap cannot be read as a recording: it is no mcap file"):
        BagReader(bag).open()
