"""Arguments that a launch file does not have: `ros2 launch` passes over them without a word."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path

from selcon_ros.core.text import quoted
from selcon_ros.ros.parameters import SETTINGS_FIELDS

ASSIGNMENT = ":="


def unknown_argument(command: Sequence[str], file: Path, declared: Iterable[str]) -> str:
    """Say which argument of a command line `ros2 launch selcon_ros FILE NAME:=VALUE ...` FILE does not have.

    Empty if there is none, or if the command line starts another launch file, which has arguments of its own.
    """
    files = [
        number
        for number, word in enumerate(command)
        if (number and command[number - 1] == "selcon_ros" and word == file.name)
        or (word.endswith(file.name) and Path(word).resolve() == file.resolve())
    ]
    if not files:
        return ""
    declared = set(declared)
    for name in (word.split(ASSIGNMENT)[0] for word in command[files[0] + 1 :] if ASSIGNMENT in word):
        if name not in declared:
            return f"{file.name} has no argument {quoted(name)}: {_remedy(name, declared)}"
    return ""


def _remedy(name: str, declared: set[str]) -> str:
    if name in SETTINGS_FIELDS:
        return "it is a parameter of the node, set it in the file that params_file names"
    close = get_close_matches(name[:100], sorted(declared), n=1)
    return f"did you mean {close[0]}?" if close else f"it has {', '.join(sorted(declared))}"
