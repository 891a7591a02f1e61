"""A bag is whole, or there is none."""

from pathlib import Path

import pytest

pytest.importorskip("rosbags", reason="needs rosbags: pip install 'selcon_ros[demo]'")

from rosbags.rosbag2 import Reader

from selcon_ros.bags.writer import Bag
from support.disk import files_of_at_most

STRING = "std_msgs/msg/String"
HELLO = b"\0\1\0\0" + b"\6\0\0\0" + b"hello\0"


def test_what_is_written_is_read_and_replaces_what_was_there(tmp_path: Path) -> None:
    for count in (3, 1):
        with Bag(tmp_path / "bag") as bag:
            for number in range(count):
                bag.write("/chatter", STRING, number, HELLO)
        with Reader(tmp_path / "bag") as reader:
            assert [bytes(data) for _, _, data in reader.messages()] == [HELLO] * count


def test_a_full_disk_leaves_no_half_bag(tmp_path: Path) -> None:
    with (
        files_of_at_most(200),
        pytest.raises(OSError, match="File too large: '.*bag'"),
        Bag(tmp_path / "bag") as bag,
    ):
        for number in range(10):
            bag.write("/chatter", STRING, number, HELLO)
    assert not list(tmp_path.iterdir())
