"""Lists that a user writes: class lists and skip lists. One entry a line, lines that begin with # are
comments."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from selcon_ros.core.files.plain_file import read_bytes
from selcon_ros.core.text import quoted
from selcon_training.data.published_sets import CLASS_LISTS
from selcon_training.errors import DataError

MAX_FILE_BYTES = 64 << 20
"""Of a list: half a million names."""


def read_actions(path: Path) -> tuple[str, ...]:
    """A class list in label order from a text file. Raises DataError."""
    if not path.is_file():
        known = ", ".join(sorted(CLASS_LISTS))
        raise DataError(
            f"actions {str(path)!r}: no such class list and no such file; use one of {known}, a text file "
            "with an action a line, or a list of actions"
        )
    return checked_actions(_lines(path), str(path))


def checked_actions(actions: Sequence[str], source: str) -> tuple[str, ...]:
    """The actions as a tuple. Raises DataError if there are none, or for an action that comes twice or
    cannot be a folder's name."""
    if not actions:
        raise DataError(f"{source}: no action in it; give at least one")
    twice = sorted({action for action in actions if list(actions).count(action) > 1})
    if twice:
        shown = ", ".join(quoted(name) for name in twice[:5])
        raise DataError(f"{source}: {shown} more than once; every action is one label")
    odd = [action for action in actions if not action.strip() or {"/", "\\"} & set(action)]
    if odd:
        raise DataError(f"{source}: {quoted(odd[0])} is no action: actions are named as their folders are")
    return tuple(actions)


def read_skip(path: Path, root: Path) -> frozenset[str]:
    """The files to leave out, named from the data root with forward slashes. Raises DataError for a name
    that is not a file there."""
    names = _lines(path)
    wrong = [name for name in names if not _is_inside(PurePosixPath(name)) or not (root / name).is_file()]
    if wrong:
        more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        shown = ", ".join(quoted(name, 200) for name in wrong[:5])
        raise DataError(
            f"skip list {path}: no such file in {root}: {shown}{more}; names are relative to that folder, "
            "one a line"
        )
    return frozenset(PurePosixPath(name).as_posix() for name in names)


def _is_inside(name: PurePosixPath) -> bool:
    return not name.is_absolute() and ".." not in name.parts


def _lines(path: Path) -> list[str]:
    try:
        text = read_bytes(path, DataError, MAX_FILE_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"cannot read {path} as a text file: {error}") from None
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]
