"""The benchmark runs and measures what it says; how fast this machine is decides nothing here."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: source it, or pip install 'selcon_ros[ros]'")
pytest.importorskip("rosbags", reason="needs rosbags: pip install 'selcon_ros[demo]'")

from support.bundles import colour_bundle
from support.scenes import painted_recording

ROOT = Path(__file__).parents[2]


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}"}
    command = [sys.executable, "-m", "selcon_ros.cli.main", "bench", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)


def test_measures_the_node_and_writes_its_page(tmp_path: Path) -> None:
    page = tmp_path / "docs" / "benchmarks.md"
    process = bench(
        *("--bundle", str(colour_bundle(tmp_path / "colours")), "--seconds", "2", "--rate", "5"),
        *("--recording", str(painted_recording(tmp_path / "recording", frames=2))),
        *("--json", "--out", str(page)),
    )
    assert process.returncode == 0, process.stderr
    report = json.loads(process.stdout)
    rows = {row["what"]: row for row in report["rows"]}
    rate = rows["colours, heatmap alone subscribed: heatmaps a second"]
    assert 0 < rate["value"] < 10  # a camera of 5 Hz bounds it, but for what piled up
    assert rate["at_least"] == pytest.approx(4.9)
    latency = rows["colours, heatmap alone subscribed: camera message to heatmap message, median"]
    assert 0 < latency["value"] < 60_000
    assert rows["colours: all 3 actions of a frame against one"]["value"] > 0.5
    assert report["machine"]["cores used"].startswith(("1 of", "2 of"))
    for what in rows:
        assert what in page.read_text()


def test_a_missing_bundle_is_named(tmp_path: Path) -> None:
    process = bench("--bundle", str(tmp_path / "nowhere"))
    assert process.returncode == 2
    assert "nowhere" in process.stderr and "Traceback" not in process.stderr
