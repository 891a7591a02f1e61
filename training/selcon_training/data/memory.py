"""Whether what is to be kept in memory fits into it."""

from __future__ import annotations

from pathlib import Path

from selcon_training.errors import DataError

USABLE_SHARE = 0.9
"""Share of the available memory that may be filled."""
_MEMINFO, _CGROUP = Path("/proc/meminfo"), Path("/sys/fs/cgroup")


def available() -> int | None:
    """Bytes that this process may still take without swapping; None where the system does not say."""
    try:
        lines = dict(line.split(":", 1) for line in _MEMINFO.read_text().splitlines() if ":" in line)
        free = 1024 * int(lines["MemAvailable"].split()[0])
    except (OSError, KeyError, ValueError):
        return None
    try:  # a container's own limit; "max" for none
        limit, used = (int((_CGROUP / f"memory.{name}").read_text()) for name in ("max", "current"))
    except (OSError, ValueError):
        return free
    return min(free, max(0, limit - used))


def check_room(needed: int, count: int, size: tuple[int, int]) -> None:
    """Raise DataError if `needed` bytes, of so many pictures at `size` (h, w), do not fit."""
    free = available()
    if free is not None and needed > USABLE_SHARE * free:
        raise DataError(
            f"data.cache: {count} pictures of {size[0]} x {size[1]} take {needed / 1e9:.1f} GB, and "
            f"{free / 1e9:.1f} GB of memory are free: set a smaller data.cache_size, fewer "
            "data.dense_splits, or data.cache: false"
        )
