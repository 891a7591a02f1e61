"""Commands in the process of the test, and work in processes of its own, which may be killed."""

import gc
import inspect
import os
import resource
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import cv2
import pytest
from click.testing import CliRunner


def runner() -> CliRunner:
    """A runner whose results have standard output and errors apart, as all have from click 8.2 on."""
    if "mix_stderr" in inspect.signature(CliRunner).parameters:
        return CliRunner(mix_stderr=False)
    return CliRunner()


def in_a_process(work: Callable[[], object], killed_after: float = 0.0) -> int:
    """Run `work` in a process of its own, a copy of this one; returns its number.

    `killed_after`: seconds of processor time (not of the clock: that runs on where others hold the
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


def alive(process: int) -> bool:
    """Whether a process is there, and not only what its parent has not asked for yet."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def has_ended(process: int, seconds: float = 30.0) -> bool:
    """Wait until a process has ended; False where it lives on."""
    end = time.monotonic() + seconds
    while alive(process):
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def processor_time(work: Callable[[], object]) -> float:
    """Run `work` in a process of its own, to its end; returns the processor seconds it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert exit_code(in_a_process(work)) == 0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def cores_of_new_threads(before: str, bundle: Path, options: str, opening: str) -> list[int]:
    """How many cores each thread may use that an engine makes in a process of its own; itself and its main
    thread keep all.

    before: a line that imports the engine, in the main thread. In a worker, `opening` makes a backend of the
    bundle with the `options` of the CPU, and it is run.
    """
    code = f"""
import os, threading
import numpy as np
from pathlib import Path
from selcon_ros.backends.options import CpuOptions
from selcon_ros.core.grounding.bundle import load_bundle
{before}
def tasks():
    return {{int(each.name) for each in Path("/proc/self/task").iterdir()}}
before = tasks()
bundle = load_bundle({str(bundle)!r})
opened = []
def worker():
    options = CpuOptions({options})
    opened.append({opening})
    opened[0].run(np.zeros((1, 480, 640, 3), np.uint8))
    print(*(len(os.sched_getaffinity(each)) for each in tasks() - before))
thread = threading.Thread(target=worker)
thread.start(); thread.join()
print(len(os.sched_getaffinity(0)))
"""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    made, mine = done.stdout.splitlines()
    assert int(mine) == len(os.sched_getaffinity(0))
    return [int(each) for each in made.split()]
