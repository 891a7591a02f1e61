"""The memory of this process."""

import ctypes
import os
from pathlib import Path

import pytest

glibc_only = pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="no malloc_trim: not glibc"
)


def resident() -> int:
    """Return the bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
