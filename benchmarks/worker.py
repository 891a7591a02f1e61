"""A process that measures when it is told to, so that what it measures shares memory with nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from selcon_ros.core.errors import SelconError

WorkerAnswer = dict[str, Any]
Self = TypeVar("Self", bound="Worker")


class BenchWorkerError(SelconError):
    """A measuring process did not answer."""


@dataclass
class Worker:
    """A process that answers each line on its standard input with a line of JSON; its errors are in `log`."""

    kind: str
    process: subprocess.Popen[str]
    log: Path

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()

    def answer(self, progress: Callable[[str, float], None] = lambda phase, share: None) -> WorkerAnswer:
        """Read one line; lines with "phase" and "share" are told to `progress` and passed over.

        Raises BenchWorkerError with the last thing that the process said.
        """
        assert self.process.stdout is not None
        for line in self.process.stdout:
            answer: WorkerAnswer = json.loads(line)
            if "phase" not in answer:
                return answer
            progress(answer["phase"], answer["share"])
        said = [text for text in self.log.read_text(errors="replace").splitlines() if text.strip()]
        raise BenchWorkerError(said[-1] if said else "the process ended without a word")

    def ask(self, line: str) -> WorkerAnswer:
        """Write a line and read the answer. Raises BenchWorkerError as `answer` does."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(f"{line}\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # it has ended: why is in its log
        return self.answer()


def start(module: str, arguments: Sequence[str], threads: int, gpu: bool, log: Path) -> subprocess.Popen[str]:
    """Start a module of this package as a process, with no more than `threads` threads for products.

    Without `gpu` it sees no GPU: libraries would take it, whatever is to be measured.
    """
    # No library may bring more threads, and the libraries must be found from wherever this was started.
    pools = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    own = {**dict.fromkeys(pools, str(threads)), "PYTHONPATH": os.pathsep.join(sys.path)}
    if not gpu:
        own["CUDA_VISIBLE_DEVICES"] = ""
    with log.open("w") as errors:
        return subprocess.Popen(
            [sys.executable, "-m", f"benchmarks.{module}", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env={**os.environ, **own},
        )
