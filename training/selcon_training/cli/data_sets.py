"""`selcon data show` and `selcon data split`: a contact sheet of a data set, and its division."""

from __future__ import annotations

import json
from pathlib import Path

import click

from selcon_ros.cli.options import FiniteRange, json_option
from selcon_ros.cli.paths import OUT_FOLDER, Destination, UserPath
from selcon_ros.core.files.atomic_write import check_destination
from selcon_ros.core.text import one_line
from selcon_training.cli.options import divide_option, objects_option

MAX_WARNINGS_SHOWN = 5
"""Warnings named per kind; --json names all."""


def _is_sheet(path: Path) -> bool:
    return path.suffix.lower() in (".jpg", ".jpeg")


@click.command()
@click.argument("dataset", type=UserPath(exists=True, file_okay=False))
@click.option(
    "--out",
    type=Destination(lambda path: check_destination(path, folder=not _is_sheet(path))),
    help="Contact sheet to write, a .jpg, or a folder for a picture of each mask.",
)
@json_option
def show(dataset: Path, out: Path | None, as_json: bool) -> None:
    """Draw the masks of DATASET on its photos, by action, with counts and what is odd.

    DATASET is in any layout that `selcon adapt` reads: labelme's JSON files, COCO, CVAT, or AGD20K's folders.
    A red frame marks masks that are empty, cover the whole photo, are missing or do not fit it. Files that
    are damaged are found by `selcon data check`.

    \b
    Examples:
      selcon data show my_data --out sheet.jpg
      selcon data show training/checkset/testset --out overlays
    """
    from tqdm import tqdm

    from selcon_training.adapt.labelling.contact_sheet import look_at, write_folder, write_sheet

    found = look_at(dataset, lambda pairs: tqdm(pairs, desc="masks", unit="mask", leave=False, disable=None))
    if out is not None and _is_sheet(out):
        write_sheet(out, found)
    elif out is not None:
        write_folder(out, found)
    warnings = [(look.action, look.photo.path, look.warning) for look in found.looks if look.warning]
    rows = found.table()
    if as_json:
        warning_records = [
            {"action": action, "photo": str(path), "warning": text} for action, path, text in warnings
        ]
        record = {
            "layout": found.layout,
            "actions": rows,
            "nothing": len(found.negatives),
            "warnings": warning_records,
        }
        click.echo(json.dumps(record, indent=2))
        return
    _table(
        f"{dataset}: {found.layout}",
        ("action", "photos", "median share of the photo", "warnings"),
        [(name, row["photos"], _percent(row["median_share"]), row["warnings"]) for name, row in rows.items()],
    )
    if found.negatives:
        click.echo(f"nothing for any action: {len(found.negatives)} photos")
    for action, path, text in warnings[:MAX_WARNINGS_SHOWN]:
        click.echo(one_line(f"{action} on {path}: {text}"), err=True)
    if len(warnings) > MAX_WARNINGS_SHOWN:
        click.echo(f"... and {len(warnings) - MAX_WARNINGS_SHOWN} more: --json names all", err=True)
    if out is not None:
        click.echo(f"{out}: {len(found.looks)} masks")


@click.command()
@click.argument("dataset", type=UserPath(exists=True, file_okay=False))
@click.option("--out", type=OUT_FOLDER, help="Folder to write  [default: DATASET with _split].")
@click.option(
    "--test",
    "share",
    type=FiniteRange(0, 1, min_open=True, max_open=True),
    default=0.2,
    show_default=True,
    help="Share of every action's pictures to test on, about.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the choice.")
@objects_option(
    "Keep together the pictures in whose paths its first group is the same text [object folders]."
)
@divide_option
@json_option
def split(
    dataset: Path,
    out: Path | None,
    share: float,
    seed: int,
    objects: str | None,
    divide: str | None,
    as_json: bool,
) -> None:
    """Divide trainset of DATASET (AGD20K's layout) into a trainset and a testset, in a new folder.

    Pictures of one object stay on one side, and every action comes on both where it has two objects.
    The same seed gives the same division. Files are links to those of DATASET where the file system can.

    \b
    Examples:
      selcon data split my_data --test 0.2
      selcon adapt my_data_split/trainset --out bundles/mine
      selcon evaluate bundles/mine my_data_split --out report
    """
    from selcon_training.data.agd20k import open_dataset
    from selcon_training.data.splitting import divide as divided
    from selcon_training.data.splitting import write

    whole = dataset.resolve()  # the folder . has no name
    place = out or (dataset.parent if dataset.name else whole.parent) / f"{whole.name}_split"
    data = open_dataset(dataset, divide)
    division = divided(data, share, seed, objects)
    write(data, division, place)
    rows = division.table()
    names = ("training objects", "training pictures", "test objects", "test pictures")
    if as_json:
        keys = [name.replace(" ", "_") for name in names]
        counts = {action: dict(zip(keys, row, strict=True)) for action, row in rows.items()}
        click.echo(json.dumps({"out": str(place), "actions": counts}, indent=2))
        return
    _table(f"{place}", ("action", *names), [(action, *row) for action, row in rows.items()])
    for action in division.one_sided():
        click.echo(f"{one_line(action, 200)} is on one side alone: it has too few objects", err=True)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


def _table(title: str, columns: tuple[str, ...], rows: list[tuple[object, ...]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title)
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left")
    for row in rows:
        table.add_row(*(one_line(str(cell), 200) for cell in row))
    Console(highlight=False, markup=False, emoji=False).print(table)
