"""`selcon fit-presence`: fit which of the actions that a finished bundle finds a place for are possible."""

from __future__ import annotations

from pathlib import Path

import click

from selcon_ros.cli.options import out_bundle_option
from selcon_ros.cli.paths import UserPath
from selcon_training.cli.options import manifest_option, report


@click.command(short_help="Fit which actions an image affords at all.")
@click.argument("bundle", type=UserPath())
@click.argument("config", type=UserPath(exists=True, dir_okay=False))
@click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change a key, e.g. data.root=data/mine."
)
@click.option(
    "--pictures",
    type=click.IntRange(1),
    default=9600,
    show_default=True,
    help="So many training pictures, varied as in training, are looked at, rounded up to whole batches.",
)
@out_bundle_option
@manifest_option
def command(
    bundle: Path, config: Path, overrides: tuple[str, ...], pictures: int, out: Path, as_json: bool
) -> None:
    """Fit the presence of BUNDLE, a convolutional one, to training pictures of the YAML file CONFIG.

    Its weights stay as they are. The maps of an action are multiplied by how likely the picture affords it
    at all, so the heatmap, scaled to its peak, is the same (unless it is averaged over views); what changes
    is the confidence. That is left out: fit it again with `selcon fit-confidence`, and add an int8 graph
    with `selcon quantize`.

    \b
    Example:
      selcon fit-presence my_bundle training/configs/tabletop_pyramid_all.yaml --out with_presence
    """
    from selcon_training.config import load_config
    from selcon_training.export.presence import add_presence

    manifest = add_presence(bundle, load_config(config, overrides), pictures, out)
    report(manifest, out, as_json)
    if not as_json:
        click.echo("Next: selcon quantize, selcon fit-confidence")
