"""Parameter files that have nothing for this node: ROS passes over them without a word."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from selcon_ros.core.errors import ParameterError
from selcon_ros.core.files.plain_file import read_bytes
from selcon_ros.core.files.yaml_file import parse_object
from selcon_ros.core.text import quoted

MAX_NAMES_SHOWN = 3
MAX_FILE_BYTES = 64 << 10
"""Of a file that is looked into."""


def files_for_others(command: Sequence[str], node: str) -> str:
    """Say which file of a command line's `--params-file FILE` names other nodes alone; empty if none does.

    Files that ROS has read and this package cannot (pipes, for they are read once) are passed over. `node` is
    this node's name with its namespace.
    """
    for flag, file in pairwise(command):
        if flag != "--params-file":
            continue
        try:
            content = read_bytes(file, ParameterError, MAX_FILE_BYTES)
            names = list(nodes_in(parse_object(content, file, ParameterError)))
        except ParameterError:
            continue
        if names and not any(fits(name, node) for name in names):
            others = ", ".join(quoted(name) for name in names[:MAX_NAMES_SHOWN])
            return f"{quoted(file, 300)} is for {others}, not for this node: name it '/**' there, or {node!r}"
    return ""


def nodes_in(content: dict[str, Any], above: str = "") -> Iterator[str]:
    """The names of nodes in a parameter file, with the namespaces that stand above them."""
    for key, value in content.items():
        if key == "ros__parameters":
            yield above
        elif isinstance(value, dict):
            yield from nodes_in(value, f"{above}/{str(key).strip('/')}")


def fits(name: str, node: str) -> bool:
    """Whether a name in a parameter file is a node's: `*` stands for one part of it, `**` for any number."""
    pattern = re.escape(name).replace(r"/\*\*", r"(/\w+)*").replace(r"/\*", r"(/\w+)")
    return re.fullmatch(pattern, node) is not None
