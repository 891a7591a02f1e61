"""How the benchmark commands show what they measured."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from selcon_ros.bench.report import Row, into_page, markdown


def show(
    rows: list[Row],
    machine: dict[str, str],
    notes: list[str],
    about: tuple[str, str],
    out: Path | None,
    as_json: bool,
) -> None:
    """Print the rows as a table or as JSON, and write their chapter into the page `out`, if given."""
    from rich.console import Console
    from rich.table import Table

    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        page = out.read_text(encoding="utf-8") if out.is_file() else ""
        out.write_text(into_page(page, markdown(rows, machine, notes, about)), encoding="utf-8")
    if as_json:
        found = [{**asdict(row), "met": row.met} for row in rows]
        click.echo(json.dumps({"machine": machine, "rows": found}))
        return
    table = Table("what", "measured", "target", "met", title=about[0])
    for row in rows:
        table.add_row(
            row.what, f"{row.text} {row.detail}", row.target, {True: "yes", False: "no", None: ""}[row.met]
        )
    Console().print(table)
