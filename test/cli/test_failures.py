"""What a command says when the system fails it: one line and an exit code."""

import errno
import io
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import click
import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result

from selcon_ros.cli.commands import COMMANDS, Command
from selcon_ros.cli.main import main


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], Result]:
    """Run a command `work` that does what it is given."""

    def run(what: Callable[[], object]) -> Result:
        module = ModuleType("selcon_ros.cli.work")
        module.command = click.command()(lambda: what())  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "selcon_ros.cli.work", module)
        monkeypatch.setitem(COMMANDS, "work", Command("selcon_ros.cli.work", "Do it."))
        return CliRunner().invoke(main, ["work"])

    return run


def full(path: str) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)


@pytest.mark.parametrize(
    ("what", "says"),
    [
        (lambda: full("out/report.html"), "out/report.html: No space left on device; make room there, or"),
        (lambda: Path("/nowhere/at/all").read_text(), "/nowhere/at/all: No such file or directory"),
        (lambda: os.listdir("/dev/null"), "/dev/null: Not a directory"),
        (lambda: io.StringIO().fileno(), "Error: fileno"),
        (lambda: np.empty(1 << 60, np.uint8), "needs more memory than there is: Unable to allocate"),
    ],
)
def test_the_file_and_the_cause_are_named(
    run: Callable[[Callable[[], object]], Result], what: Callable[[], object], says: str
) -> None:
    result = run(what)
    assert result.exit_code == 1 and says in result.output
    assert result.output.count("\n") == 1 and "Traceback" not in result.output


def test_ctrl_c_is_one_line_and_the_usual_exit_code(
    run: Callable[[Callable[[], object]], Result],
) -> None:
    result = run(lambda: os.kill(os.getpid(), signal.SIGINT))
    assert (result.exit_code, result.output.strip()) == (130, "selcon work: stopped")


def test_ctrl_c_in_the_import_of_a_compiled_module_is_told_likewise(
    run: Callable[[Callable[[], object]], Result],
) -> None:
    def stopped() -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except KeyboardInterrupt as error:
            raise ImportError("initialization failed") from error

    result = run(stopped)
    assert (result.exit_code, result.output.strip()) == (130, "selcon work: stopped")


def test_a_fault_of_ours_keeps_its_traceback(run: Callable[[Callable[[], object]], Result]) -> None:
    assert isinstance(run(lambda: {}["x"]).exception, KeyError)


def test_a_reader_that_goes_away_is_no_error() -> None:
    command = f"{shlex.quote(sys.executable)} -m selcon_ros.cli.main engine list --json --help | true"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert done.stderr == ""


def test_names_that_are_no_text_are_told_all_the_same() -> None:
    name = b"pi\xffcture.png"
    command = [sys.executable, "-m", "selcon_ros.cli.main", "ground", name, "--action", "hold"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C.UTF-8"})
    assert done.returncode == 1 and "No such file" in done.stderr and "Traceback" not in done.stderr


def test_opencv_s_log_is_silent_about_a_picture_that_we_tell_of(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "x.tif"), np.zeros((4, 4), np.float32))
    command = [sys.executable, "-m", "selcon_ros.cli.main", "ground", tmp_path / "x.tif", "--action", "hold"]
    environment = {key: value for key, value in os.environ.items() if key != "OPENCV_LOG_LEVEL"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.stderr.splitlines()[-1].startswith("Error: ") and "[ERROR" not in done.stderr
