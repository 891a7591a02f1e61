"""selcon import-official: the authors' released checkpoint as a model bundle."""

from pathlib import Path
from typing import Any, cast

import click

from selcon_ros.cli.options import out_bundle_option
from selcon_ros.cli.paths import UserPath
from selcon_training.cli.options import manifest_option, report, samples_option


@click.command()
@click.argument("checkpoint", type=UserPath())
@click.option(
    "--divide",
    type=click.Choice(["Seen", "Unseen", "HICO"]),
    required=True,
    help="What it was trained on: AGD20K Seen (36 actions) or Unseen (25), or HICO-IIF (10).",
)
@out_bundle_option
@click.option(
    "--calibration",
    type=click.Choice(["continuous", "binarized", "none"]),
    default="continuous",
    show_default=True,
    help="How the object affinity weighs the class activation map; the published numbers are continuous.",
)
@samples_option
@manifest_option
def command(
    checkpoint: Path, divide: str, out: Path, calibration: str, samples: Path | None, as_json: bool
) -> None:
    """Turn the authors' released CHECKPOINT into a model bundle, without any other download.

    The file is read as tensors only. Missing, extra or misshapen keys are listed, and nothing is written.

    \b
    Examples:
      selcon import-official agd20k_seen.pth --divide Seen --out bundles/seen --samples photos
      selcon import-official hico.pth --divide HICO --out bundles/hico.zip --json
    """
    from selcon_training.export.official_checkpoint import import_official_bundle

    manifest = import_official_bundle(
        checkpoint, cast(Any, divide), out, cast(Any, calibration), samples=samples
    )
    report(manifest, out, as_json)
