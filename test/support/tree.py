"""The project's tracked files, and a copy of them, as a fresh clone would have them."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def tracked_files() -> list[Path]:
    """The tracked files that are there, relative to the project; skips outside of a git clone."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("needs git and a clone of the repository, to know which files belong to it")
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, check=True
    ).stdout
    names = filter(None, listed.decode().split("\0"))
    return [Path(name) for name in names if (ROOT / name).is_file()]


def tracked_copy(target: Path) -> Path:
    """Copy the tracked files as they are now to `target`, and return it; skips outside of a git clone."""
    for name in tracked_files():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target / name)
    return target
