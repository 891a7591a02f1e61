"""The node as a process of its own, with its log, its memory and its end."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from fuzzing.report import bad_text, root

MAX_MEMORY_BYTES = 1 << 30
MAX_LINE_LENGTH = 2000
"""Longest line of the log, in characters."""
MAX_LINES_PER_SECOND = 20.0
"""Most lines of the log in any ten seconds, each second."""


class NodeProcess:
    """A running `grounding_node` in a namespace."""

    def __init__(self, name: str, folder: Path, settings: dict[str, str]) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self._settings = settings
        self._begin()

    def _begin(self) -> None:
        command = [sys.executable, "-m", "selcon_ros.ros.main", "--ros-args", "-r", f"__ns:=/{self.name}"]
        for name, value in self._settings.items():
            command += ["-p", f"{name}:={value}"]
        path = os.pathsep.join([str(root()), os.environ.get("PYTHONPATH", "")])
        environment = {**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}
        with self.log.open("a") as out:
            self._process = subprocess.Popen(command, env=environment, stdout=out, stderr=subprocess.STDOUT)

    @property
    def ended(self) -> int | None:
        """The exit status if the process has ended."""
        return self._process.poll()

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    @property
    def peak_memory(self) -> int:
        """The most resident memory so far, in bytes; 0 when the process has ended."""
        try:
            status = Path(f"/proc/{self.pid}/status").read_text()
        except OSError:
            return 0
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        return 1024 * int(found[1]) if found else 0

    def restart(self) -> None:
        """Start anew after a death or a hang."""
        self.kill()
        self._begin()

    def stop(self, wait: float = 30.0) -> str:
        """Interrupt the node; returns what is wrong with how it ended, or nothing."""
        if self.ended is not None:
            return f"had ended with status {self.ended}"
        self._process.send_signal(signal.SIGINT)
        try:
            status = self._process.wait(wait)
        except subprocess.TimeoutExpired:
            self.kill()
            return f"did not end within {wait:g} s of SIGINT"
        return f"ended with status {status} on SIGINT" if status else ""

    def kill(self) -> None:
        """End the process at once."""
        if self.ended is None:
            self._process.kill()
        self._process.wait(10)

    def log_faults(self) -> Iterator[str]:
        """What is wrong with the log: tracebacks, long lines, control characters, too many lines."""
        text = self.log.read_bytes().decode("utf-8", "replace")
        seconds: Counter[int] = Counter()
        if "Traceback" in text:
            yield f"a traceback in the log: {text[text.index('Traceback') :][:1500]}"
        for line in text.split("\n"):
            if said := bad_text(line, MAX_LINE_LENGTH):
                yield f"a log line: {said}"
            if stamp := re.match(r"\[\w+\] \[(\d+)\.\d+\]", line):
                seconds[int(stamp[1])] += 1
        for second in seconds:
            within = sum(seconds[second + each] for each in range(10))
            if within > 10 * MAX_LINES_PER_SECOND:
                yield f"{within} log lines in ten seconds"
                break
