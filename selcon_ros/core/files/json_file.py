"""JSON that others wrote: parsed within bounds, with one short message for whatever is wrong with it."""

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn

from selcon_ros.core.errors import SelconError
from selcon_ros.core.files.plain_file import read_bytes
from selcon_ros.core.text import quoted

MAX_FILE_BYTES = 16 << 20
"""Bytes of a file; parsed they take ten times as much."""
MAX_NESTING = 32
"""Objects and lists within each other; our own files have five."""
MAX_DIGITS = 18
"""Of a whole number: it then fits 64 bits."""


def read_object(
    path: str | Path, fault: type[SelconError], limit: int = MAX_FILE_BYTES, finite: bool = True
) -> dict[str, Any]:
    """Return the object in a JSON file of at most `limit` bytes; see `parse_object`. Raises `fault`."""
    return parse_object(read_bytes(path, fault, limit), path, fault, finite)


def parse_object(
    content: bytes, name: str | Path, fault: type[SelconError], finite: bool = True
) -> dict[str, Any]:
    """Return the object that a JSON file's content holds; `name` is the file's in messages.

    Strict where Python's parser is not, so that nothing odd turns up later: it must be UTF-8 (a byte order
    mark may lead), numbers finite and whole ones of at most MAX_DIGITS digits, a key given once, nesting at
    most MAX_NESTING deep, and text free of halves of surrogate pairs (RFC 8259 leaves these open).
    `finite=False` takes NaN and infinities, which Python writes. Raises `fault`.
    """
    try:
        value = json.loads(
            content.decode("utf-8-sig"),
            object_pairs_hook=_object,
            parse_int=_whole,
            parse_float=_number,
            parse_constant=_no_number if finite else float,
        )
        _check(value)
    except UnicodeDecodeError as error:
        raise fault(f"{name} is not UTF-8 text (byte {error.start}): save it as UTF-8") from None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise fault(f"{name} is not valid JSON: {error.msg}, {place}") from None
    except RecursionError:
        raise fault(f"{name} is not valid JSON: nested more than {MAX_NESTING} deep") from None
    except ValueError as error:
        raise fault(f"{name} is not valid JSON: {error}") from None
    if not isinstance(value, dict):
        found = "a list" if isinstance(value, list) else quoted(value)
        raise fault(f"{name} must hold an object of JSON, not {found}")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise ValueError(f"the key {quoted(key)} is given twice")
            seen.add(key)
    return found


def _whole(text: str) -> int:
    if len(text.lstrip("-")) > MAX_DIGITS:
        raise ValueError(f"a whole number of {len(text.lstrip('-'))} digits, at most {MAX_DIGITS} are read")
    return int(text)


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {quoted(text)} is too large")
    return value


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number of JSON")


def _check(value: object) -> None:
    """Raise ValueError for what is nested too deep or holds text that cannot be written."""
    level: list[object] = [value]
    for _ in range(MAX_NESTING + 1):
        if not level:
            return
        below: list[object] = []
        for each in level:
            if isinstance(each, dict):
                _check_texts(each)
            inside = each.values() if isinstance(each, dict) else each if isinstance(each, list) else (each,)
            _check_texts(text for text in inside if isinstance(text, str))
            below += [container for container in inside if isinstance(container, dict | list)]
        level = below
    raise ValueError(f"nested more than {MAX_NESTING} deep")


def _check_texts(texts: Iterable[str]) -> None:
    for text in texts:
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ValueError(f"the text {quoted(text)} holds half a surrogate pair") from None
