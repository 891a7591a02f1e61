"""`selcon doctor` as people and scripts use it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from selcon_ros.cli.main import main
from selcon_ros.doctor.check import Check, ok


def doctor(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["doctor", "--no-graph", *arguments])


def test_each_line_has_a_level_and_they_are_counted() -> None:
    outcome = doctor()
    lines = [line for line in outcome.output.splitlines() if not line.startswith("      -> ")]
    assert all(line.startswith(("OK    ", "WARN  ", "FAIL  ")) for line in lines[:-1]), outcome.output
    levels = [line.split()[0] for line in lines[:-1]]
    counts = ", ".join(f"{levels.count(level)} {level}" for level in ("OK", "WARN", "FAIL"))
    assert lines[-1] == counts


def test_a_failure_is_the_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROS_DOMAIN_ID", "lab")
    outcome = doctor("--json")
    assert outcome.exit_code == 1
    found = json.loads(outcome.output)
    assert found["ok"] is False
    by_name = {check["name"]: check for check in found["checks"]}
    assert by_name["ROS_DOMAIN_ID"]["level"] == "FAIL" and "export" in by_name["ROS_DOMAIN_ID"]["remedy"]


def test_without_ros_nothing_fails_but_what_needs_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("selcon_ros.doctor.python._rclpy_folder", lambda: None)
    monkeypatch.setattr("selcon_ros.doctor.python.INSTALLED_ROS", tmp_path)
    monkeypatch.delenv("AMENT_PREFIX_PATH", raising=False)
    monkeypatch.setenv("ROS_DOMAIN_ID", "lab")  # nothing reads it
    outcome = CliRunner().invoke(main, ["doctor"])
    assert outcome.exit_code == 0 and "WARN  ROS 2: there is none" in outcome.output, outcome.output
    outcome = CliRunner().invoke(main, ["doctor", "--image", "/camera/image"])
    assert outcome.exit_code == 1 and "FAIL  ROS graph: --image is a topic" in outcome.output


def test_every_warning_and_failure_says_what_to_do() -> None:
    found = json.loads(doctor("--json").output)
    silent = [
        check
        for check in found["checks"]
        if check["level"] != "OK" and not check["remedy"] and ": " not in check["found"]
    ]
    assert not silent


def apart(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it in a process of its own, with the modules of a folder before all others."""
    path = os.pathsep.join([str(folder), *filter(None, sys.path)])
    command = [sys.executable, "-m", "selcon_ros.cli.start", "doctor", "--no-graph", *arguments]
    return subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True)


@pytest.mark.parametrize("library", ["numpy", "cv2", "onnxruntime"])
@pytest.mark.parametrize("content", ["raise ImportError('broken')", "import os; os.abort()"])
def test_a_broken_library_does_not_keep_it_from_telling(tmp_path: Path, library: str, content: str) -> None:
    (tmp_path / f"{library}.py").write_text(content)
    done = apart(tmp_path, "--json")
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    found = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert found[library]["level"] == "FAIL" and found["clock"]["level"] == "OK"
    assert found["model, ROS graph"]["found"].startswith("not looked at: first mend ")


def test_what_libraries_print_is_not_among_the_json(tmp_path: Path) -> None:
    pytest.importorskip("sensor_msgs", reason="sensor_msgs is missing: pip install 'selcon_ros[ros]'")
    (tmp_path / "selcon_interfaces.py").write_text(
        "import ctypes; print('from Python'); ctypes.CDLL(None).printf(b'from C')"
    )
    done = apart(tmp_path, "--json")
    assert json.loads(done.stdout)["checks"]
    assert "from Python" in done.stderr and "from C" in done.stderr


def test_an_error_in_a_check_is_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(ros: bool) -> Iterator[Check]:
        yield ok("clock", "it ticks")
        raise ValueError("made up")

    monkeypatch.setattr("selcon_ros.doctor.surroundings.check_surroundings", fails)
    outcome = doctor("--json")
    found = {check["name"]: check for check in json.loads(outcome.stdout)["checks"]}
    assert (
        found["surroundings"]["level"] == "FAIL" and "ValueError: made up" in found["surroundings"]["found"]
    )
