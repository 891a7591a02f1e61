"""Where engines, and what was measured of them, are kept, and how the files are called."""

from pathlib import Path

from selcon_ros.core.errors import BackendError
from selcon_ros.core.files.user_path import user_cache


def default_folder() -> Path:
    """Return the folder of a user who gives none. Raises BackendError for one without a home folder."""
    return user_cache(BackendError) / "selcon_ros" / "engines"


def name_prefix(bundle: str) -> str:
    """Return how the names of a bundle's files begin."""
    return plain(f"{bundle[:60]}-")


def plain(name: str) -> str:
    """Return a name as a file may be called."""
    return "".join(each if each.isalnum() or each in "._-" else "_" for each in name).lstrip(".") or "engine"
