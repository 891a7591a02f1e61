"""`selcon tune`: how soft a bundle's heatmap is, chosen on validation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from selcon_ros.cli.paths import OUT_FOLDER, UserPath
from selcon_ros.core.text import one_line
from selcon_training.cli.options import validation_options

if TYPE_CHECKING:
    from selcon_training.data.chosen_split import ValidationSplit
    from selcon_training.evaluate.tuning import Tuning


@click.command(short_help="Choose a bundle's smoothing and temperature on validation.")
@click.argument("bundle", type=UserPath())
@click.argument("data", type=UserPath())
@validation_options()
@click.option("--report", type=OUT_FOLDER, help="Folder of the report [OUT with _report].")
def command(
    bundle: Path,
    validation: ValidationSplit,
    out: Path,
    threads: int | None,
    as_json: bool,
    report: Path | None,
) -> None:
    """Soften the heatmap of BUNDLE so that its KLD on a validation split of DATA is least.

    Truth maps are blurred, so a sharp map scores badly even where it is right. The width of a blur and a
    temperature are tried on a grid; the bundle with the best pair is written to --out, its graph
    unchanged, and a report beside it. The test set is refused.

    \b
    Examples:
      selcon tune my_bundle.zip data/tabletop --divide Seen --out tuned.zip
      selcon tune my_bundle data/tabletop --divide Seen --out tuned --limit 200 --json
    """
    from selcon_ros.core.files.atomic_write import check_destination
    from selcon_training.errors import ResultNotWritten
    from selcon_training.evaluate.tuning import tune
    from selcon_training.reporting.tuning import write_report

    lost = None
    place = report or out.with_name(out.name.removesuffix(".zip") + "_report")
    check_destination(place, folder=True)
    try:
        manifest, tuning = tune(bundle, validation, out, threads)
        source = f"{one_line(str(validation.root), 200)}, {validation.split}"
        write_report(place, tuning, manifest.name, source)
    except ResultNotWritten as error:
        tuning, lost = error.result, error
    if as_json:
        click.echo(json.dumps(tuning.record(), indent=2))
    else:
        _print(tuning)
    if lost is not None:
        raise lost
    if not as_json:
        click.echo(f"{out}: smoothing {tuning.smoothing:g} cells, temperature {tuning.temperature:g}")
        click.echo(f"report: {place / 'report.html'}")


def _print(tuning: Tuning) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    from selcon_training.evaluate.tuning import SMOOTHINGS, TEMPERATURES

    console = Console()
    title = f"KLD over {tuning.queries} queries: smoothing down, temperature across"
    table = Table(title=title, box=SIMPLE_HEAD)
    table.add_column("", no_wrap=True)
    for temperature in TEMPERATURES:
        table.add_column(f"{temperature:g}", justify="right", no_wrap=True)
    for sigma, row in zip(SMOOTHINGS, tuning.surface, strict=True):
        cells = [
            f"[bold]{value:.2f}[/bold]"
            if (sigma, temperature) == (tuning.smoothing, tuning.temperature)
            else f"{value:.2f}"
            for temperature, value in zip(TEMPERATURES, row, strict=True)
        ]
        table.add_row(f"{sigma:g}", *cells)
    console.print(table)
    table = Table(box=SIMPLE_HEAD)
    for name in ("", "KLD", "SIM", "NSS", "right %"):
        table.add_column(name, justify="right")
    for name, figures in (("before", tuning.before), ("after", tuning.after)):
        shown = (figures.kld, figures.sim, figures.nss)
        table.add_row(name, *(f"{value:.3f}" for value in shown), f"{100 * figures.right_part:.1f}")
    console.print(table)
