"""The measurement of how long services take to answer, at its shortest."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="rclpy is missing: pip install 'selcon_ros[ros]'")

ROOT = Path(__file__).parents[2]
SHORT = "from benchmarks import answer_times as it; it.SECONDS, it.CYCLES = 1.0, 1; it.main()"
ROW = re.compile(r"^(.+?) +(\d+) answers: ([\d.]+) ([\d.]+) ([\d.]+) ([\d.]+) ms$", re.MULTILINE)


@pytest.mark.long
def test_every_situation_is_measured() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SHORT], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    rows = ROW.findall(done.stdout)
    assert [row[0] for row in rows] == [
        "nobody listens", "one action, four outputs", "eight actions, four outputs", "lifecycle cycles"
    ]  # fmt: skip
    for _, count, *times in rows:
        assert int(count) > 0 and float(times[0]) > 0 and sorted(map(float, times)) == list(map(float, times))
