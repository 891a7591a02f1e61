"""`selcon data`: what is in a data set, whether training can use it, and what training makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from selcon_ros.cli.paths import OUT_FILE, UserPath
from selcon_ros.core.files.atomic_write import write_file
from selcon_training.cli.data_label import label
from selcon_training.cli.data_sets import show, split

if TYPE_CHECKING:
    from selcon_training.data.check_report import Report

T = TypeVar("T")
MAX_FILES_SHOWN = 3
"""Files named per finding; --json names all."""
STYLES = {"error": "bold red", "warning": "yellow", "info": "dim"}


@click.group()
def command() -> None:
    """Data sets on disk.

    \b
    Examples:
      selcon data check /data/AGD20K
      selcon data preview training/configs/tabletop_dense.yaml --out sheet.jpg
      selcon data label photos --out my_data --action hold,cut_with
    """


for each in (label, show, split):
    command.add_command(each)


@command.command()
@click.argument("root", type=UserPath())
@click.option("--divide", type=click.Choice(["Seen", "Unseen"]), help="Only this one. [default: all]")
@click.option(
    "--actions",
    help="Class list: seen, unseen, hico_iif, a text file (an action a line), or names with commas between.",
)
@click.option("--skip", type=UserPath(), help="Leave out the files that this list names (data.skip).")
@click.option("--out", type=OUT_FILE, help="Write a skip list of the files at fault.")
@click.option("--threads", type=click.IntRange(1), help="Threads that decode. [default: one a core]")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, every file named.")
def check(
    root: Path,
    divide: str | None,
    actions: str | None,
    skip: Path | None,
    out: Path | None,
    threads: int | None,
    as_json: bool,
) -> None:
    """Check the data set in the folder ROOT (AGD20K's layout): count files and decode every one in full.

    Compares the counts with the published ones, and names what is unreadable, in both training and test data,
    without a partner, without truth or with a truth map of another shape. Exit code 1: something would stop
    or spoil training.

    \b
    Examples:
      selcon data check /data/AGD20K --divide Seen
      selcon data check /data/AGD20K --out skip.txt      # then: data.skip: skip.txt
      selcon data check /data/AGD20K --skip skip.txt
      selcon data check my_data --actions actions.txt --json
    """
    from selcon_training.data.check import check as check_set
    from selcon_training.data.check_report import skip_list

    wanted: str | list[str] | None = actions
    if actions is not None and "," in actions:
        wanted = [name.strip() for name in actions.split(",")]
    reports = check_set(root, divide, wanted, skip, threads, _progress)
    ready = all(report.ready for report in reports)
    if out is not None:
        _write(out, skip_list(reports))
    if as_json:
        import json

        sets = [report.as_json() for report in reports]
        click.echo(json.dumps({"root": str(root), "ready": ready, "sets": sets}, indent=2))
    else:
        for report in reports:
            _print(report)
        at_fault = sum(len(report.to_skip()) for report in reports)
        if out is not None:
            click.echo(f"{out}: {at_fault} files; leave them out with data.skip: {out}")
        elif at_fault:
            click.echo("--out skip.txt writes a list of the files at fault, for data.skip in a configuration")
    if not ready:
        raise SystemExit(1)


@command.command()
@click.argument("config", type=UserPath(exists=True, dir_okay=False))
@click.option("--out", type=OUT_FILE, required=True, help="Contact sheet to write, .jpg or .png.")
@click.option("--count", type=click.IntRange(1, 400), default=24, show_default=True, help="Samples shown.")
@click.option("--epoch", type=click.IntRange(1), default=1, show_default=True, help="Of this epoch.")
@click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change a key, e.g. data.turn=180."
)
def preview(config: Path, out: Path, count: int, epoch: int, overrides: tuple[str, ...]) -> None:
    """Draw the first training samples of the YAML file CONFIG, each beside its truth.

    They are what training shows the network: in random views, with real backgrounds, textures and negatives,
    as the section data says. For supervision: dense and mixed.

    \b
    Examples:
      selcon data preview training/configs/tabletop_dense.yaml --out sheet.jpg
      selcon data preview my.yaml --out sheet.jpg --count 48 --set data.backgrounds=media --set data.turn=180
    """
    if out.suffix.lower() not in (".jpg", ".jpeg", ".png"):
        raise click.BadParameter(f"{out} must end in .jpg or .png", param_hint="--out")
    from selcon_ros.core.pictures.picture_files import write_image
    from selcon_training.config import load_config
    from selcon_training.training.tasks.preview import preview as draw

    sheet, shown = draw(load_config(config, overrides), count, epoch - 1)
    write_image(out, sheet)
    click.echo(f"{out}: {shown} samples, each beside its truth")


def _progress(facts: Iterator[T], total: int) -> Iterator[T]:
    from tqdm import tqdm

    return iter(tqdm(facts, total=total, unit="file", desc="decoding", dynamic_ncols=True, disable=None))


def _write(out: Path, text: str) -> None:
    try:
        # Names of files may hold what is no text.
        write_file(out, text.encode(errors="surrogateescape"))
    except OSError as error:
        raise click.ClickException(f"cannot write {out}: {error.strerror}") from None


def _print(report: Report) -> None:
    from rich.console import Console
    from rich.table import Table

    from selcon_training.data.check_report import KINDS

    console = Console(highlight=False, markup=False, emoji=False)
    known = report.recognised or "not a published set"
    title = " ".join(filter(None, (report.root, report.divide)))
    console.print(f"{title}: {known}, {len(report.actions)} actions", style="bold", soft_wrap=True)
    counts = Table("split", "kind")
    for column in ("files", "published", "difference"):
        counts.add_column(column, justify="right")
    for count in report.counts:
        published = "-" if count.published is None else str(count.published)
        difference = "-" if count.difference is None else format(count.difference, "+d")
        counts.add_row(count.split, count.kind, str(count.files), published, difference)
    console.print(counts)
    found = Table("", "found", show_header=False)
    found.add_column(justify="right")
    for name, (level, text, _) in KINDS.items():
        if name in report.findings:
            found.add_row(level, text, str(len(report.findings[name])), style=STYLES[level])
    if report.findings:
        console.print(found)
    for name, (level, text, _) in KINDS.items():
        if places := report.findings.get(name):
            console.print(f"{text}:", style=STYLES[level])
            for place in places[:MAX_FILES_SHOWN]:
                note = f"  ({place.note})" if place.note else ""
                console.print(f"  {place.name}{note}", soft_wrap=True)
            if len(places) > MAX_FILES_SHOWN:
                console.print(f"  ... and {len(places) - MAX_FILES_SHOWN} more")
    if report.ready and "no training" in report.findings:
        console.print("ready to evaluate on: nothing found that would spoil it", style="bold green")
    elif report.ready:
        console.print("ready: nothing found that would stop or spoil training", style="bold green")
    else:
        console.print("not ready: the errors above would stop or spoil training", style=STYLES["error"])
