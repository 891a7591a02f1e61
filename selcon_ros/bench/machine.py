"""What the numbers were measured on."""

from __future__ import annotations

import datetime
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("onnxruntime", "numpy", "opencv-python-headless", "ros-rclpy", "torch")


def facts() -> dict[str, str]:
    """CPU, cores, system, date and the versions that matter, in the order in which to print them."""
    found = {
        "date": datetime.date.today().isoformat(),
        "CPU": cpu_name(),
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


def cpu_name() -> str:
    """The processor as Linux names it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


def use_cores(count: int) -> None:
    """Keep this process, and those that it starts from now on, to the first `count` cores it may use."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])
