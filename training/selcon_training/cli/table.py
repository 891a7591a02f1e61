"""`selcon table`: what `selcon evaluate` has measured, as Markdown tables."""

from __future__ import annotations

from pathlib import Path

import click

from selcon_ros.cli.paths import OUT_FILE
from selcon_ros.core.errors import SelconError
from selcon_ros.core.files.user_path import user_path


@click.command(short_help="Write evaluations as Markdown tables.")
@click.argument("reports", metavar="LABEL=REPORT...", nargs=-1, required=True)
@click.option("--out", type=OUT_FILE, help="Markdown file to write, instead of printing it.")
def command(reports: tuple[str, ...], out: Path | None) -> None:
    """Put evaluations side by side: LABEL names a bundle, REPORT is a folder that `selcon evaluate` wrote.

    One table has a row per data set and bundle, with 95 % intervals; then one per data set the right part by
    action. Bundles on the same data must have been asked the same questions.

    \b
    Examples:
      selcon table before=reports/old after=reports/new
      selcon table before=old/desk after=new/desk before=old/mugs after=new/mugs --out table.md
    """
    from selcon_ros.core.files.atomic_write import write_file
    from selcon_training.reporting.comparison import markdown, read_measured

    measured = []
    for report in reports:
        label, equals, folder = report.partition("=")
        if not (equals and label.strip() and folder):
            raise click.UsageError(f"{report!r}: give LABEL=REPORT, for example before=reports/old")
        measured.append(read_measured(label.strip(), user_path(Path(folder), SelconError)))
    text = markdown(measured)
    if out is None:
        click.echo(text, nl=False)
    else:
        write_file(out, text.encode())
