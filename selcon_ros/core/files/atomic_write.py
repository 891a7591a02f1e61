"""Files and folders that appear whole or not at all: until then what was there before stays."""

import errno
import json
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from selcon_ros.core.files.plain_file import kind_of

PART_SUFFIX = ".part"
"""How names of unfinished files end. A process that is killed may leave one."""
# What file systems say that cannot sync a folder.
_NO_SYNC_ERRORS = (errno.EINVAL, errno.ENOTSUP)


def write_file(path: str | Path, content: bytes) -> None:
    """Write a file, and the folders it lies in. Raises OSError naming `path`; its former content stays."""
    with writing(path) as stream:
        stream.write(content)


def write_json(path: str | Path, value: object) -> None:
    """Write a value as JSON, indented; see `write_file`."""
    write_file(path, (json.dumps(value, indent=2) + "\n").encode())


@contextmanager
def writing(path: str | Path) -> Iterator[BinaryIO]:
    """A stream into a file that takes the place of `path` at the end, unless an exception leaves the block.

    A symbolic link stays one: what it points to is written. Raises OSError naming `path`, also where that
    is no plain file: a pipe or a device would be replaced by one.
    """
    target = _target(path)
    part = target.with_name(f".{secrets.token_hex(4)}{PART_SUFFIX}")
    with _naming(path, part):
        mode = _mode(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("xb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            if mode is not None:
                part.chmod(stat.S_IMODE(mode))
            os.replace(part, target)
        finally:
            part.unlink(missing_ok=True)  # it would fill the disk for whatever is written next
        sync_folder(target.parent)


@contextmanager
def making_folder(path: str | Path) -> Iterator[Path]:
    """An empty folder that takes the place of the folder `path` at the end, unless an exception leaves the
    block.

    Raises OSError naming `path`; the former folder then stays.
    """
    target = _target(path)
    work = target.with_name(f".{secrets.token_hex(4)}{PART_SUFFIX}")
    with _naming(path, work):
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh, old = work / "new", work / "old"
        try:
            fresh.mkdir(parents=True)
            yield fresh
            had = target.exists()
            if had:
                target.rename(old)
            try:
                fresh.rename(target)
            except OSError:
                if had:
                    old.rename(target)
                raise
        finally:
            shutil.rmtree(work, ignore_errors=True)
        sync_folder(target.parent)


def check_destination(path: str | Path, folder: bool = False) -> None:
    """Raise now the OSError that writing a file (or folder) `path` would end in, as far as can be told.

    For what takes long: nobody wants to hear of a wrong folder after an hour. Nothing is written.
    """
    target = _target(path)
    with _naming(path):
        if folder and target.is_dir():
            above = target
        else:
            if folder and target.exists():
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
            _mode(target)
            above = target.parent
        while not above.exists():
            above = above.parent
        if not above.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, f"{above} is not a folder")
        if not os.access(above, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, f"the folder {above} cannot be written to")


def sync_folder(folder: Path) -> None:
    """Make the names in a folder (new files, renames) survive a power cut, as far as the system allows it."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except PermissionError:  # one may write into it, and not look
        return
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _NO_SYNC_ERRORS:
            raise
    finally:
        os.close(handle)


def _target(path: str | Path) -> Path:
    return Path(os.path.realpath(path))


def _mode(target: Path) -> int | None:
    """Return a file's type and permissions, None where there is none. Raises OSError if it is not to be
    replaced."""
    with suppress(FileNotFoundError):
        mode = target.stat().st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, f"it is {kind_of(mode)}, not a plain file")
        if not os.access(target, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return mode
    return None


@contextmanager
def _naming(path: str | Path, part: Path | None = None) -> Iterator[None]:
    """Let errors of the unfinished file name the one that was asked for."""
    try:
        yield
    except OSError as error:
        named = error.filename
        ours = named is None or (part is not None and str(named).startswith(str(part)))
        if not ours:
            raise
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
