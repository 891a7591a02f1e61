"""What a process uses, and whether that grows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median


@dataclass(frozen=True)
class Usage:
    """Resident memory in bytes, open file descriptors and threads at a moment of the run (s)."""

    second: float
    memory: int
    descriptors: int
    threads: int


def usage(pid: int, second: float) -> Usage:
    """Return what a process uses now. Raises OSError when it has ended."""
    folder = Path(f"/proc/{pid}")
    found = re.search(r"VmRSS:\s+(\d+) kB", (folder / "status").read_text())
    memory = 1024 * int(found[1]) if found else 0
    return Usage(second, memory, len(list((folder / "fd").iterdir())), len(list((folder / "task").iterdir())))


@dataclass(frozen=True)
class Growth:
    """Growth of memory between the first and the last third of the samples after warm-up, as a share, and the
    least and greatest number of descriptors and threads among them."""

    memory: float
    descriptors: tuple[int, int]
    threads: tuple[int, int]


def growth(samples: Sequence[Usage], warm_up: int) -> Growth | None:
    """Compare samples that were taken in the same situation; None for fewer than three after the warm-up."""
    kept = samples[warm_up:]
    if len(kept) < 3:
        return None
    third = max(1, len(kept) // 3)
    first, last = (median(each.memory for each in part) for part in (kept[:third], kept[-third:]))
    return Growth(
        last / first - 1,
        (min(each.descriptors for each in kept), max(each.descriptors for each in kept)),
        (min(each.threads for each in kept), max(each.threads for each in kept)),
    )
