"""The node in a process of its own, as a robot runs it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support import ros

ROOT = Path(__file__).resolve().parents[2]


def environment() -> dict[str, str]:
    """Of a process that hears what these tests send, and none else."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, **ros.ENVIRONMENT, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}


def node_command(namespace: str = "affordance") -> list[str]:
    """Arguments for ROS may follow."""
    return [sys.executable, "-m", "selcon_ros.ros.main", "--ros-args", "-r", f"__ns:=/{namespace}"]


@contextmanager
def node_process(
    log: Path, namespace: str = "affordance", **parameters: object
) -> Iterator[subprocess.Popen]:
    """A node with these parameters; it has to end well when it is told to."""
    given = [part for name, value in parameters.items() for part in ("-p", f"{name}:={value}")]
    command = [*node_command(namespace), *given]
    with log.open("w") as out:
        started = subprocess.Popen(command, env=environment(), stdout=out, stderr=subprocess.STDOUT)
        try:
            yield started
        finally:
            started.terminate()
            assert started.wait(60) == 0, log.read_text()
