"""ROS settings of the demo and the benchmark: a domain of their own, this machine only, no lost images."""

from __future__ import annotations

import os
import sys
from pathlib import Path

NAME = "selcon_ros"


def share_folder() -> Path:
    """The package's share/ folder: of the installation that runs, or the source tree."""
    installed = Path(sys.prefix) / "share" / NAME
    for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep):
        if prefix and (Path(prefix) / "share" / NAME / "config").is_dir():
            installed = Path(prefix) / "share" / NAME
            break
    sources = Path(__file__).parents[2]
    return installed if (installed / "config").is_dir() else sources


def isolate(log_folder: Path) -> None:
    """Set this process's environment, and so that of the processes it starts. Call before rclpy.init().

    The domain keeps other robots' topics out; the Fast DDS profile gives images shared memory they fit in.
    """
    if not os.environ.get("AMENT_PREFIX_PATH"):
        # ROS from wheels: the environment itself is the prefix, and nothing has been sourced.
        os.environ["AMENT_PREFIX_PATH"] = sys.prefix
    profile = str(share_folder() / "config" / "fastdds_images.xml")
    os.environ.update(
        ROS_DOMAIN_ID=str(60 + os.getpid() % 40),
        ROS_AUTOMATIC_DISCOVERY_RANGE="LOCALHOST",
        RMW_IMPLEMENTATION="rmw_fastrtps_cpp",
        ROS_LOG_DIR=str(log_folder),
    )
    # Fast DDS was renamed: distributions up to Jazzy read the old name, later ones complain about it.
    old = os.environ.get("ROS_DISTRO") in ("humble", "iron", "jazzy")
    os.environ["FASTRTPS_DEFAULT_PROFILES_FILE" if old else "FASTDDS_DEFAULT_PROFILES_FILE"] = profile
