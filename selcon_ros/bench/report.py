"""docs/benchmarks.md: what was measured, against what it should be, and on which machine."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from selcon_ros.core.errors import SelconError
from selcon_ros.core.files.atomic_write import write_file


@dataclass(frozen=True)
class ReportRow:
    """One line: what, the value measured (None: it was not, `detail` says why), and the limit it is held
    against."""

    what: str
    value: float | None
    unit: str
    detail: str = ""
    at_most: float | None = None
    at_least: float | None = None

    @property
    def target(self) -> str:
        """The limit in words, "" where there is none."""
        if self.at_most is not None:
            return f"≤ {self.at_most:g} {self.unit}".rstrip()
        return f"≥ {self.at_least:g} {self.unit}".rstrip() if self.at_least is not None else ""

    @property
    def met(self) -> bool | None:
        """Whether the limit is kept; None where there is none, or nothing to hold against it."""
        if self.value is None:
            return None
        if self.at_most is not None:
            return self.value <= self.at_most
        return self.value >= self.at_least if self.at_least is not None else None

    @property
    def text(self) -> str:
        """The value with its unit: three digits tell enough."""
        if self.value is None:
            return "not measured"
        digits = 0 if abs(self.value) >= 100 else 1 if abs(self.value) >= 10 else 2
        return f"{self.value:.{digits}f} {self.unit}".rstrip()

    @property
    def cells(self) -> tuple[str, ...]:
        """As a line of the table with `HEADER`."""
        detail = f" ({self.detail})" if self.detail else ""
        return self.what, self.text + detail, self.target, {True: "yes", False: "**no**", None: ""}[self.met]


HEADER = ("what", "measured", "target", "met")


@dataclass(frozen=True)
class Table:
    """A table of a chapter; missing: what was not measured, and why."""

    title: str
    header: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    missing: tuple[tuple[str, str], ...] = ()

    @property
    def sentences(self) -> list[str]:
        """What stands below it: what was not measured, by reason."""
        missing: dict[str, list[str]] = {}
        for what, why in self.missing:
            missing.setdefault(why, []).append(what)
        return [f"Not measured ({why}): {', '.join(each)}." for why, each in missing.items()]


SPEED = "Speed", "Written by `selcon bench`; `make bench` makes its environment and measures your machine."
ENGINES = "Engines", "Written by `selcon bench engines`."


def into_page(page: str, chapter: str) -> str:
    """The page with this chapter ("# title" first) in the place of the one of that title, else at its end."""
    chapters = re.split(r"(?m)^(?=# )", page)
    title = chapter.partition("\n")[0]
    kept = [
        chapter if each.partition("\n")[0] == title else each.rstrip("\n") + "\n"
        for each in chapters
        if each.strip()
    ]
    return "\n".join(kept if chapter in kept else [*kept, chapter])


def markdown(
    rows: list[ReportRow],
    facts: dict[str, str],
    notes: list[str],
    about: tuple[str, str] = SPEED,
    tables: Sequence[Table] = (),
) -> str:
    """A chapter of the page as text; `about` is its title and where it comes from."""
    parts = [[f"# {about[0]}"], [about[1]]]
    if rows:
        parts.append(_grid(HEADER, [row.cells for row in rows]))
    for table in tables:
        parts += [
            [f"## {table.title}"],
            _grid(table.header, table.lines),
            *([each] for each in table.sentences),
        ]
    parts += [["## Measured on"], _grid(("", ""), facts.items()), ["## How"], [f"- {note}" for note in notes]]
    return "\n\n".join("\n".join(lines) for lines in parts) + "\n"


def show(
    rows: list[ReportRow],
    machine: dict[str, str],
    notes: list[str],
    about: tuple[str, str],
    out: Path | None,
    as_json: bool,
    tables: Sequence[Table] = (),
    data: Mapping[str, object] | None = None,
) -> None:
    """Print rows and tables, or rows and `data` as JSON; write the chapter of them into the page `out`."""
    if as_json:
        found = [{**asdict(row), "met": row.met} for row in rows]
        print(json.dumps({"machine": machine, "rows": found, **(data or {})}))
    else:
        _print([*tables, Table(about[0], HEADER, tuple(row.cells for row in rows))])
    if out is not None:  # after the rest: measuring takes long, and this may fail
        page = _read(out) if out.is_file() else ""
        chapter = markdown(rows, machine, notes, about, tables)
        write_file(out, into_page(page, chapter).encode())


def _grid(header: tuple[str, ...], lines: Iterable[tuple[str, ...]]) -> list[str]:
    head, *body = (f"| {' | '.join(each)} |" for each in (header, *lines))
    return [head, "|" + "---|" * len(header), *body]


def _read(page: Path) -> str:
    try:
        return page.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise SelconError(f"{page} is not UTF-8 text (byte {error.start}): give another --out") from None


def _print(tables: Sequence[Table]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table as Shown

    console = Console(markup=False, emoji=False)
    for table in tables:
        if not table.lines and not table.missing:
            continue
        shown = Shown(title=table.title, box=box.SIMPLE_HEAD, padding=0, collapse_padding=True)
        for name in table.header:
            shown.add_column(name, overflow="fold")
        for line in table.lines:
            shown.add_row(*(cell.strip("*") for cell in line))  # bold on the page
        console.print(shown)
        for text in table.sentences:
            console.print(text, highlight=False)
