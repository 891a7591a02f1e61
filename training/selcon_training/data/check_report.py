"""What a check of a data set can find, how bad each finding is, and the report made of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

from selcon_training.data.listing import Item

EVALUATION_SPLITS = ("testset", "valset", "nothingset", "valnothingset", "clutterset", "valclutterset")
"""Splits to measure on; any other split is to train on."""
ProblemLevel = Literal["error", "warning", "info"]


class ProblemKind(NamedTuple):
    """`skippable`: leaving the files out mends it, so they go into a skip list."""

    level: ProblemLevel
    text: str
    skippable: bool = False


KINDS: dict[str, ProblemKind] = {
    "missing": ProblemKind("error", "folder missing or empty"),
    "class list": ProblemKind("error", "folders do not match the class list"),
    "unreadable": ProblemKind("error", "file cannot be read", skippable=True),
    "leak": ProblemKind("error", "training image is a test or validation image too", skippable=True),
    "no ego": ProblemKind("error", "exocentric folder without an egocentric image"),
    "truth aspect": ProblemKind("error", "map of another aspect ratio than its image", skippable=True),
    "truth values": ProblemKind("error", "truth map whose values have no clear meaning", skippable=True),
    "turned": ProblemKind(
        "error", "picture turned by EXIF: nothing tells how its truth map lies", skippable=True
    ),
    "two images": ProblemKind("error", "two images for one truth map"),
    "two maps": ProblemKind("error", "two maps for one image"),
    "map not read": ProblemKind(
        "error", "map in a format that is not read, where a missing one says: nothing here"
    ),
    "other actions": ProblemKind("warning", "the actions are not all those of the published set"),
    "count": ProblemKind("warning", "not as many files as published"),
    "no training": ProblemKind("warning", "nothing to train on, only to evaluate"),
    "no exo": ProblemKind(
        "warning", "egocentric folder without exocentric images: weak training leaves it out"
    ),
    "one exo": ProblemKind("warning", "a single exocentric image: samples repeat it"),
    "empty folder": ProblemKind("warning", "folder without an image"),
    "all zero": ProblemKind("warning", "truth map is zero everywhere: left out of evaluation"),
    "no truth": ProblemKind("warning", "image without a truth map: left out of evaluation"),
    "no image": ProblemKind("warning", "truth map without an image"),
    "weak truth": ProblemKind("warning", "truth map whose largest value is below half of 255: read as it is"),
    "with its image": ProblemKind("warning", "picture turned by EXIF, with a truth map"),
    "truth size": ProblemKind("warning", "map of another size than its image"),
    "damaged": ProblemKind("warning", "decoded, but the decoder complains"),
    "duplicate": ProblemKind("warning", "same image twice in one folder"),
    "ignored": ProblemKind("warning", "no image by its name or place: ignored"),
    "not read": ProblemKind("warning", "files in a format that is not read: left out"),
    "special": ProblemKind("warning", "no plain file (pipe, device, link that leads nowhere): not opened"),
    "read as": ProblemKind("info", "truth map read as 0..255"),
    "repeated": ProblemKind("info", "same image under several actions or objects"),
    "format": ProblemKind("info", "unusual format, read properly"),
}


@dataclass(frozen=True)
class FilePlace:
    """A file or folder, named from the data root, and what is to be said of it."""

    name: str
    note: str = ""


class Problems(dict[str, list[FilePlace]]):
    """Findings as they are collected: kind to places."""

    def add(self, kind: str, name: str, note: str = "") -> None:
        """Note one place."""
        self.setdefault(kind, []).append(FilePlace(name, note))


@dataclass
class CheckedSplit:
    """The files of one split after skipping: images by view, maps by kind (GT, mask, ...)."""

    name: str
    images: dict[str, list[Item]] = field(default_factory=dict)
    maps: dict[str, list[Item]] = field(default_factory=dict)
    unread_truth: list[Path] = field(default_factory=list)
    """Files in GT that are in another format, or no plain files."""


@dataclass(frozen=True)
class Count:
    """Files of one kind in one split, and how many the published set has (None: unknown)."""

    split: str
    kind: str
    files: int
    published: int | None = None

    @property
    def difference(self) -> int | None:
        """How many more (or, negative, fewer) than published."""
        return None if self.published is None else self.files - self.published


@dataclass(frozen=True)
class Report:
    """The result of checking one divide of a data set."""

    root: str
    divide: str | None
    recognised: str | None
    actions: tuple[str, ...]
    skipped: tuple[str, ...]
    counts: tuple[Count, ...]
    findings: dict[str, tuple[FilePlace, ...]]

    @property
    def ready(self) -> bool:
        """Whether nothing was found that would stop or spoil training."""
        return not any(KINDS[kind].level == "error" for kind in self.findings)

    def to_skip(self) -> list[tuple[str, FilePlace]]:
        """The files that a skip list should name to mend what it can mend, each with its kind of finding."""
        found = {
            place.name: (kind, place)
            for kind, places in self.findings.items()
            if KINDS[kind].skippable
            for place in places
        }
        return [found[name] for name in sorted(found)]

    def as_json(self) -> dict[str, Any]:
        """The report as plain values, every file named."""
        return {
            "divide": self.divide,
            "ready": self.ready,
            "recognised": self.recognised,
            "actions": list(self.actions),
            "skipped": list(self.skipped),
            "counts": [
                {
                    "split": count.split,
                    "kind": count.kind,
                    "files": count.files,
                    "published": count.published,
                    "difference": count.difference,
                }
                for count in self.counts
            ],
            "findings": [
                {
                    "kind": kind,
                    "level": KINDS[kind].level,
                    "text": KINDS[kind].text,
                    "count": len(self.findings[kind]),
                    "places": [{"name": place.name, "note": place.note} for place in self.findings[kind]],
                }
                for kind in KINDS
                if kind in self.findings
            ],
        }


def skip_list(reports: list[Report]) -> str:
    """The text of a skip list: what the reports' lists had already, and the files found, with the reasons."""
    lines = ["# Files to leave out, named from the data root: data.skip in a training configuration."]
    lines += sorted({name for report in reports for name in report.skipped})
    for report in reports:
        for kind, place in report.to_skip():
            reason = KINDS[kind].text + (f": {place.note}" if place.note else "")
            lines += [f"# {' '.join(reason.split())}", place.name]
    return "\n".join(lines) + "\n"
