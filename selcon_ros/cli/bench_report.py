"""How the benchmark commands show what they measured."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import click

from selcon_ros.bench.report import ReportRow, into_page, markdown
from selcon_ros.bench.report import Table as Section
from selcon_ros.core.atomic_write import write_file
from selcon_ros.core.errors import SelconError


def show(
    rows: list[ReportRow],
    machine: dict[str, str],
    notes: list[str],
    about: tuple[str, str],
    out: Path | None,
    as_json: bool,
    tables: Sequence[Section] = (),
    picture: str | None = None,
    data: Mapping[str, object] | None = None,
) -> None:
    """Print rows and tables, or rows and `data` as JSON; write the chapter of them into the page `out`."""
    _print(rows, machine, about, as_json, tables, data)
    if out is not None:  # after the rest: measuring takes long, and this may fail
        chapter = markdown(rows, machine, notes, about, tables, picture)
        page = _read(out) if out.is_file() else ""
        write_file(out, into_page(page, chapter).encode())


def _read(page: Path) -> str:
    try:
        return page.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise SelconError(f"{page} is not UTF-8 text (byte {error.start}): give another --out") from None


def _print(
    rows: list[ReportRow],
    machine: dict[str, str],
    about: tuple[str, str],
    as_json: bool,
    tables: Sequence[Section],
    data: Mapping[str, object] | None,
) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    if as_json:
        found = [{**asdict(row), "met": row.met} for row in rows]
        click.echo(json.dumps({"machine": machine, "rows": found, **(data or {})}))
        return
    console = Console(markup=False, emoji=False)
    for section in tables:
        shown = Table(title=section.title, box=SIMPLE_HEAD, padding=0, collapse_padding=True)
        for name in section.header:
            shown.add_column(name, overflow="fold")
        for line in section.lines:
            shown.add_row(*line)
        console.print(shown)
        for what, why in section.missing:
            console.print(f"{what}: not measured ({why})", highlight=False)
        for text in section.below:
            console.print(text, highlight=False)
    table = Table("what", "measured", "target", "met", title=about[0])
    for row in rows:
        table.add_row(
            row.what, f"{row.text} {row.detail}", row.target, {True: "yes", False: "no", None: ""}[row.met]
        )
    console.print(table)
