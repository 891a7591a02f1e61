"""What several commands of the trainer have: options of data sets, options and report of a bundle written."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from selcon_ros.cli.options import added, json_option, out_bundle_option, threads_option
from selcon_ros.cli.paths import UserPath

if TYPE_CHECKING:
    from selcon_ros.core.grounding.bundle import Manifest

F = TypeVar("F", bound=Callable[..., Any])

divide_option = click.option(
    "--divide", type=click.Choice(["Seen", "Unseen"]), help="Which divide, for data that have them."
)
skip_option = click.option(
    "--skip", type=UserPath(dir_okay=False), help="List of files to leave out (data.skip)."
)
samples_option = click.option(
    "--samples",
    type=UserPath(),
    metavar="FOLDER",
    help="Put 8 of the validation pictures below it into the bundle, for comparing engines on.",
)
manifest_option = click.option("--json", "as_json", is_flag=True, help="Print the bundle's manifest as JSON.")


def _size(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[int, int] | None:
    if value is None:
        return None
    sides = value.split(",")
    if len(sides) != 2 or not all(side.strip().isdecimal() for side in sides):
        raise click.BadParameter(f"{value!r} must be height and width in pixels, for example 288,384")
    return int(sides[0]), int(sides[1])


def size_option(help: str) -> Callable[[F], F]:
    """Add --size, two sides in pixels."""
    return click.option("--size", callback=_size, metavar="H,W", help=help)


def _expression(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    try:
        groups = 1 if value is None else re.compile(value).groups
    except re.error as error:
        raise click.BadParameter(f"{value!r} is no regular expression: {error}") from None
    if not groups:
        raise click.BadParameter(f"{value!r} has no group: put what tells the object in parentheses")
    return value


def objects_option(help: str) -> Callable[[F], F]:
    """Add --objects, a regular expression whose first group tells the object in a path."""
    return click.option("--objects", callback=_expression, metavar="REGEX", help=help)


def ranks_options(what: str) -> Callable[[F], F]:
    """Add --rank and --ranks, which share `what` among processes."""
    options = [
        click.option(
            "--ranks",
            type=click.IntRange(1),
            help=f"Share {what} among so many processes  [default: as torchrun or srun say, else 1]",
        ),
        click.option("--rank", type=click.IntRange(0), help="The number of this one, from 0."),
    ]
    return lambda function: added(options, function)


def split_option(default: str) -> Callable[[F], F]:
    """Add --split."""
    return click.option(
        "--split", default=default, show_default=True, help="Folder with egocentric/ and GT/."
    )


def limit_option(noun: str = "pictures") -> Callable[[F], F]:
    """Add --limit, of these."""
    return click.option("--limit", type=click.IntRange(1), help=f"Only this many {noun}, evenly spread.")


def validation_options(noun: str = "pictures") -> Callable[[F], F]:
    """Add the options of a command that writes a bundle fitted on a validation split.

    It is called with `validation`, a `ValidationSplit`, in place of its argument DATA and of what says which.
    """
    options = [divide_option, split_option("valset"), out_bundle_option, skip_option, limit_option(noun)]

    def decorated(function: F) -> F:
        @wraps(function)
        def command(
            data: Path, divide: str | None, split: str, limit: int | None, skip: Path | None, **others: Any
        ) -> None:
            from selcon_training.data.chosen_split import ValidationSplit

            function(validation=ValidationSplit(data, divide, split, limit, skip), **others)

        return cast(F, added([*options, threads_option, json_option], command))

    return decorated


def report(manifest: Manifest, out: Path, as_json: bool) -> None:
    """Print the manifest of a bundle that was written as JSON, or a few lines for a reader."""
    if as_json:
        click.echo(manifest.to_json(), nl=False)
        return
    height, width = manifest.input_size
    padded = ", images padded" if manifest.fit == "pad" else ""
    click.echo(f"{out}: {manifest.name}, {len(manifest.actions)} actions, input {width}x{height}{padded}")
    click.echo(manifest.description)
    click.echo(f"Try it: selcon ground IMAGE --bundle {out} --action {manifest.actions[0]} --out overlay.png")
