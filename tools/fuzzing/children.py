"""Work in child processes: a limit of memory and of time for each, and word of how it ended."""

from __future__ import annotations

import gc
import json
import os
import resource
import signal
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

MAX_MEMORY_BYTES = 1200 << 20
"""Bytes of address space that a case may add to what the parent has."""
MAX_PROCESSOR_SECONDS = 20
MAX_SECONDS = 30.0
"""Seconds of processor time and of the clock after which a case hangs."""


@dataclass(frozen=True)
class Outcome:
    """How a case ended: taken, refused (with the message), traceback, memory, hang, or crash."""

    case: int
    kind: str
    text: str
    growth: int
    seconds: float


@dataclass
class _Child:
    case: int
    result: Path
    start: float = field(default_factory=time.monotonic)


def run_all(numbers: list[int], work: Callable[[int], str], jobs: int) -> Iterator[Outcome]:
    """Run `work(number)` for each number in a child of its own, some at a time.

    `work` returns an empty text for success, or the message that refuses; what it raises is a fault.
    """
    waiting, running = list(reversed(numbers)), dict[int, _Child]()
    with tempfile.TemporaryDirectory(prefix="fuzz_results_") as folder:
        # Threads of inference sessions are missing in a copy: its garbage collection must not end these.
        gc.collect()
        gc.freeze()
        try:
            while waiting or running:
                while waiting and len(running) < jobs:
                    child = _Child(waiting.pop(), Path(folder) / str(time.monotonic_ns()))
                    running[_fork(child, work)] = child
                for number in list(running):
                    done, status, usage = os.wait4(number, os.WNOHANG)
                    if done:
                        child = running.pop(number)
                        yield _outcome(child, status, usage.ru_maxrss * 1024)
                    elif time.monotonic() - running[number].start > MAX_SECONDS:
                        os.kill(number, signal.SIGKILL)
                time.sleep(0.001)
        finally:
            gc.unfreeze()
            for number in running:
                os.kill(number, signal.SIGKILL)
                os.waitpid(number, 0)


def _fork(child: _Child, work: Callable[[int], str]) -> int:
    number = os.fork()
    if number:
        return number
    status = 70
    try:
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nothing, stream)
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + MAX_MEMORY_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        resource.setrlimit(resource.RLIMIT_CPU, (MAX_PROCESSOR_SECONDS, MAX_PROCESSOR_SECONDS))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        kind, text = "taken", ""
        try:
            if text := work(child.case):
                kind = "refused"
        except MemoryError:
            kind, text = "memory", traceback.format_exc()
        except BaseException:
            kind, text = "traceback", traceback.format_exc()
        record = {"kind": kind, "text": text[-4000:] if kind != "refused" else text, "before": before * 1024}
        child.result.write_text(json.dumps(record), encoding="utf-8")
        status = 0
    finally:
        os._exit(status)


def _outcome(child: _Child, status: int, peak: int) -> Outcome:
    seconds = time.monotonic() - child.start
    code = os.waitstatus_to_exitcode(status)
    with suppress(OSError, ValueError):
        record = json.loads(child.result.read_text(encoding="utf-8"))
        child.result.unlink()
        return Outcome(child.case, record["kind"], record["text"], max(0, peak - record["before"]), seconds)
    if code in (-signal.SIGXCPU, -signal.SIGKILL):
        return Outcome(child.case, "hang", f"no end after {seconds:.0f} s", 0, seconds)
    name = signal.Signals(-code).name if code < 0 else f"status {code}"
    return Outcome(child.case, "crash", name, 0, seconds)
