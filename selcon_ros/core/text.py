"""Text from outside (of a message, a file, a flag) as logs and diagnostics show it: short, on one line."""

from __future__ import annotations

MAX_LINE_LENGTH = 1000
"""Characters of a line of the log or of a diagnostics message, at most."""


def one_line(text: str, limit: int = MAX_LINE_LENGTH) -> str:
    """Return text on one line, of at most `limit` characters.

    Line breaks, escape sequences and all else that is not printable are shown as Python writes them: `\\n`.
    """
    # What is cut off is not looked at: a message may hold megabytes.
    shown = "".join(each if each.isprintable() else repr(each)[1:-1] for each in text[: limit + 1])
    return shown if len(shown) <= limit else shown[: limit - 3] + "..."


def quoted(value: object, limit: int = 60) -> str:
    """Return text in quotes, other values as Python writes them: one line of at most `limit` characters."""
    if not isinstance(value, str):
        return one_line(repr(value), limit)
    shown = repr(value[:limit])
    if len(value) <= limit and len(shown) <= limit:
        return shown
    return shown[:-1][: limit - 4] + "..." + shown[-1]
