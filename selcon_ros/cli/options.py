"""Options that several commands have, as decorators."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from selcon_ros.cli.paths import OUT_BUNDLE, UserPath

F = TypeVar("F", bound=Callable[..., Any])


class FiniteRange(click.FloatRange):
    """A number within the range that is neither infinite nor NaN, which click lets pass."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number", param, ctx)
        return number


threads_option = click.option(
    "--threads", type=click.IntRange(1), help="Threads for the network [one per core]."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
out_bundle_option = click.option(
    "--out", type=OUT_BUNDLE, required=True, help="Bundle folder or .zip to write."
)
bundle_option = click.option(
    "--bundle", type=UserPath(exists=True), help="Model bundle  [default: the packaged one]"
)
bundles_option = click.option(
    "--bundle",
    "bundles",
    type=UserPath(exists=True),
    multiple=True,
    help="Model bundle, may be given several times  [default: the packaged one]",
)


def turns_options(runs: str) -> Callable[[F], F]:
    """Add --threads, --rounds, --runs (with this help) and --cache: engines are measured in turns."""
    options = [
        click.option(
            "--threads",
            type=click.IntRange(min=1),
            help="CPU threads of each engine  [default: one per core that may be used]",
        ),
        click.option(
            "--rounds",
            type=click.IntRange(min=1),
            default=12,
            show_default=True,
            help="Turns of each engine.",
        ),
        click.option("--runs", type=click.IntRange(min=1), default=2, show_default=True, help=runs),
        click.option(
            "--cache",
            type=UserPath(file_okay=False),
            help="Folder of engines built for a GPU  [default: the user's]",
        ),
    ]
    return lambda function: added(options, function)


def added(options: Sequence[Callable[[Any], Any]], function: F) -> F:
    """Add options to a command, in the order in which --help lists them."""
    for option in reversed(options):
        function = option(function)
    return function
