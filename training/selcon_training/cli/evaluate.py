"""`selcon evaluate`: measure a bundle, or several seeds of one, on a data set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from selcon_ros.cli.options import json_option, threads_option
from selcon_ros.cli.paths import OUT_FOLDER, OUT_PICTURE, UserPath
from selcon_ros.core.text import one_line
from selcon_training.cli.options import divide_option, limit_option, ranks_options, skip_option, split_option

if TYPE_CHECKING:
    from rich.console import Console

COLUMNS = {
    "n": ("queries", "count"),
    "KLD": ("kld", "figure"),
    "SIM": ("sim", "figure"),
    "NSS": ("nss", "figure"),
    "right %": ("right_part", "%"),
    "3D mm": ("grasp_distance_median_m", "mm"),
    "grasp %": ("with_grasp", "%"),
    "none %": ("nothing_without_grasp", "%"),
}
"""Heading, key and form (reporting/page.py)."""
SEED_COLUMNS = ("n", "KLD", "SIM", "NSS", "right %")
"""Of several seeds: with a deviation each, more would not fit a terminal; the page has all."""
LEGEND = (
    "right: peak on the right part; 3D: best grasp point to the part, median; grasp: queries with a grasp "
    "point; none: scenes without the action that got no grasp point"
)


@click.command(short_help="Measure a bundle on a data set, with an HTML report.")
@click.argument("places", metavar="BUNDLE... DATA", nargs=-1, type=UserPath())
@divide_option
@split_option("testset")
@click.option("--out", type=OUT_FOLDER, required=True, help="Folder of the report.")
@click.option(
    "--baseline",
    type=click.Choice(["centre", "mask", "affinity"]),
    help="Measure a baseline instead: centre prior, perfect object mask, zero-shot affinity of the bundle.",
)
@click.option(
    "--sheet",
    type=OUT_PICTURE,
    help="Contact sheet to write (.jpg): heat, peak and truth of every query, right or wrong.",
)
@click.option(
    "--run",
    "runs",
    multiple=True,
    type=UserPath(),
    help="Folder that selcon train wrote, for curves and part discovery; one per BUNDLE, in their order.",
)
@skip_option
@click.option(
    "--negatives",
    "--nothing",
    "negatives",
    type=UserPath(),
    help="Folder of negative pictures, which afford none of the actions: how many get one all the same?",
)
@click.option(
    "--not-afforded",
    type=UserPath(dir_okay=False),
    help='JSON file {"name of DATA": {"picture": ["action", ...]}}: what pictures of DATA do not afford.',
)
@limit_option()
@ranks_options("the pictures")
@threads_option
@json_option
def command(
    places: tuple[Path, ...],
    divide: str | None,
    split: str,
    out: Path,
    baseline: str | None,
    sheet: Path | None,
    runs: tuple[Path, ...],
    skip: Path | None,
    negatives: Path | None,
    not_afforded: Path | None,
    limit: int | None,
    ranks: int | None,
    rank: int | None,
    threads: int | None,
    as_json: bool,
) -> None:
    """Measure BUNDLE on the data set in folder DATA (AGD20K's layout).

    KLD, SIM and NSS of every map, how often its peak lies on the right part, and, with depth, how far the
    best 3D grasp point lies from the part; also under the other calibrations. Writes results.json,
    queries.csv and report.html.

    Several bundles, of one training with different seeds, are measured one by one into OUT/1, OUT/2, ... and
    summarised: mean and sample standard deviation, in summary.json and summary.html.

    Several processes share the pictures: each leaves its part in OUT/parts, and one that finds the parts of
    all writes the report, the same as of one process. A part that is there is not measured again.

    \b
    Examples:
      selcon evaluate my_bundle.zip /data/AGD20K --divide Seen --out report
      selcon evaluate my_bundle.zip data/tabletop --divide Unseen --out report --json
      selcon evaluate my_bundle.zip data/tabletop --divide Seen --out centre --baseline centre
      selcon evaluate my_bundle.zip /data/AGD20K --divide Seen --out report --run runs/agd20k_seen
      selcon evaluate my_bundle.zip training/checkset --out report --sheet report/sheet.jpg
      selcon evaluate my_bundle.zip data/mine --out report --negatives photos/empty
      selcon evaluate seed0.zip seed1.zip seed2.zip /data/AGD20K --divide Seen --out report
      selcon evaluate my_bundle.zip data/mine --out report --rank 0 --ranks 2
    """
    if len(places) < 2:
        raise click.UsageError("give at least one BUNDLE, and then DATA, the data set's folder")
    *bundles, data = places
    if runs and len(runs) != len(bundles):
        raise click.UsageError(f"--run is given {len(runs)} times for {len(bundles)} bundles: once for each")
    if baseline is not None and len(bundles) > 1:
        raise click.UsageError("--baseline has no seeds: give one BUNDLE")
    if sheet is not None and len(bundles) > 1:
        raise click.UsageError("--sheet shows the answers of one model: give one BUNDLE")
    if (negatives or not_afforded) and (baseline is not None or len(bundles) > 1):
        raise click.UsageError("--negatives and --not-afforded are for one BUNDLE without --baseline")
    from selcon_training.errors import ResultNotWritten
    from selcon_training.ranks import own_ranks

    own = own_ranks(rank, ranks)
    from selcon_training.reporting.evaluation import run, run_seeds

    several, lost = len(bundles) > 1, None
    try:
        if several:
            tables = run_seeds(bundles, data, divide, split, out, limit, threads, runs, skip, own)
        else:
            trained = runs[0] if runs else None
            given = (baseline, limit, threads, trained, skip, sheet, negatives, not_afforded, own)
            tables = run(bundles[0], data, divide, split, out, *given)
    except ResultNotWritten as error:
        tables, lost = error.result, error
    if tables is None:
        click.echo(
            f"rank {own.rank} of {own.count} has measured its part; who finds all parts in {out} writes the "
            "report",
            err=as_json,
        )
        return
    if as_json:
        import json

        click.echo(json.dumps(tables, indent=2))
    else:
        _print(tables)
    if lost is not None:
        raise lost
    if not as_json:
        click.echo(f"report: {out / ('summary.html' if several else 'report.html')}")


def _print(tables: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    from selcon_training.reporting.page import number

    console = Console(markup=False, emoji=False)  # names of folders and files may hold brackets
    for title, rows in (
        ("overall", {tables["split"]: tables["overall"]}),
        ("calibrations", tables["calibrations"]),
        ("per action", tables["per_action"]),
        ("per object", tables["per_object"]),
    ):
        if not rows:
            continue
        table = Table(title=f"{tables['predictor']}: {title}")
        table.add_column("", no_wrap=True)
        # The table of calibrations has nothing of grasp points.
        shown = {name: column for name, column in COLUMNS.items() if column[0] in next(iter(rows.values()))}
        if "bundles" in tables:
            shown = {name: shown[name] for name in SEED_COLUMNS}
        for column in shown:
            table.add_column(column, justify="right", no_wrap=True)
        for name, figures in rows.items():
            table.add_row(one_line(name, 200), *(number(figures[key], form) for key, form in shown.values()))
        console.print(table)
    console.print(LEGEND, style="dim")
    if "intervals" in tables:
        _print_intervals(console, tables)
    if tables.get("publication"):
        _print_publication(console, tables["publication"])
    for reason, names in tables["left_out"].items():
        console.print(
            f"left out, {reason}: {len(names)} ({', '.join(names[:3])}{' ...' if len(names) > 3 else ''})"
        )
    for note in tables.get("notes", ()):
        console.print(f"note: {note}")


def _print_intervals(console: Console, tables: dict[str, Any]) -> None:
    from selcon_training.reporting.page import number

    found, overall = tables["intervals"]["overall"], tables["overall"]

    def between(name: str, form: str) -> str:
        return " to ".join(number(end, form) for end in found[name] or [None])

    console.print(
        f"{overall['photos']} photos; 95 % intervals over {found['objects']} object folders: "
        f"right {between('right_part', '%')} %, KLD {between('kld', 'figure')}, "
        f"grasp {between('with_grasp', '%')} %"
    )


def _print_publication(console: Console, figures: dict[str, Any]) -> None:
    from rich.table import Table

    from selcon_training.reporting.page import number

    overall, least = figures["overall"], figures["min_confidence"]
    console.print(
        f"confidence of {least:g} or more: {number(overall['kept'], '%')} % of {overall['positives']} "
        f"possible, {number(overall['answered'], '%')} % of {overall['negatives']} not possible"
    )
    table = Table(title=f"not possible: how many reach a confidence of {least:g}")
    table.add_column("", no_wrap=True)
    for column in ("n", "answered %", "photos", "any %", "without hold: answered %", "any %", "AUC"):
        table.add_column(column, justify="right")
    for source, row in figures["sources"].items():
        shares = [number(row[name], "%") for name in ("answered", "photos_with_any")]
        other = [number(row["without_hold"][name], "%") for name in ("answered", "photos_with_any")]
        counts = (str(row["questions"]), shares[0], str(row["photos"]), shares[1])
        table.add_row(source, *counts, *other, number(row["auc"], "figure"))
    console.print(table)
