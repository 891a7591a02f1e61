"""Start a program again and again, and stop it by signals at random moments of its life.

    python tools/stress_stop.py node --runs 100 --seed 1
    python tools/stress_stop.py demo --runs 20

Each run has to end in time and with the right exit status, without traceback or abort, and to leave no
process behind. The node has a camera, and a listener to whom it answers. Needs the extras ros and demo.
"""

from __future__ import annotations

import argparse
import faulthandler
import math
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

PYTHON = [sys.executable, "-m"]
PROGRAMS = {
    "node": [*PYTHON, "selcon_ros.ros.main", "--ros-args", "-r", "__ns:=/affordance", "-p", "action:=hold"]
    + [word for name in ("image", "depth", "camera_info") for word in ("-r", f"{name}:=/camera/{name}")],
    "play": [*PYTHON, "selcon_ros.cli.start", "play", "--loop"],
    "demo": [*PYTHON, "selcon_ros.cli.start", "demo"],
}
INT, TERM, HUP, KILL = signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL
PATTERNS = ((INT,), (TERM,), (HUP,), (INT, INT), (INT, INT, TERM), (TERM, INT))
DEMO_PATTERNS = (*PATTERNS, (KILL,))
CRASH_PATTERN = re.compile(
    r"Traceback|terminate called|Abort|Segmentation|Exception ignored|core dumped|Fatal Python"
)
END_SECONDS = 30.0


@dataclass(frozen=True)
class Run:
    """When which signals are sent: seconds after the start, and seconds between them."""

    after: float
    signals: tuple[signal.Signals, ...]
    apart: float

    def __str__(self) -> str:
        names = "+".join(each.name for each in self.signals)
        return f"{names} after {self.after:.2f} s, {1e3 * self.apart:.0f} ms apart"


def catches(pid: int) -> bool:
    """Whether the process handles SIGTERM itself: before that Python is starting, and the system ends it."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    caught = re.search(r"SigCgt:\s*(\w+)", status)
    return caught is not None and bool(int(caught[1], 16) >> (TERM - 1) & 1)


def alive(mark: str) -> list[int]:
    """Processes with this text in their environment, this one left out."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (folder / "environ").read_bytes() and int(folder.name) != os.getpid():
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def stop_once(program: str, run: Run, log: Path) -> tuple[str, str]:
    """Start the program, stop it; returns what is wrong ("" for nothing), and how it ended."""
    mark = f"STRESS_STOP_RUN={os.getpid()}.{time.monotonic_ns()}"
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1"}
    environment |= dict([mark.split("=")])
    command = [*PROGRAMS[program], *(["--out", str(log.parent / "out")] if program == "demo" else [])]
    with log.open("wb") as output:
        # A group of its own, which gets the signals as a whole, as from a terminal.
        process = subprocess.Popen(
            command, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        time.sleep(run.after)
        if process.poll() is not None:
            return f"it ended by itself with {process.returncode}", "alone"
        early = not catches(process.pid)
        for number in run.signals:
            os.killpg(process.pid, number)
            time.sleep(run.apart)
        process.wait(END_SECONDS)
        deadline = time.monotonic() + END_SECONDS
        while (left := alive(mark)) and time.monotonic() < deadline:
            time.sleep(0.05)
        if left:
            return f"processes {left} are left", "left"
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGABRT)  # Python's faulthandler says where each thread is
        process.wait()
        return f"it does not end within {END_SECONDS:.0f} s", "hangs"
    finally:
        for pid in alive(mark):
            os.kill(pid, KILL)
        process.wait()
    status = process.returncode
    said = log.read_text(errors="replace")
    how = f"{'while Python starts: ' if early else ''}{status}"
    if early or KILL in run.signals:
        return "", how
    if found := CRASH_PATTERN.search(said):
        return f"it says {found[0]}", how
    # An interrupted demo is no success; node and player are meant to be ended by signals.
    wanted = (130, 0) if program == "demo" else (0,)
    return ("" if status in wanted else f"its exit status is {status}"), how


@contextmanager
def camera_and_listener() -> Iterator[list[int]]:
    """Something to do for the node: a recording that is played, and a listener; yields its answers' sizes."""
    import rclpy
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.signals import SignalHandlerOptions
    from rclpy.task import Future
    from sensor_msgs.msg import Image

    heard: list[int] = []
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    listener = rclpy.create_node("listener")
    for name in ("heatmap", "overlay"):
        topic = f"/affordance/{name}"
        listener.create_subscription(Image, topic, lambda data: heard.append(len(data)), 1, raw=True)
    executor = SingleThreadedExecutor()
    executor.add_node(listener)
    finished: Future[None] = Future()
    # Not executor.spin, to be ended by shutdown: that takes away the guard condition that has to wake the
    # thread, as run() of the node avoids too.
    thread = threading.Thread(target=executor.spin_until_future_complete, args=(finished,), daemon=True)
    thread.start()
    environment = {**os.environ, "PYTHONFAULTHANDLER": "1"}
    with subprocess.Popen(PROGRAMS["play"], stdout=subprocess.DEVNULL, env=environment) as camera:
        try:
            yield heard
        finally:
            camera.terminate()
            try:
                camera.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                camera.send_signal(signal.SIGABRT)
                raise
            finished.set_result(None)
            thread.join()
            executor.shutdown()
            listener.destroy_node()
            rclpy.shutdown()


def main() -> int:
    """Run it; the exit status is 1 if a run was not as it should be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("program", choices=PROGRAMS)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--latest", type=float, default=6.0, help="latest signal, s after the start")
    parser.add_argument("--patience", type=float, default=math.inf, help="s until it says where it hangs")
    given = parser.parse_args()
    if math.isfinite(given.patience):
        faulthandler.dump_traceback_later(given.patience, exit=True)
    rng = random.Random(given.seed)
    ends: Counter[str] = Counter()
    bad = 0
    around: AbstractContextManager[list[int]] = nullcontext([])
    if given.program == "node":
        around = camera_and_listener()
    with tempfile.TemporaryDirectory() as folder, around as heard:
        log = Path(folder) / "log"
        for number in range(given.runs):
            patterns = DEMO_PATTERNS if given.program == "demo" else PATTERNS
            run = Run(rng.uniform(0, given.latest), rng.choice(patterns), rng.choice((0.0, 0.001, 0.02, 0.2)))
            wrong, how = stop_once(given.program, run, log)
            ends[how] += 1
            print(f"run {number}, {run}: ended with {how}", flush=True)
            if wrong:
                bad += 1
                print(f"run {number}, {run}: {wrong}\n{log.read_text(errors='replace')}", flush=True)
    print(f"{given.program}: {given.runs} runs, {bad} bad; exit statuses {dict(sorted(ends.items()))}")
    if given.program == "node":
        print(f"{len(heard)} images came from the node")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
