"""How the benchmark commands show what they measured."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import click

from selcon_ros.bench.report import HEADER, ReportRow, Table, into_page, markdown
from selcon_ros.core.atomic_write import write_file
from selcon_ros.core.errors import SelconError


def show(
    rows: list[ReportRow],
    machine: dict[str, str],
    notes: list[str],
    about: tuple[str, str],
    out: Path | None,
    as_json: bool,
    tables: Sequence[Table] = (),
    picture: str | None = None,
    data: Mapping[str, object] | None = None,
) -> None:
    """Print rows and tables, or rows and `data` as JSON; write the chapter of them into the page `out`."""
    if as_json:
        found = [{**asdict(row), "met": row.met} for row in rows]
        click.echo(json.dumps({"machine": machine, "rows": found, **(data or {})}))
    else:
        _print([*tables, Table(about[0], HEADER, tuple(row.cells for row in rows))])
    if out is not None:  # after the rest: measuring takes long, and this may fail
        page = _read(out) if out.is_file() else ""
        chapter = markdown(rows, machine, notes, about, tables, picture)
        write_file(out, into_page(page, chapter).encode())


def _read(page: Path) -> str:
    try:
        return page.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise SelconError(f"{page} is not UTF-8 text (byte {error.start}): give another --out") from None


def _print(tables: list[Table]) -> None:
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
