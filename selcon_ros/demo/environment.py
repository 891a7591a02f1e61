"""ROS settings of the demo and the benchmark: a domain of their own, this machine only, no lost images."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from selcon_ros.ros.fastdds import packaged_profile, profile_variable


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
    os.environ[profile_variable()] = str(packaged_profile())
