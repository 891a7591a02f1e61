"""What the allocator does with memory that a training step gives back."""

from __future__ import annotations

import ctypes

# Parameters of mallopt(3), from glibc's malloc.h.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
_LARGE_BYTES = 256 << 20


def keep_freed_memory() -> bool:
    """Let the C library keep what is freed for what is allocated next; returns whether it can.

    A step on the CPU allocates and frees the same large tensors every time. glibc returns each to the system
    and asks for it again, and the system clears its pages anew: a sixth of a convolutional network's step.
    Memory is then given back at the end of the process only. Does nothing with another C library than glibc.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    settings = {_MMAP_MAX: 0, _TRIM_THRESHOLD: 2**31 - 1, _TOP_PAD: _LARGE_BYTES}
    return all([mallopt(name, value) == 1 for name, value in settings.items()])
