"""Child processes: stopped when left, and their last words quoted when they die."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from selcon_ros.demo.processes import ProcessError, PythonProcess, isolate
from support.processes import has_ended

ROOT = Path(__file__).resolve().parents[2]


def test_a_process_that_ended_is_quoted(tmp_path: Path) -> None:
    with PythonProcess("helper", "selcon_no_such_module", [], tmp_path / "logs" / "helper.log") as process:
        process._process.wait(30)
        with pytest.raises(ProcessError, match=r"the helper ended with exit code 1[\s\S]*No module named"):
            process.check()


def test_a_running_process_is_stopped(tmp_path: Path) -> None:
    with PythonProcess("server", "http.server", ["0", "--bind", "127.0.0.1"], tmp_path / "log") as process:
        process.check()
    assert process._process.returncode is not None


def test_a_profile_that_was_set_for_another_ros_is_dropped(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(os, "environ", {"FASTRTPS_DEFAULT_PROFILES_FILE": "/nowhere.xml"})
    isolate(tmp_path)
    assert "FASTRTPS_DEFAULT_PROFILES_FILE" not in os.environ
    assert os.environ["FASTDDS_DEFAULT_PROFILES_FILE"].endswith("fastdds_images.xml")


PARENT = """
import sys, time
from pathlib import Path
from selcon_ros.demo.processes import PythonProcess
with PythonProcess("server", "http.server", ["0", "--bind", "127.0.0.1"], Path(sys.argv[1])) as process:
    while "Serving" not in Path(sys.argv[1]).read_text():
        process.check()
        time.sleep(0.02)
    print(process.pid, flush=True)
    time.sleep(600)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux: prctl")
def test_a_process_ends_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PARENT, str(tmp_path / "log")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as parent:
        assert parent.stdout is not None
        child = Path("/proc") / parent.stdout.readline().strip()
        assert child.is_dir() and child.name.isdigit()
        parent.kill()
    assert has_ended(int(child.name))


def test_a_child_whose_parent_has_ended_already_does_not_begin(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "selcon_ros.demo.child", "1", "this"]  # its parent is not process 1
    assert subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stderr == ""
