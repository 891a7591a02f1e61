"""Signals as one request to stop, which the program answers when it can."""

from __future__ import annotations

import faulthandler
import os
import select
import signal
import sys
from contextlib import suppress
from types import FrameType

END_SECONDS = 5.0
"""How long the middleware may take to close."""
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stop:
    """A request to stop, made by a signal or by `request`. Later ones change nothing.

    Make it first of all and in the main thread, which has to be free for signals: Python runs their handlers
    there, between two steps, and not within a call that waits in C++.
    """

    def __init__(self, status: int = 0) -> None:
        """Take the signals over. Until `hold` is called one ends the process at once.

        `status` is its exit status then.
        """
        self.requested = False
        self._status = status
        # Behind nohup a hang-up is ignored, and stays so.
        ignored = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
        self._signals = SIGNALS[:2] if ignored else SIGNALS
        self._held = False
        # A signal may come to any thread, or just before the main one waits for a lock: it then sleeps on.
        # What every signal does is to write into this pipe.
        self._woken, self._wake = os.pipe()
        os.set_blocking(self._wake, False)
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        for number in self._signals:
            signal.signal(number, self._on_signal)

    def hold(self) -> None:
        """From now on there is something to close: a signal requests to stop, and no more."""
        self._held = True

    def request(self) -> None:
        """Request to stop, from any thread."""
        self.requested = True
        with suppress(BlockingIOError):  # it is full: nobody has to be woken any more
            os.write(self._wake, b"\0")

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the request (None: as long as it takes), and return whether it has been made."""
        if not self.requested and select.select([self._woken], [], [], seconds)[0]:
            self.requested = True
        return self.requested

    def ending(self) -> None:
        """Give the end some seconds from now on.

        If a library hangs, the place of every thread is printed to stderr, and the process ends with 1.
        """
        # The process's own stderr, whatever stands for it in Python; nothing if it was closed at the start.
        place = os.open(os.devnull, os.O_WRONLY) if sys.__stderr__ is None else 2
        faulthandler.dump_traceback_later(END_SECONDS, exit=True, file=place)

    def done(self) -> None:
        """Ignore the signals from now on, for the end of the process; what could hang has ended."""
        faulthandler.cancel_dump_traceback_later()
        for number in self._signals:
            signal.signal(number, signal.SIG_IGN)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if not self._held:
            os._exit(self._status)
        self.request()
