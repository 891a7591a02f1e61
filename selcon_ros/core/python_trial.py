"""Python code tried out in another process: a compiled library that does not fit may end its process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from selcon_ros.core.text import one_line

MAX_MESSAGE_LENGTH = 300
"""Characters of what a process said that are told."""


def try_python(code: str, seconds: float) -> tuple[list[str] | None, str]:
    """Run code in another process with this one's interpreter and modules.

    It is given up after `seconds`. Returns the lines that it printed, and ""; or None, and what went wrong:
    "fails: …".
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    try:
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired:
        return None, f"did not answer within {seconds:g} s"
    except OSError as error:
        return None, f"cannot be tried out: {error.strerror}"
    said = done.stderr.decode(errors="replace").strip().splitlines() or ["it said nothing"]
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        return None, f"ends the process with {name}: {one_line(said[0], MAX_MESSAGE_LENGTH)}"
    if done.returncode > 0:
        return None, f"fails: {one_line(said[-1], MAX_MESSAGE_LENGTH)}"
    return done.stdout.decode(errors="replace").splitlines(), ""
