"""Paths as users write them: `~` and `~user` stand for home folders, wherever a path is given."""

import os
from pathlib import Path

from selcon_ros.core.errors import SelconError


def user_path(path: str | Path, fault: type[SelconError]) -> Path:
    """Return the path with `~` or `~user` at its start replaced; variables stay as they are.

    Raises `fault` for a user that does not exist.
    """
    text = os.path.expanduser(path)
    if os.fspath(text).startswith("~"):
        user = Path(text).parts[0]
        raise fault(f"{path}: there is no home folder for {user}; a file of that name is ./{path}")
    found = Path(text)
    # "./~x" is a file's name; it stays one whoever looks at it again.
    return found.absolute() if found.parts[:1] and found.parts[0].startswith("~") else found


def user_cache(fault: type[SelconError]) -> Path:
    """Return the user's folder for what can be made again: XDG_CACHE_HOME, by default ~/.cache.

    As the XDG base directory specification has it, a relative path there does not count. Raises `fault` for
    a user without a home folder.
    """
    given = os.environ.get("XDG_CACHE_HOME", "")
    return Path(given) if os.path.isabs(given) else user_path("~/.cache", fault)
