"""Whether what is to be kept in memory fits into it."""

from __future__ import annotations

from selcon_ros.core.machine.memory import free_memory
from selcon_training.errors import DataError

USABLE_SHARE = 0.9
"""Share of the available memory that may be filled."""


def check_room(needed: int, count: int, size: tuple[int, int]) -> None:
    """Raise DataError if `needed` bytes, of so many pictures at `size` (h, w), do not fit."""
    free = free_memory()
    if free is not None and needed > USABLE_SHARE * free:
        raise DataError(
            f"data.cache: {count} pictures of {size[0]} x {size[1]} take {needed / 1e9:.1f} GB, and "
            f"{free / 1e9:.1f} GB of memory are free: set a smaller data.cache_size, fewer "
            "data.dense_splits, or data.cache: false"
        )
