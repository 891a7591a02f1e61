"""The demo as a user runs it, on a painted recording and a model whose answers are known."""

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: source it, or pip install 'selcon_ros[ros]'")
pytest.importorskip("rosbags", reason="needs rosbags: pip install 'selcon_ros[demo]'")

from selcon_ros.demo.collector import PER_FRAME
from selcon_ros.ros import interfaces
from support.bundles import colour_bundle, other_outputs
from support.scenes import LABELS, PART_MM, painted_recording


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("inputs")
    recording = painted_recording(folder / "recording")
    bundle = colour_bundle(folder / "colours", training={"synthetic": True, "data": "cubes [/b]"})
    return ["--recording", str(recording), "--bundle", str(bundle)]


def demo(out: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": f"{root}:{os.environ.get('PYTHONPATH', '')}"}
    command = [sys.executable, "-m", "selcon_ros.cli.main", "demo", "--out", str(out), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)


@pytest.fixture(scope="module")
def finished(
    tmp_path_factory: pytest.TempPathFactory, inputs: list[str]
) -> tuple[Path, subprocess.CompletedProcess[str]]:
    out = tmp_path_factory.mktemp("demo") / "out"
    return out, demo(out, *inputs, "--frames", "4")


def test_every_action_is_answered_on_the_right_part(
    finished: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    out, process = finished
    assert process.returncode == 0, process.stdout + process.stderr
    for label in LABELS.values():
        answer = json.loads((out / f"{label.action}.json").read_text())
        best = answer["grasp_points"][0]
        assert best["nearest_true_part"]["part"] == label.part
        assert best["nearest_true_part"]["distance_mm"] < 5
        assert best["position_mm"][2] == pytest.approx(PART_MM, abs=2)
        assert best["width_mm"] > 0
        assert answer["frame_id"] == "camera_color_optical_frame"
        assert 1 <= answer["frames_with_3d_grasp_point"] <= answer["frames"] == 4
        assert 0 < answer["latency_ms"]["median"] <= answer["latency_ms"]["p95"]
        assert label.action in process.stdout and label.object in process.stdout
    assert "warning: trained on rendered scenes alone (cubes [/b]): " in " ".join(process.stdout.split())
    assert ("no typed results and requests" in process.stdout) == bool(interfaces.MISSING)
    assert [answer["action"] for answer in json.loads((out / "summary.json").read_text())] == [
        label.action for label in LABELS.values()
    ]


def test_pictures(finished: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    out, _ = finished
    for label in LABELS.values():
        assert cv2.imread(str(out / f"{label.action}.png")).shape == (480, 640, 3)
    sheet = cv2.imread(str(out / "contact_sheet.png"))
    assert sheet.shape[1] > 900 and sheet.shape[0] > 700


def test_the_bag_has_all_that_a_viewer_shows(
    finished: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    from rosbags.highlevel import AnyReader

    out, _ = finished
    with AnyReader([out / "bag"]) as reader:
        counts = {topic: info.msgcount for topic, info in reader.topics.items()}
        assert counts["/affordance/action"] == 3
        assert counts["/diagnostics"] > 0
        for topic in PER_FRAME:
            assert counts[topic] >= 3, topic
        heatmaps = [c for c in reader.connections if c.topic == "/affordance/heatmap"]
        for connection, _, data in reader.messages(heatmaps):
            message = reader.deserialize(data, connection.msgtype)
            assert (message.height, message.width, message.encoding) == (480, 640, "32FC1")
            assert message.header.frame_id == "camera_color_optical_frame"


def test_exit_code_tells_what_did_not_come(tmp_path: Path, inputs: list[str]) -> None:
    # A scene without anything blue: nothing to pour with.
    from selcon_ros.recording import read_recording, write_recording

    played = read_recording(Path(inputs[1]))
    frames = played.frames[:2]
    for frame in frames:
        frame.image[200:] = 128
    write_recording(tmp_path / "empty", frames, played.labels)
    process = demo(
        tmp_path / "out",
        "--recording",
        str(tmp_path / "empty"),
        *inputs[2:],
        "--action",
        "Pour",
        "--frames",
        "2",
        "--patience",
        "10",
    )
    assert process.returncode == 1
    assert "Error: pour: did not come: a grasp point in 3D" in process.stderr
    assert "Traceback" not in process.stderr


def test_a_node_that_dies_is_quoted(tmp_path: Path, inputs: list[str]) -> None:
    bundle = other_outputs(tmp_path / "bundle")
    process = demo(tmp_path / "out", *inputs[:2], "--bundle", str(bundle))
    assert process.returncode == 1
    assert "the grounding node ended with exit code 1" in process.stderr
    assert "mask" in process.stderr
    assert "Traceback" not in process.stderr


def test_an_unknown_action_is_named(tmp_path: Path, inputs: list[str]) -> None:
    process = demo(tmp_path / "out", *inputs, "--action", "fly")
    assert process.returncode == 1
    assert "fly" in process.stderr and "cut_with" in process.stderr
    assert "Traceback" not in process.stderr
