"""Child processes that log to a file, stop politely and end with this one, and their ROS settings."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from selcon_ros.core.errors import SelconError
from selcon_ros.ros.fastdds import PROFILE_VARIABLES, packaged_profile, profile_variable

_STOP_SECONDS = 5.0
Self = TypeVar("Self", bound="ChildProcess")


class ProcessError(SelconError):
    """A child process ended that should have kept running."""


class ChildProcess:
    """A command that is run in a process of its own.

    Used as a context manager: leaving it interrupts the process (SIGINT, as Ctrl-C), and kills it if it has
    not ended after five seconds.
    """

    def __init__(
        self,
        name: str,
        command: list[str],
        log: Path,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> None:
        """Nothing is started yet.

        `environment` has variables that differ from those of this process. `folder` is where it runs; None:
        here.
        """
        self.name = name
        self.log = log
        self._command = command
        self._environment, self._folder = environment or {}, folder
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self: Self) -> Self:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("wb") as output:
            self._process = subprocess.Popen(
                self._command,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **self._environment},
                # A group of its own: Ctrl-C in the terminal reaches the parent alone, which stops this one.
                start_new_session=True,
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @property
    def pid(self) -> int:
        """The process id, while it runs."""
        assert self._process is not None
        return self._process.pid

    def check(self) -> None:
        """Raise ProcessError, with the end of its log, if the process has ended."""
        if self._process is None or self._process.poll() is None:
            return
        lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        raise ProcessError(
            f"the {self.name} ended with exit code {self._process.returncode}. "
            f"Its last words (all in {self.log}):\n" + "\n".join(lines[-15:])
        )


class PythonProcess(ChildProcess):
    """A module of this package, run by this interpreter.

    It ends with this process, however that ends (see `selcon_ros.demo.child`).
    """

    def __init__(self, name: str, module: str, arguments: list[str], log: Path) -> None:
        command = [sys.executable, "-m", "selcon_ros.demo.child", str(os.getpid()), module, *arguments]
        super().__init__(name, command, log)


def isolate(log_folder: Path) -> None:
    """Set this process's environment, and so that of the processes it starts. Call before rclpy.init().

    The domain keeps other robots' topics out; the Fast DDS profile gives images shared memory they fit in.
    """
    if not os.environ.get("AMENT_PREFIX_PATH"):
        # ROS from wheels: the environment itself is the prefix, and nothing has been sourced.
        os.environ["AMENT_PREFIX_PATH"] = sys.prefix
    os.environ.update(
        ROS_DOMAIN_ID=str(60 + os.getpid() % 40),
        ROS_AUTOMATIC_DISCOVERY_RANGE="LOCALHOST",
        RMW_IMPLEMENTATION="rmw_fastrtps_cpp",
        ROS_LOG_DIR=str(log_folder),
    )
    for name in PROFILE_VARIABLES:
        os.environ.pop(name, None)  # of a ROS that was sourced
    os.environ[profile_variable()] = str(packaged_profile())
