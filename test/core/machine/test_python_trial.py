"""Code tried out in another process, which does not outlive what it is for."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from selcon_ros.core.errors import Cancelled
from selcon_ros.core.machine.python_trial import try_python
from support.processes import has_ended

ROOT = Path(__file__).parents[3]
SLEEPING = "import os, time; open({0!r}, 'w').write(str(os.getpid())); time.sleep(600)"


def started(file: Path) -> bool:
    """Whether a process that runs SLEEPING has said its number."""
    return file.is_file() and file.read_text().isdigit()


def test_what_it_prints_is_returned() -> None:
    assert try_python("print('one'); print('two')", 60) == (["one", "two"], "")


def test_more_than_a_pipe_holds() -> None:
    lines, fault = try_python("import sys; print('x' * 300_000); print('y' * 300_000, file=sys.stderr)", 60)
    assert fault == "" and lines is not None and len(lines[0]) == 300_000


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise ValueError('a bad day')", "fails: ValueError: a bad day"),
        ("import sys; sys.exit(3)", "fails: it said nothing"),
        ("import os; os.abort()", "ends the process with SIGABRT: it said nothing"),
    ],
)
def test_what_went_wrong_is_told(code: str, said: str) -> None:
    assert try_python(code, 60) == (None, said)


def test_one_that_does_not_end_is_ended(tmp_path: Path) -> None:
    file = tmp_path / "number"
    assert try_python(SLEEPING.format(str(file)), 3) == (None, "did not answer within 3 s")
    assert not file.exists() or has_ended(int(file.read_text()), 0)


def test_one_that_is_not_wanted_any_more_is_ended(tmp_path: Path) -> None:
    file = tmp_path / "number"

    def check() -> None:
        if started(file):
            raise Cancelled("the node is closing")

    begin = time.monotonic()
    with pytest.raises(Cancelled, match="is closing"):
        try_python(SLEEPING.format(str(file)), 300, check)
    assert has_ended(int(file.read_text()), 0) and time.monotonic() - begin < 200


def test_the_folder_that_it_runs_in_is_none_to_import_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "json.py").write_text("raise RuntimeError('not that one')")
    (tmp_path / "signal.py").write_text("raise RuntimeError('nor that one')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [each for each in sys.path if each])
    assert try_python("import json, sys; print('' in sys.path)", 60) == (["False"], "")


def test_paths_that_are_no_text_are_left_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As Python's own import leaves them out."""
    monkeypatch.setattr(sys, "path", [*sys.path, tmp_path])
    assert try_python("print('one')", 60) == (["one"], "")


@pytest.mark.parametrize(("name", "value"), [("executable", None), ("executable", ""), ("frozen", True)])
def test_without_an_interpreter_it_is_not_begun(
    monkeypatch: pytest.MonkeyPatch, name: str, value: object
) -> None:
    """In a frozen program sys.executable is that program."""
    monkeypatch.setattr(sys, name, value, raising=False)
    assert try_python("print()", 60) == (None, "cannot be started: there is no interpreter of Python")


def test_ctrl_c_is_left_to_the_process_that_waits() -> None:
    """A terminal sends it to both."""
    code = "import os, signal; os.kill(os.getpid(), signal.SIGINT); print('goes on')"
    assert try_python(code, 60) == (["goes on"], "")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux: prctl")
def test_it_ends_with_a_process_that_is_killed(tmp_path: Path) -> None:
    file = tmp_path / "number"
    code = "from selcon_ros.core.machine.python_trial import try_python; "
    code += f"try_python({SLEEPING.format(str(file))!r}, 600)"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, "-c", code], env=environment) as parent:
        end = time.monotonic() + 60
        while not started(file):
            assert time.monotonic() < end and parent.poll() is None
            time.sleep(0.02)
        parent.send_signal(signal.SIGKILL)
    assert has_ended(int(file.read_text()))
