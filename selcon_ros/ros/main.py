"""The command `grounding_node`: it takes the signals over before what is slow is imported."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from selcon_ros.ros.signals import Stop


def main(args: Sequence[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM.

    :param args: the command line, None for the process's own
    :returns: the exit status: 0 after a signal, at whatever moment it comes; 1 if the node cannot start or
        fails (the reason is one line in the log)
    """
    stop = Stop()
    from selcon_ros.ros.run import run

    return run(stop, sys.argv if args is None else list(args))


if __name__ == "__main__":
    sys.exit(main())
