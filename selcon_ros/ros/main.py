"""The command `grounding_node`: it takes the signals over before what is slow is imported."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from selcon_ros.core.errors import first_line
from selcon_ros.core.machine.memory import limit_arenas
from selcon_ros.core.text import quoted
from selcon_ros.ros.signals import Stop


def main(args: Sequence[str] | None = None) -> int:
    """Run the node until SIGINT, SIGTERM or SIGHUP, or say how it is used.

    `args` is the command line with the program's name, None for the process's own. Returns the exit status: 0
    after a signal, at whatever moment it comes; 1 if the node cannot start or fails (the reason is one line
    in the log).
    """
    stop = Stop()
    args = list(sys.argv if args is None else args)
    if "--help" in args or "-h" in args:
        from selcon_ros.ros.usage import usage

        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # as for `| head`
        print(usage())
        return 0
    for flag, file in pairwise(args):
        if flag == "--params-file" and not Path(file).is_file():
            return _refuse(f"no parameter file at {quoted(file, 300)}")
    limit_arenas()  # before a library starts threads
    try:
        from selcon_ros.ros.lifetime import run
    except ImportError as error:
        library = (error.name or "").partition(".")[0]
        if not library.endswith(("rclpy", "rpyutils", "_msgs", "_interfaces")):
            raise
        from selcon_ros.ros.usage import NO_ROS

        return _refuse(f"{first_line(error)}. {NO_ROS}")
    return run(stop, args)


def _refuse(reason: str) -> int:
    print(f"grounding_node: {reason}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
