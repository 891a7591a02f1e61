"""What the numbers were measured on."""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version

from selcon_ros.core.machine.processor import processor, usable_cores

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
        "cores used": f"{usable_cores()} of {os.cpu_count()}",
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


def gpu_name() -> str | None:
    """The first NVIDIA GPU as its driver names it, None without one."""
    return ask_driver("name")


def ask_driver(field: str) -> str | None:
    """What nvidia-smi says of the first NVIDIA GPU, None without one."""
    command = ["nvidia-smi", "--id=0", f"--query-gpu={field}", "--format=csv,noheader,nounits"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() or None
    except (OSError, subprocess.CalledProcessError):
        return None
