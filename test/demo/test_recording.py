"""The recording reads back what was written, opens as a plain mcap bag, and refuses what is damaged."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rosbags", reason="needs rosbags: pip install 'selcon_ros[demo]'")

from selcon_ros.core.distortion import Distortion
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
from support.scenes import INTRINSICS, LABELS, painted_frame, painted_recording


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return painted_recording(tmp_path / "recording", frames=3)


def test_reads_back_what_was_written(folder: Path) -> None:
    recording = read_recording(folder)
    assert recording.labels == LABELS
    assert recording.actions == ["cut_with", "hold", "pour"]
    assert len(recording.frames) == 3
    for index, frame in enumerate(recording.frames):
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
    recording = read_recording(tmp_path)
    expected = np.isin(frame.labels, [1, 3])
    np.testing.assert_array_equal(recording.part_mask(recording.frames[0], "cut_with"), expected)
    assert not recording.part_mask(recording.frames[0], "fly").any()


def test_is_a_plain_bag(folder: Path) -> None:
    from rosbags.rosbag2 import Reader

    with Reader(folder / BAG_NAME) as reader:
        counts = {connection.topic: connection.msgcount for connection in reader.connections}
    assert counts == {IMAGE: 3, DEPTH: 3, CAMERA_INFO: 3, PARTS: 3}


def test_writing_again_replaces(folder: Path) -> None:
    write_recording(folder, [painted_frame(0)], LABELS)
    assert len(read_recording(folder).frames) == 1
    assert sorted(path.name for path in folder.iterdir()) == [BAG_NAME, TRUTH_NAME]


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


@pytest.mark.parametrize("text", ["", "[]", '{"labels": {"x": {}}}', '{"labels": {"1": {"object": "cup"}}}'])
def test_a_wrong_truth_file_is_named(folder: Path, text: str) -> None:
    (folder / TRUTH_NAME).write_text(text)
    with pytest.raises(RecordingError, match=r"truth\.json is not of the form"):
        read_recording(folder)


def test_truth_must_name_every_number_seen(folder: Path) -> None:
    truth = json.loads((folder / TRUTH_NAME).read_text())
    del truth["labels"]["2"]
    (folder / TRUTH_NAME).write_text(json.dumps(truth))
    with pytest.raises(RecordingError, match=r"part numbers \[2\]"):
        read_recording(folder)
