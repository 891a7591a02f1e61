"""Child processes: stopped when left, and their last words quoted when they die."""

from pathlib import Path

import pytest

from selcon_ros.demo.processes import ProcessError, PythonProcess


def test_a_process_that_ended_is_quoted(tmp_path: Path) -> None:
    with PythonProcess("helper", "selcon_no_such_module", [], tmp_path / "logs" / "helper.log") as process:
        process._process.wait(30)
        with pytest.raises(ProcessError, match=r"the helper ended with exit code 1[\s\S]*No module named"):
            process.check()


def test_a_running_process_is_stopped(tmp_path: Path) -> None:
    with PythonProcess("server", "http.server", ["0", "--bind", "127.0.0.1"], tmp_path / "log") as process:
        process.check()
    assert process._process.returncode is not None
