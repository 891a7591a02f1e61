"""The executable `selcon`: Ctrl-C ends it without a traceback also while its libraries are imported."""

from __future__ import annotations

import os
import signal

INTERRUPTED_EXIT_CODE = 130
"""Exit code after Ctrl-C: 128 and the signal's number, as shells have it."""


def main() -> None:
    """Import the command and run it."""
    usual = signal.getsignal(signal.SIGINT)
    if usual is signal.default_int_handler:  # not where it is ignored, as behind nohup
        signal.signal(signal.SIGINT, lambda number, frame: os._exit(INTERRUPTED_EXIT_CODE))
    from selcon_ros.cli.main import main as selcon

    signal.signal(signal.SIGINT, usual)
    selcon()


if __name__ == "__main__":
    main()
