"""The bench of a frame: two versions are measured in turns, and where the node's time goes is noted."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: source it, or pip install 'selcon_ros[ros]'")
pytest.importorskip("rosbags", reason="needs rosbags: pip install 'selcon_ros[demo]'")

from benchmarks import frame_node
from benchmarks.frame import PARTS, FramePlan, MeasuredVersion
from benchmarks.frame_report import STAGES, frame_rows, notes, tables
from benchmarks.node_usage import IdleUsage, NodeUsage
from benchmarks.usage import Memory
from benchmarks.versions import Version, baseline
from selcon_ros.core.errors import SelconError
from selcon_ros.core.machine.timing import Times
from support.bundles import colour_bundle

ROOT = Path(__file__).parents[2]


@pytest.mark.long
def test_measures_two_versions_and_writes_its_chapter(tmp_path: Path) -> None:
    """The other version is the installation that the tests run in, once more."""
    page = tmp_path / "docs" / "speed.md"
    page.parent.mkdir()
    page.write_text("# Speed\n\nof the node\n")
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}"}
    process = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks", "frame", "--baseline", sys.executable, "--name", "former"),
            *("--bundle", str(colour_bundle(tmp_path / "colours")), "--rounds", "1", "--seconds", "2"),
            *("--rate", "5", "--blocks", "1", "--json", "--out", str(page)),
        ],
        env=environment, capture_output=True, text=True, timeout=400,
    )  # fmt: skip
    assert process.returncode == 0, process.stderr
    report = json.loads(process.stdout)
    assert [each["version"] for each in report["versions"]] == ["former", "now"]
    for version in report["versions"]:
        assert all(version["milliseconds"][part] for part in PARTS)
        spent = {stage for stages in version["budget"].values() for stage in stages}
        assert {"wait", "receive", "decode", "network", "heatmap", "heatmap message", "overlay"} <= spent
        assert spent <= set(STAGES)
    found = {row["what"]: row["value"] for row in report["rows"]}
    assert found["overlay, all pictures together, against former"] > 0 and found["`selcon --help`"] > 0
    # The small network finds nothing in the recording: there is nothing to search in.
    assert found["grasp search of one action, against former"] is None
    written = page.read_text()
    assert "of the node" in written and "Budget of a frame" in written
    for row in report["rows"]:
        assert row["what"] in written
    if "frame_budget.png" in written:  # where there is matplotlib
        assert (page.parent / "images" / "frame_budget.png").stat().st_size > 1000


def test_a_python_without_the_package_is_told(tmp_path: Path) -> None:
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    python.chmod(0o755)
    with pytest.raises(SelconError, match="bin/python does not run selcon_ros: ModuleNotFoundError"):
        baseline(python, "former")


def node(rate: float, latency: float, cpu: float, dropped: int) -> NodeUsage:
    times = Times(latency / 2, latency, 100)
    memory = Memory(90_000_000, 20_000_000, 80_000_000)
    return NodeUsage(times, rate, 20.0, 1.0, "engine", rate, dropped, cpu, memory)


def found(name: str, slow: float) -> MeasuredVersion:
    memory = Memory(90_000_000, 20_000_000, 60_000_000)
    return MeasuredVersion(
        Version(name, Path(sys.executable), {}, Path(), "", ""),
        grasps=[4.0 * slow],
        milliseconds={part: [10 * slow, 12 * slow, 11 * slow] for part in PARTS},
        starts={"import": [100 * slow], "help": [200 * slow]},
        heatmap=[node(30.0, 40.0, 0.03, 0)],
        everything=[node(30.0 / slow, 30.0 * slow, 0.03 * slow, round(slow) - 1)],
        idle=[IdleUsage(0.005 * slow, memory)],
        budget={"worker": {"network": 20.0, "grasps": 5.0 * slow}, "executor": {"receive": 2.0}},
    )


def test_rows_hold_this_version_against_the_former_one() -> None:
    before, now, plan = found("former", 4.0), found("now", 1.0), FramePlan(1, 10.0, 30.0, 1)
    written = {row.what: row for row in frame_rows(before, now, plan, 90_000_000)}
    kept = written["all outputs subscribed: results a second against heatmap alone"]
    assert kept.value == 1.0 and kept.met and "former: 0.25, 7.5 Hz" in kept.detail
    assert written["overlay, all pictures together, against former"].value == pytest.approx(0.25)
    assert written["grasp search of one action, against former"].value == pytest.approx(0.25)
    assert written["all outputs subscribed: camera images dropped, of about 300"].met
    tail = written["all outputs subscribed: camera message to heatmap message, p95 against median inference"]
    assert tail.value == pytest.approx(1.5) and tail.met
    cpu = written["all outputs subscribed: processor time of the node for each answer, against former"]
    assert cpu.value == pytest.approx(0.25) and cpu.met
    idle = written["nobody listens, the camera runs: processor time of the node"]
    assert idle.value == pytest.approx(0.5) and idle.met
    memory = written["all outputs subscribed: resident memory of the node"]
    assert memory.value == pytest.approx(190) and not memory.met and "libraries 90" in memory.detail
    assert written["`import selcon_ros`"].value == pytest.approx(0.1)
    (budget,) = tables([before, now])
    assert ("grasp search", "20.00", "5.00") in budget.lines
    assert "Threads of now: executor 2.0 ms; worker 25.0 ms." in budget.below
    assert "former" in notes(before, plan)[0]


def test_a_stage_counts_without_the_stages_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 0.0, 1.0, 1.0, 4.0, 10.0])  # outer and inner begin, inner and outer end
    monkeypatch.setattr(frame_node.time, "monotonic", lambda: next(clock))
    noted = frame_node.Notes()
    inner = noted.wrap("heatmap", lambda: "found")
    outer = noted.wrap("network", lambda: inner())
    assert outer() == "found"
    assert [(stage, begun, seconds) for _, stage, begun, seconds in noted.spent] == [
        ("heatmap", 1.0, 3.0),
        ("network", 0.0, 7.0),
    ]


def test_messages_are_told_apart_by_what_they_hold() -> None:
    from sensor_msgs.msg import Image
    from std_msgs.msg import String

    noted = frame_node.Notes()
    publish = noted.wrap("publish", lambda publisher, message: None)
    for message in (Image(encoding="32FC1"), Image(encoding="bgr8"), String()):
        publish(None, message)
    assert [stage for _, stage, _, _ in noted.spent] == [
        "heatmap message",
        "overlay message",
        "other messages",
    ]
