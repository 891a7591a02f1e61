"""Work in processes of their own, which may be killed."""

import os
import signal
import time
import traceback
from collections.abc import Callable

import cv2
import pytest


def in_a_process(work: Callable[[], object]) -> int:
    """Run ``work`` in a process of its own, a copy of this one; returns its number."""
    cv2.setNumThreads(1)  # the threads of a pool would be missing in the copy
    child = os.fork()
    if child:
        return child
    try:
        work()
        os._exit(0)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)


def exit_code(child: int) -> int:
    """Wait for a process; negative: the signal that killed it."""
    for _ in range(1200):
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.1)
    os.kill(child, signal.SIGKILL)
    pytest.fail("the process hangs")
