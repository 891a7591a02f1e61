"""What the numbers were measured on."""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from selcon_ros.core.processor import processor

PACKAGES = (
    "onnxruntime", "onnxruntime-gpu", "openvino", "tensorrt", "tensorrt-rtx-cu13", "numpy",
    "opencv-python-headless", "ros-rclpy", "torch",
)  # fmt: skip


def facts() -> dict[str, str]:
    """CPU, GPU, cores, system, date and the versions that matter, in the order in which to print them."""
    found = {
        "date": datetime.date.today().isoformat(),
        "CPU": processor().name,
        "GPU": gpu_name() or "none",
        "cores used": f"{len(os.sched_getaffinity(0))} of {os.cpu_count()}",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "Python": platform.python_version(),
    }
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    if distribution := os.environ.get("ROS_DISTRO"):
        found["ROS"] = distribution
    return found


def use_cores(count: int) -> None:
    """Keep this process, and those that it starts from now on, to the first `count` cores it may use."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has used up to now (proc(5): utime and stime)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Memory:
    """Bytes of a process that are in RAM (proc(5): RssFile, RssShmem, RssAnon).

    files: code and data of libraries; shared: segments shared with other processes; own: the rest.
    """

    files: int
    shared: int
    own: int

    @property
    def resident(self) -> int:
        """All of them: what `ps` and `top` call RSS."""
        return self.files + self.shared + self.own

    @staticmethod
    def of(pid: int) -> Memory:
        """Of a process that runs."""
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
        fields = {name: value.split() for name, _, value in (line.partition(":") for line in lines)}
        return Memory(*(int(fields[name][0]) << 10 for name in ("RssFile", "RssShmem", "RssAnon")))


def gpu_name() -> str | None:
    """The first NVIDIA GPU as its driver names it, None without one."""
    return _ask_driver("name")


def gpu_memory() -> int | None:
    """Bytes in use on the first NVIDIA GPU, by whatever program; None without one."""
    found = _ask_driver("memory.used")
    return int(found) << 20 if found and found.isdigit() else None


def _ask_driver(field: str) -> str | None:
    command = ["nvidia-smi", "--id=0", f"--query-gpu={field}", "--format=csv,noheader,nounits"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() or None
    except (OSError, subprocess.CalledProcessError):
        return None
