"""`selcon average`: a bundle between two of one convolutional network."""

from __future__ import annotations

from pathlib import Path

import click

from selcon_ros.cli.options import FiniteRange, out_bundle_option
from selcon_ros.cli.paths import UserPath


@click.command(short_help="Average the weights of two bundles of one network.")
@click.argument("first", type=UserPath())
@click.argument("second", type=UserPath())
@click.option(
    "--share",
    type=FiniteRange(0, 1),
    default=0.5,
    show_default=True,
    help="How far from FIRST (0) to SECOND (1).",
)
@out_bundle_option
@click.option(
    "--weights",
    type=click.Choice(["fp32", "fp16"]),
    default="fp16",
    show_default=True,
    help="How the file stores them; fp16 takes half the space.",
)
def command(first: Path, second: Path, share: float, out: Path, weights: str) -> None:
    """Average the weights of FIRST and of SECOND, a convolutional bundle that was trained on from it.

    A network that was trained on is often better on pictures unlike the training's half-way back to where it
    began. The confidence is left out: fit it again with `selcon fit-confidence`, and add an int8 graph with
    `selcon quantize`.

    \b
    Example:
      selcon average runs/bundle_1 runs/bundle_2 --out between
    """
    from typing import cast

    from selcon_training.export.bundle import Weights
    from selcon_training.export.weight_average import average

    average(first, second, share, out, cast(Weights, weights))
    click.echo(f"{out}: weights {100 * share:g} % of the way from {first} to {second}")
    click.echo("Next: selcon quantize, selcon fit-confidence")
