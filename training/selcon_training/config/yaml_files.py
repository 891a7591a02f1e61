"""YAML that people write as configuration: parsed within bounds, with one short message for whatever is wrong
with it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml
from yaml import MappingNode, Node, ScalarNode, SequenceNode

from selcon_ros.core.errors import SelconError
from selcon_ros.core.files.yaml_file import yaml_faults
from selcon_ros.core.text import quoted

MAX_FILE_BYTES = 256 << 10
"""Bytes of a file: PyYAML takes some seconds for them."""
MAX_NESTING = 32
MAX_VALUES = 20_000
"""Values, each alias (*name) counted with all that it stands for."""
MAX_DIGITS = 18
_SAFE_LOADER = yaml.SafeLoader
_KINDS = ("str", "int", "float", "bool", "null", "map", "seq")
_TAGS = frozenset(f"tag:yaml.org,2002:{kind}" for kind in _KINDS)
_MERGE = "tag:yaml.org,2002:merge"
_DATE = "tag:yaml.org,2002:timestamp"


class _Loader(_SAFE_LOADER):  # type: ignore[misc, valid-type]
    """PyYAML's safe loader, for which dates are text and nesting has an end."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own name and form
        first: [(tag, pattern) for tag, pattern in resolvers if tag != _DATE]
        for first, resolvers in _SAFE_LOADER.yaml_implicit_resolvers.items()
    }
    depth = 0

    def compose_node(self, parent: Node | None, index: Any) -> Node | None:
        self.depth += 1
        if self.depth > MAX_NESTING:
            raise ValueError(f"nested more than {MAX_NESTING} deep")
        node: Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node


def parse_yaml(content: bytes, name: str | Path, fault: type[SelconError]) -> Any:
    """Return the value that a YAML file holds (None if nothing); `name` is the file's in messages.

    Beyond YAML 1.1: it must be UTF-8 (a byte order mark may lead), with text as keys, each once, finite
    numbers, whole ones of at most MAX_DIGITS, and no tags; a date is text. Aliases are followed as long
    as all is at most MAX_VALUES. Raises `fault`.
    """
    if len(content) > MAX_FILE_BYTES:
        raise fault(f"{name} has {len(content)} bytes, more than the {MAX_FILE_BYTES} of a configuration")
    with yaml_faults(name, fault):
        loader = _Loader(content.decode("utf-8-sig"))
        node = loader.get_single_node()
        if node is None:
            return None
        _count(node, {})
        return loader.construct_document(node)


def _count(node: Node, counted: dict[int, int]) -> int:
    """Return how many values a node stands for. Raises ValueError for what is not taken."""
    known = counted.get(id(node))
    if known is not None:
        if known == 0:
            raise ValueError("an alias (*) lies in what it stands for")
        return known
    counted[id(node)] = 0
    if node.tag not in _TAGS and node.tag != _MERGE:
        raise ValueError(f"tags are not read, line {node.start_mark.line + 1} has {node.tag[:60]}")
    inside: Iterable[Node] = ()
    if isinstance(node, MappingNode):
        _check_keys(node)
        inside = [part for pair in node.value for part in pair]
    elif isinstance(node, SequenceNode):
        inside = node.value
    elif isinstance(node, ScalarNode):
        _check_number(node)
    total = 1 + sum(_count(each, counted) for each in inside)
    if total > MAX_VALUES:
        raise ValueError(f"it stands for over {MAX_VALUES:,} values")
    counted[id(node)] = total
    return total


def _check_keys(node: MappingNode) -> None:
    seen: set[str] = set()
    for key, _ in node.value:
        line = key.start_mark.line + 1
        if key.tag == _MERGE:
            continue
        if not isinstance(key, ScalarNode) or not key.tag.endswith(":str"):
            shown = f" {quoted(key.value)}: write it in quotes" if isinstance(key, ScalarNode) else ""
            raise ValueError(f"line {line} has a key that is no text{shown}")
        if key.value in seen:
            raise ValueError(f"line {line} gives the key {quoted(key.value)} a second time")
        seen.add(key.value)


def _check_number(node: ScalarNode) -> None:
    kind, line = node.tag.rpartition(":")[2], node.start_mark.line + 1
    if kind == "int" and len(node.value.replace("_", "").lstrip("+-")) > MAX_DIGITS:
        raise ValueError(f"line {line} has a number of {len(node.value)} characters")
    if kind == "float":
        text = node.value.replace("_", "").lower()
        if text.lstrip("+-") in (".inf", ".nan") or (":" not in text and not math.isfinite(float(text))):
            raise ValueError(f"line {line} has {node.value[:60]}, which is no finite number")
