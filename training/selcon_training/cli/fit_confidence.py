"""`selcon fit-confidence`: when a bundle says that an action is possible, for a stated false rate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from selcon_ros.cli.paths import UserPath
from selcon_training.cli.options import validation_options

if TYPE_CHECKING:
    from selcon_training.data.chosen_split import ValidationSplit


@click.command(short_help="Fit a bundle's confidence for a stated false rate.")
@click.argument("bundle", type=UserPath())
@click.argument("data", type=UserPath())
@click.option(
    "--negatives",
    type=UserPath(file_okay=False),
    required=True,
    help="Folder of negative pictures, without any of the actions (of `selcon tabletop media`, or any).",
)
@click.option(
    "--false-rate",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.03,
    show_default=True,
    help="So often may an action that is not possible pass a confidence of 0.5.",
)
@click.option(
    "--scene-rate",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="The same in the scenes of DATA, among other objects [--false-rate].",
)
@click.option(
    "--clutter-rate",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="The same in scenes of DATA with which no action is possible [--scene-rate].",
)
@validation_options("scenes")
def command(
    bundle: Path,
    validation: ValidationSplit,
    negatives: Path,
    false_rate: float,
    scene_rate: float | None,
    clutter_rate: float | None,
    out: Path,
    threads: int | None,
    as_json: bool,
) -> None:
    """Fit the confidence of BUNDLE anew on a validation split of DATA and on real negative pictures.

    0.5, the node's default min_confidence, is then passed by --false-rate of the questions about an action
    that is not possible, for each action, in scenes of DATA and in the pictures of --negatives alike. Where
    they help, the other actions that a scene shows count too. The bundle is written to --out, its graphs
    unchanged. The test set is refused.

    \b
    Examples:
      selcon fit-confidence my_bundle data/tabletop --divide Seen --negatives data/media --out fitted
      selcon fit-confidence my_bundle data/mine --negatives photos/empty --false-rate 0.05 --out fitted
    """
    from selcon_training.confidence.false_rate import FalseRates
    from selcon_training.confidence.refitting import refit
    from selcon_training.errors import ResultNotWritten

    lost = None
    try:
        rates = FalseRates(false_rate, scene_rate, clutter_rate)
        _, fitted = refit(bundle, validation, negatives, rates, out, threads)
    except ResultNotWritten as error:
        fitted, lost = error.result, error
    if as_json:
        click.echo(json.dumps(fitted.record, indent=2))
    else:
        _print(fitted.record)
    if lost is not None:
        raise lost
    if not as_json:
        click.echo(f"{out}: confidence fitted for a false rate of {false_rate:g}")


def _print(record: dict[str, Any]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table(title="pass a confidence of 0.5, in %", box=SIMPLE_HEAD)
    table.add_column("", no_wrap=True)
    for name in ("possible", "n", "scenes", "n", "clutter", "n", "real", "decided by"):
        table.add_column(name, justify="right")
    for action, row in record["per_action"].items():
        table.add_row(
            action,
            _percent(row["kept"]),
            str(row["positives"]),
            _percent(row["scenes_passed"]),
            str(row["negative_scenes"]),
            _percent(row["clutter_passed"]),
            str(row["clutter_scenes"]),
            _percent(row["real_passed"]),
            row["decided_by"],
        )
    console.print(table)
    if helped := [action for action, row in record["per_action"].items() if row["others_count"]]:
        console.print(f"Other actions count for: {', '.join(helped)}")
    console.print(
        f"kept: {_percent(record['kept'])} % of {record['positives']} (by the real pictures alone "
        f"{_percent(record['kept_by_real_alone'])} %); {record['real_pictures']} real "
        f"negative pictures in {record['views_of_each']} views each: some action in "
        f"{_percent(record['real_pictures_with_any'])} % of them"
    )


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}"
