"""Python code tried out in another process: a compiled library that does not fit may end its process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

from selcon_ros.core.text import one_line

MAX_MESSAGE_LENGTH = 300
"""Characters of what a process said that are told."""
POLL_SECONDS = 0.05
"""Seconds between two looks at a process and at who waits for it."""
# The folder that it runs in is none to import from, unless it is so here. Ctrl-C is for the process that
# waits for it, and ends it.
_FIRST = """
import sys
sys.path[:] = [each for each in sys.path if each or {1}]
import signal
signal.signal(signal.SIGINT, signal.SIG_IGN)
from selcon_ros.core.machine.parent import end_with
end_with({0})
"""


def try_python(
    code: str, seconds: float, check: Callable[[], None] = lambda: None
) -> tuple[list[str] | None, str]:
    """Run code in another process with this one's interpreter and modules, for as long as this one lives.

    It is given up after `seconds`, or when `check`, which is called again and again, raises. Returns the
    lines that it printed, and ""; or None, and what went wrong: "fails: …".
    """
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(each for each in sys.path if isinstance(each, str) and each),
    }
    if not sys.executable or getattr(sys, "frozen", False):
        return None, "cannot be started: there is no interpreter of Python"
    command = [sys.executable, "-c", _FIRST.format(os.getpid(), "" in sys.path) + code]
    pipe = subprocess.PIPE
    try:
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe
        )
    except OSError as error:
        return None, f"cannot be started: {error.strerror}"
    with process:
        try:
            said = _wait(process, time.monotonic() + seconds, check)
        finally:
            process.kill()  # nothing where it has ended
    if said is None:
        return None, f"did not answer within {seconds:g} s"
    output, errors = (each.decode(errors="replace") for each in said)
    lines = errors.strip().splitlines() or ["it said nothing"]
    if process.returncode < 0:
        name = signal.Signals(-process.returncode).name
        return None, f"ends the process with {name}: {one_line(lines[0], MAX_MESSAGE_LENGTH)}"
    if process.returncode > 0:
        return None, f"fails: {one_line(lines[-1], MAX_MESSAGE_LENGTH)}"
    return output.splitlines(), ""


def _wait(
    process: subprocess.Popen[bytes], deadline: float, check: Callable[[], None]
) -> tuple[bytes, bytes] | None:
    """What a process wrote until its end; None where that is too late."""
    while True:
        check()
        try:
            return process.communicate(timeout=POLL_SECONDS)
        except subprocess.TimeoutExpired:
            if time.monotonic() > deadline:
                return None
