"""Commands in the process of the test, and work in processes of its own, which may be killed."""

import gc
import inspect
import os
import resource
import signal
import time
import traceback
from collections.abc import Callable

import cv2
import pytest
from click.testing import CliRunner


def runner() -> CliRunner:
    """A runner whose results have standard output and errors apart, as all have from click 8.2 on."""
    if "mix_stderr" in inspect.signature(CliRunner).parameters:
        return CliRunner(mix_stderr=False)
    return CliRunner()


def in_a_process(work: Callable[[], object], killed_after: float = 0.0) -> int:
    """Run ``work`` in a process of its own, a copy of this one; returns its number.

    ``killed_after``: seconds of processor time (not of the clock: that runs on where others hold the
    processor) after which SIGPROF ends it as abruptly as SIGKILL would; 0: never.
    """
    cv2.setNumThreads(1)  # the threads of a pool would be missing in the copy
    # So would those of an inference session that an earlier test has left, for whose end the garbage
    # collection of the copy would wait for ever: what there is by now, it never collects.
    gc.freeze()
    child = os.fork()
    if child:
        gc.unfreeze()
        return child
    try:
        signal.setitimer(signal.ITIMER_PROF, killed_after)
        work()
        os._exit(0)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)


def exit_code(child: int) -> int:
    """Wait for a process; negative: the signal that killed it."""
    end = time.monotonic() + 300.0
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    pytest.fail("the process hangs")


def processor_time(work: Callable[[], object]) -> float:
    """Run ``work`` in a process of its own, to its end; returns the processor seconds it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert exit_code(in_a_process(work)) == 0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
