"""The recording reads back what was written, opens as a plain mcap bag, and refuses what is damaged."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rosbags", reason="needs rosbags: pip install 'selcon_ros[demo]'")

from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from selcon_ros import recording
from selcon_ros.core.cameras.distortion import Distortion
from selcon_ros.recording import (
    BAG_NAME,
    CAMERA_INFO,
    DEPTH,
    IMAGE,
    PARTS,
    TRUTH_NAME,
    RecordingError,
    read_recording,
    write_recording,
)
from support.disk import files_of_at_most
from support.scenes import INTRINSICS, LABELS, painted_frame, painted_recording


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return painted_recording(tmp_path / "recording", frames=3)


def test_reads_back_what_was_written(folder: Path) -> None:
    found = read_recording(folder)
    assert found.labels == LABELS
    assert found.actions == ["cut_with", "hold", "pour"]
    assert len(found.frames) == 3
    for index, frame in enumerate(found.frames):
        expected = painted_frame(index)
        assert frame.stamp_ns == expected.stamp_ns
        assert frame.intrinsics == INTRINSICS
        np.testing.assert_array_equal(frame.depth_mm, expected.depth_mm)
        np.testing.assert_array_equal(frame.labels, expected.labels)
        # JPEG is lossy; red and blue are not swapped and nothing has moved.
        assert np.abs(frame.image.astype(int) - expected.image).mean() < 3


def test_a_lens_s_distortion_is_kept(tmp_path: Path) -> None:
    lens = Distortion("rational_polynomial", (0.1, 0.2, 0.0, 0.01, 0.3, 0.4, 0.5, 0.6))
    frame = replace(painted_frame(0), intrinsics=replace(INTRINSICS, distortion=lens))
    write_recording(tmp_path / "recording", [frame], LABELS)
    assert read_recording(tmp_path / "recording").frames[0].intrinsics.distortion == lens


def test_part_mask_is_the_union_of_the_actions_parts(tmp_path: Path) -> None:
    frame = painted_frame(0)
    labels = {**LABELS, 3: replace(LABELS[3], action="cut_with")}
    write_recording(tmp_path, [frame], labels)
    found = read_recording(tmp_path)
    expected = np.isin(frame.labels, [1, 3])
    np.testing.assert_array_equal(found.part_mask(found.frames[0], "cut_with"), expected)
    assert not found.part_mask(found.frames[0], "fly").any()


def test_is_a_plain_bag(folder: Path) -> None:
    from rosbags.rosbag2 import Reader

    with Reader(folder / BAG_NAME) as reader:
        counts = {connection.topic: connection.msgcount for connection in reader.connections}
    assert counts == {IMAGE: 3, DEPTH: 3, CAMERA_INFO: 3, PARTS: 3}


def test_writing_again_replaces(folder: Path) -> None:
    write_recording(folder, [painted_frame(0)], LABELS)
    assert len(read_recording(folder).frames) == 1
    assert sorted(path.name for path in folder.iterdir()) == [BAG_NAME, TRUTH_NAME]


def test_a_full_disk_leaves_the_recording_that_was_there(folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with files_of_at_most(5000), pytest.raises(RecordingError, match="cannot write the recording .*large"):
        write_recording(folder, [painted_frame(0)], LABELS)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_refuses_frames_that_contradict_themselves(tmp_path: Path) -> None:
    frame = painted_frame(0)
    with pytest.raises(RecordingError, match="depth of frame .* is 320×480, its camera is 640×480"):
        write_recording(tmp_path, [replace(frame, depth_mm=frame.depth_mm[:, :320])], LABELS)
    with pytest.raises(RecordingError, match=r"part numbers \[3\]"):
        write_recording(tmp_path, [frame], {1: LABELS[1], 2: LABELS[2]})


def test_names_what_is_missing(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(RecordingError, match="no truth at"):
        read_recording(tmp_path / "nowhere")
    (folder / BAG_NAME).unlink()
    with pytest.raises(RecordingError, match=f"no recording at .*{BAG_NAME}"):
        read_recording(folder)


@pytest.mark.parametrize("keep", [0, 100, 0.5, 0.95])
def test_a_truncated_file_is_named(folder: Path, keep: float) -> None:
    bag = folder / BAG_NAME
    data = bag.read_bytes()
    bag.write_bytes(data[: int(keep * len(data)) if keep < 1 else int(keep)])
    with pytest.raises(RecordingError, match=r"recording\.mcap cannot be read as a recording"):
        read_recording(folder)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is not valid JSON"),
        ("[]", "must hold an object"),
        ("{}", "is not of the form"),
        ('{"labels": []}', "is not of the form"),
        ('{"labels": {"x": {}}}', "is not of the form"),
        ('{"labels": {"1": {"object": "cup"}}}', "is not of the form"),
        ('{"labels": {"1": {"object": "cup", "part": 3, "action": "hold"}}}', "is not of the form"),
        ('{"labels": {"256": {"object": "cup", "part": "a", "action": "hold"}}}', "from 1 to 255"),
        ('{"labels": {"1": {"object": "cup", "part": "a", "action": "a\\nb"}}}', "is not of the form"),
    ],
)
def test_a_wrong_truth_file_is_named(folder: Path, text: str, says: str) -> None:
    (folder / TRUTH_NAME).write_text(text)
    with pytest.raises(RecordingError, match=rf"truth\.json {says}|truth\.json .*{says}"):
        read_recording(folder)


def test_another_type_on_a_topic_of_ours_is_named(folder: Path) -> None:
    write_bag(folder, [("std_msgs/msg/String", IMAGE, string)])
    says = f"has std_msgs/msg/String on {IMAGE}, it must be sensor_msgs/msg/CompressedImage"
    with pytest.raises(RecordingError, match=says):
        read_recording(folder)


def test_other_topics_are_not_minded_and_no_topic_of_ours_is_told(folder: Path) -> None:
    write_bag(folder, [("std_msgs/msg/String", "/chatter", string)])
    with pytest.raises(RecordingError, match="holds no camera frame"):
        read_recording(folder)


def string(store: Any) -> Any:
    return store.types["std_msgs/msg/String"](data="hello")


def write_bag(folder: Path, messages: list[tuple[str, str, Callable[[Any], Any]]]) -> None:
    """Put a bag with these messages in the place of the recording's."""
    store = get_typestore(Stores.ROS2_JAZZY)
    with Writer(folder / "bag", version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        for kind, topic, make in messages:
            connection = writer.add_connection(topic, kind, typestore=store)
            writer.write(connection, 1, store.serialize_cdr(make(store), kind))
    (folder / "bag" / "bag.mcap").replace(folder / BAG_NAME)


def test_a_recording_damaged_anywhere_is_read_or_refused(folder: Path) -> None:
    """Every fault is a RecordingError of one line, whatever rosbags and zstd raise."""
    bag = folder / BAG_NAME
    whole = bag.read_bytes()
    places = [*range(0, 120), *range(len(whole) - 500, len(whole))]
    for place in places[::12]:
        bag.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            read_recording(folder)
        except RecordingError as error:
            assert "\n" not in str(error) and len(str(error)) < 400


def test_the_number_of_frames_is_bounded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "MAX_FRAMES", 3)
    assert len(read_recording(folder).frames) == 3
    monkeypatch.setattr(recording, "MAX_FRAMES", 2)
    with pytest.raises(RecordingError, match="has over 2 frames. Record a shorter one"):
        read_recording(folder)


def test_memory_for_frames_is_bounded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "MAX_DECODED_BYTES", 4 << 20)
    with pytest.raises(RecordingError, match="the frames of .* take over 4 MB. Record a shorter one"):
        read_recording(folder)


def test_truth_must_name_every_number_seen(folder: Path) -> None:
    truth = json.loads((folder / TRUTH_NAME).read_text())
    del truth["labels"]["2"]
    (folder / TRUTH_NAME).write_text(json.dumps(truth))
    with pytest.raises(RecordingError, match=r"part numbers \[2\]"):
        read_recording(folder)
