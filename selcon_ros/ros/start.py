"""Starts ROS in this process, or says in one line why it does not start."""

from __future__ import annotations

import re

import rclpy
from rclpy.signals import SignalHandlerOptions

from selcon_ros.core.errors import SelconError
from selcon_ros.core.text import one_line
from selcon_ros.ros.usage import LOG_FOLDER, lacks_log_folder

SOURCE_LOCATION = r",? at \S+\.c(pp)?:\d+"


def start_ros(args: list[str] | None = None) -> None:
    """Start rclpy, which leaves the signals to this process.

    `args` is the command line with the program's name, None for the process's own. Raises SelconError for
    arguments, a parameter file or a folder for logs that rcl cannot use.
    """
    try:
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    except RuntimeError as error:
        # Without the places in rcl's sources.
        said = one_line(re.sub(SOURCE_LOCATION, "", str(error)))
        if type(error).__name__ == "UnknownROSArgsError":  # rclpy has no public name for it
            said = f"unknown arguments {said}: a flag and its value are two words, --params-file FILE"
        elif lacks_log_folder(said):
            said = f"{said}: {LOG_FOLDER}"
        raise SelconError(said) from error
