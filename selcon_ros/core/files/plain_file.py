"""Read plain files: nothing waits for a pipe's writer, and nothing endless is read."""

import os
import stat
from pathlib import Path

from selcon_ros.core.errors import SelconError

MAX_FILE_BYTES = 512 << 20
"""Bytes of a file, unless told otherwise: no picture within the limit of pixels has as many."""


def read_bytes(path: str | Path, fault: type[SelconError], limit: int = MAX_FILE_BYTES) -> bytes:
    """Return the content of a plain file of at most `limit` bytes.

    Raises `fault` for a file that is missing, unreadable or larger, and for what is no plain file (a
    directory, a pipe, a device): nothing waits for a writer, and nothing endless is read.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            about = os.fstat(handle)
            if not stat.S_ISREG(about.st_mode):
                raise fault(f"cannot read {path}: it is {kind_of(about.st_mode)}, not a plain file")
            with open(handle, "rb", closefd=False) as file:
                # A read reserves what it is asked for, so it is asked for little more than there is.
                most = min(limit, max(about.st_size, 1 << 20))
                content = file.read(most + 1) if about.st_size <= limit else b""
        finally:
            os.close(handle)
    except (OSError, ValueError) as error:
        if isinstance(error, fault):
            raise
        reason = error.strerror if isinstance(error, OSError) else str(error)  # a name with a zero byte
        raise fault(f"cannot read {path}: {reason}") from None
    size = max(about.st_size, len(content))
    if size > limit:
        raise fault(f"cannot read {path}: it has {size} bytes, more than the {limit} that are read")
    return content


def require_plain_file(path: str | Path, fault: type[SelconError]) -> None:
    """Raise `fault` unless there is a plain file at `path`, for libraries that open it themselves."""
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise fault(f"cannot read {path}: {reason}") from None
    if not stat.S_ISREG(mode):
        raise fault(f"cannot read {path}: it is {kind_of(mode)}, not a plain file")


def kind_of(mode: int) -> str:
    """Return in words what is no plain file, of a type as in `os.stat_result.st_mode`."""
    if stat.S_ISDIR(mode):
        return "a directory"
    if stat.S_ISFIFO(mode):
        return "a pipe"
    return "a socket" if stat.S_ISSOCK(mode) else "a device"
