"""The processes of a run end with it."""

import os
import subprocess
import sys
import time

PARENT = """
import multiprocessing, os, time
from concurrent.futures import ProcessPoolExecutor
from selcon_ros.bags.run import _begin_process
if __name__ == "__main__":
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), _begin_process) as pool:
        print(pool.submit(os.getpid).result(), flush=True)
        time.sleep(600)
"""


def test_a_run_that_is_killed_leaves_no_process() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    end = time.monotonic() + 60
    while os.path.exists(f"/proc/{child}") and not _is_dead(child):
        assert time.monotonic() < end, f"process {child} goes on"
        time.sleep(0.05)


def _is_dead(process: int) -> bool:
    """Whether only its exit status is left: nobody may collect it in a container."""
    with open(f"/proc/{process}/stat") as file:
        return file.read().rpartition(")")[2].split()[0] == "Z"
