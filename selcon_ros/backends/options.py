"""How a model is run: what a user may choose for the CPU and for a GPU."""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from selcon_ros.core.errors import BackendError
from selcon_ros.core.machine.processor import usable_cores
from selcon_ros.core.text import quoted

Progress = Callable[[str, float], None]
"""Called with the phase of a long piece of work and its share that is done, 0..1."""
_MAX_CORES = 1 << 13


def _go_on() -> None:
    """What a long piece of work is told where nothing ends it."""


@dataclass(frozen=True)
class CpuOptions:
    """How an engine uses the CPU. Raises BackendError for a value out of range.

    threads: threads that compute one image; None: one per core.
    cores: CPU cores that the thread which opens the model, and the engine's own threads, keep to; empty: all.
    spinning: whether the engine's threads wait busily for each other within an image; OpenVINO decides that
        itself.
    check: called again and again while engines are timed in another process; it ends that by raising
        `Cancelled`.
    """

    threads: int | None = None
    cores: tuple[int, ...] = ()
    spinning: bool = False
    check: Callable[[], None] = field(default=_go_on, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.threads is not None and self.threads < 1:
            raise BackendError(f"threads is {self.threads}: it must be at least 1")
        allowed = os.sched_getaffinity(0)
        if not set(self.cores) <= allowed:
            raise BackendError(
                f"cores are {format_cores(self.cores)}: this process may use {format_cores(allowed)}"
            )

    def pin_thread(self) -> None:
        """Keep the calling thread, and those that it starts from now on, to `cores`."""
        if self.cores:
            os.sched_setaffinity(0, self.cores)


@dataclass(frozen=True)
class GpuOptions:
    """Which GPU runs the model, and where its engine comes from.

    device: number of the GPU.
    build: whether an engine that is missing may be built.
    cache: folder of built engines; None: the user's.
    batch: images at once that the engine must be built for (least, best, most); None: any engine will do.
    progress: called with the phase and the share done while an engine is built; it ends the build by raising
        `Cancelled`.
    """

    device: int = 0
    build: bool = False
    cache: Path | None = None
    batch: tuple[int, int, int] | None = None
    progress: Progress = lambda phase, share: None


def thread_count(threads: int | None) -> int:
    """Return the number of threads, 0 for the engine's own choice (one per core of the machine).

    The engine does not see that a container or taskset gives the process fewer cores.
    """
    if threads is not None:
        return threads
    allowed = usable_cores()
    return allowed if allowed < (os.cpu_count() or allowed) else 0


def parse_cores(text: str) -> tuple[int, ...]:
    """Return the core numbers of a list such as "0,2-5", as taskset takes it; "" is none.

    Raises BackendError for anything else.
    """
    cores: set[int] = set()
    for part in filter(None, text.replace(" ", "").split(",")):
        first, dash, last = part.partition("-")
        last = last if dash else first
        if not (first.isdecimal() and last.isdecimal() and int(first) <= int(last) < _MAX_CORES):
            raise BackendError(f"cores is {quoted(text)}: give core numbers and ranges, as in 0,2-5")
        cores |= set(range(int(first), int(last) + 1))
    return tuple(sorted(cores))


def format_cores(cores: Iterable[int]) -> str:
    """Return core numbers as text."""
    return ",".join(map(str, sorted(cores)))
