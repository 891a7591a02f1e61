"""The node lives for three minutes with a failing camera, and uses no more at the end than before."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def tools(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "tools"))


@pytest.mark.long
def test_three_minutes(tmp_path):
    pytest.importorskip("rclpy", reason="rclpy is missing: pip install 'selcon_ros[ros]'")
    pytest.importorskip("rosbags", reason="rosbags is missing: pip install 'selcon_ros[demo]'")
    from selcon_ros.ros import interfaces

    report = tmp_path / "report.json"
    command = [sys.executable, str(ROOT / "tools" / "soak.py"), "--json", str(report)]
    command += ["--minutes", "3", "--every", "18", "--warm-up", "4", "--rate", "10"]
    # The heap settles within some minutes. One image of each frame that is not given back would be far more.
    command += ["--growth", "0.3"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    seen = json.loads(report.read_text())
    assert len(seen["samples"]) >= 8
    assert seen["heard"]["heatmap"] > 0 and seen["heard"]["cloud"] > 0
    if not interfaces.MISSING:
        assert seen["heard"]["result"] > 0
        assert seen["answers"]["ground: answered"] > 0 and seen["answers"]["ground_stream: answered"] > 0


def samples(memory: list[int], threads: int = 9):
    from soaking.usage import Usage

    return [Usage(float(second), each, 20, threads) for second, each in enumerate(memory)]


def test_growth_is_that_after_warm_up():
    from soaking.usage import growth

    found = growth(samples([50, 100, 100, 101, 102, 103]), warm_up=1)
    assert found is not None
    assert found.memory == pytest.approx(0.03)


def test_growth_needs_three_samples():
    from soaking.usage import growth

    assert growth(samples([50, 100, 100]), warm_up=1) is None


def test_descriptors_and_threads_are_told_by_their_range():
    from soaking.usage import growth

    found = growth([*samples([100] * 3), *samples([100] * 3, threads=12)], warm_up=0)
    assert found is not None
    assert found.threads == (9, 12)
    assert found.descriptors == (20, 20)


def test_usage_of_a_process_is_read():
    from soaking.usage import usage

    command = [sys.executable, "-c", "print('begun', flush=True); input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"begun\n"
        found = usage(process.pid, 1.0)
        process.communicate(b"\n")
    assert found.memory > 1 << 20 and found.descriptors >= 3 and found.threads >= 1
