"""One line of `selcon doctor`: what was looked at, how it is, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from selcon_ros.core.text import one_line

MAX_TEXT_LENGTH = 600
"""Characters of what was found, at most."""


class CheckLevel(str, Enum):
    """OK; WARN: it works, but worse than it could; FAIL: it does not work, or what comes out is wrong."""

    OK = "OK"
    WARN = "WARN"
    FAIL = "FAIL"


@dataclass(frozen=True)
class Check:
    """name: what was looked at. found: how it is, one line. remedy: what to type or to change, "" for OK."""

    name: str
    level: CheckLevel
    found: str
    remedy: str = ""

    def as_json(self) -> dict[str, str]:
        """Return it as `selcon doctor --json` prints it."""
        return {"name": self.name, "level": self.level.value, "found": self.found, "remedy": self.remedy}


def ok(name: str, found: str) -> Check:
    """Return a check that found nothing wrong."""
    return Check(name, CheckLevel.OK, one_line(found, MAX_TEXT_LENGTH))


def warn(name: str, found: str, remedy: str = "") -> Check:
    """Return a check that found what makes things worse; without a remedy, `found` says what to do."""
    return Check(name, CheckLevel.WARN, one_line(found, MAX_TEXT_LENGTH), remedy)


def fail(name: str, found: str, remedy: str = "") -> Check:
    """Return a check that found what does not work; without a remedy, `found` says what to do."""
    return Check(name, CheckLevel.FAIL, one_line(found, MAX_TEXT_LENGTH), remedy)
