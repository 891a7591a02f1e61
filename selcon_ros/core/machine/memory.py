"""How much memory this program can still have, how its allocator divides it, and what it gives back."""

from __future__ import annotations

import ctypes
import os
import re
from pathlib import Path

MEMINFO = Path("/proc/meminfo")
CGROUP = Path("/sys/fs/cgroup")
MAX_ARENAS = 2
"""Heaps that the threads of a process share: with more, memory grew with each opening of a model."""
M_ARENA_MAX = -8
"""Parameter of mallopt(3), from glibc's malloc.h."""


def free_memory(meminfo: Path = MEMINFO, cgroup: Path = CGROUP) -> int | None:
    """Return the bytes that can be had without swapping, in a container at most what is left of its limit.

    None where Linux does not say.
    """
    found = re.search(r"^MemAvailable:\s+(\d+) kB", _text(meminfo), re.MULTILINE)
    free = [1024 * int(found[1])] if found else []
    limit, used = (_text(cgroup / name).strip() for name in ("memory.max", "memory.current"))
    if limit.isdecimal() and used.isdecimal():
        free.append(max(0, int(limit) - int(used)))
    return min(free, default=None)


def limit_arenas() -> None:
    """Let the threads of this process share two heaps, where glibc would make up to eight for each core.

    What a thread frees stays in its heap, and each heap keeps the most that it ever held. A node that opens
    models again and again has new threads each time. To be called before threads start. The variable
    MALLOC_ARENA_MAX has precedence; with another C library than glibc nothing happens.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None and "MALLOC_ARENA_MAX" not in os.environ:
        mallopt(M_ARENA_MAX, MAX_ARENAS)


def give_back_memory() -> None:
    """Return freed memory to the system, which glibc keeps for later; other C libraries do nothing here."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
