"""`selcon evaluate`: measure a bundle on a data set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

COLUMNS = {
    "n": ("queries", "d", 1.0),
    "KLD": ("kld", ".3f", 1.0),
    "SIM": ("sim", ".3f", 1.0),
    "NSS": ("nss", ".3f", 1.0),
    "right %": ("right_part", ".1f", 100.0),
    "3D mm": ("grasp_distance_median_m", ".1f", 1000.0),
    "grasp %": ("with_grasp", ".1f", 100.0),
    "none %": ("nothing_without_grasp", ".1f", 100.0),
}
LEGEND = (
    "right: peak on the right part; 3D: best grasp point to the part, median; grasp: queries with a grasp "
    "point; none: scenes without the action that got no grasp point"
)


@click.command(short_help="Measure a bundle on a data set, with an HTML report.")
@click.argument("bundle", type=click.Path(path_type=Path))
@click.argument("data", type=click.Path(path_type=Path))
@click.option(
    "--divide", type=click.Choice(["Seen", "Unseen"]), help="Which divide, for data that have them."
)
@click.option("--split", default="testset", show_default=True, help="Folder with egocentric/ and GT/.")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder of the report."
)
@click.option(
    "--baseline",
    type=click.Choice(["centre", "mask", "affinity"]),
    help="Measure a baseline instead: centre prior, perfect object mask, zero-shot affinity of the bundle.",
)
@click.option("--limit", type=click.IntRange(1), help="Only this many pictures, evenly spread.")
@click.option("--threads", type=click.IntRange(1), help="Threads for the network [one per core].")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(
    bundle: Path,
    data: Path,
    divide: str | None,
    split: str,
    out: Path,
    baseline: str | None,
    limit: int | None,
    threads: int | None,
    as_json: bool,
) -> None:
    """Measure BUNDLE on the data set in folder DATA (AGD20K's layout).

    KLD, SIM and NSS of every map, how often its peak lies on the right part, and, with depth, how far the
    best 3D grasp point lies from the part. Writes results.json, queries.csv and report.html.

    \b
    Examples:
      selcon evaluate my_bundle.zip /data/AGD20K --divide Seen --out report
      selcon evaluate my_bundle.zip data/tabletop --divide Unseen --out report --json
      selcon evaluate my_bundle.zip data/tabletop --divide Seen --out centre --baseline centre
    """
    from selcon_training.evaluate.command import run

    tables = run(bundle, data, divide, split, out, baseline, limit, threads)
    if as_json:
        import json

        click.echo(json.dumps(tables, indent=2))
    else:
        _print(tables)
        click.echo(f"report: {out / 'report.html'}")


def _print(tables: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    for title, rows in (
        ("overall", {tables["split"]: tables["overall"]}),
        ("per action", tables["per_action"]),
        ("per object", tables["per_object"]),
    ):
        table = Table(title=f"{tables['predictor']}: {title}")
        table.add_column("", no_wrap=True)
        for column in COLUMNS:
            table.add_column(column, justify="right")
        for name, figures in rows.items():
            table.add_row(
                name, *(_cell(figures[key], form, factor) for key, form, factor in COLUMNS.values())
            )
        console.print(table)
    console.print(LEGEND, style="dim")
    for reason, names in tables["left_out"].items():
        console.print(
            f"left out, {reason}: {len(names)} ({', '.join(names[:3])}{' ...' if len(names) > 3 else ''})"
        )


def _cell(value: float | int | None, form: str, factor: float) -> str:
    if value is None:
        return "-"
    return format(value if form == "d" else value * factor, form)
