"""Whether what is to be kept in memory fits into it."""

from __future__ import annotations

from selcon_ros.core.machine.memory import free_memory
from selcon_training.errors import DataError

USABLE_SHARE = 0.9
"""Share of the available memory that may be filled."""


def check_room(needed: int, what: str, remedy: str) -> None:
    """Raise DataError if `needed` bytes do not fit; it says `what` they are, and the `remedy`."""
    free = free_memory()
    if free is not None and needed > USABLE_SHARE * free:
        raise DataError(
            f"{what} take {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB of memory are free: {remedy}"
        )
