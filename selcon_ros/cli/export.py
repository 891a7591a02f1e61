"""selcon export: a training checkpoint as a model bundle."""

from pathlib import Path

import click

from selcon_ros.cli.bundle_report import report


@click.command()
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Bundle folder or .zip to write.")
@click.option("--name", help="Name of the bundle; default: the training's.")
@click.option("--description", help="What the node prints when it starts; default: the training's.")
@click.option("--licence", help="Licence of the weights; default: the training's.")
@click.option(
    "--calibration",
    type=click.Choice(["continuous", "binarized", "none"]),
    help="How the object affinity weighs the class activation map; default: the training's.",
)
@click.option(
    "--flip/--no-flip", default=None,
    help="Average with the mirrored picture, at twice the time; default: the training's.",
)
@click.option(
    "--scale", "scales", type=click.FloatRange(0.25, 4), multiple=True,
    help="Average over the picture at these factors of the input size; default: the training's.",
)
@click.option(
    "--open", "open_vocabulary", is_flag=True,
    help="Add what answers actions outside the class list, on a workstation (needs classifier: text).",
)
@click.option("--json", "as_json", is_flag=True, help="Print the bundle's manifest as JSON.")
def command(
    checkpoint: Path,
    out: Path,
    name: str | None,
    description: str | None,
    licence: str | None,
    calibration: str | None,
    flip: bool | None,
    scales: tuple[float, ...],
    open_vocabulary: bool,
    as_json: bool,
) -> None:
    """Turn a training CHECKPOINT (a folder) into a model bundle.

    The exported graph is compared with the network before anything is written.

    \b
    Examples:
      selcon export runs/agd20k_seen/checkpoint --out bundles/agd20k
      selcon export runs/agd20k_seen/checkpoint --out agd20k.zip --name kitchen --json
      selcon export runs/agd20k_seen/checkpoint --out averaged --flip --scale 1 --scale 1.5
    """
    from selcon_training.export import export_checkpoint

    manifest = export_checkpoint(
        checkpoint,
        out,
        flip=flip,
        scales=scales,
        open_vocabulary=open_vocabulary,
        name=name,
        description=description,
        licence=licence,
        calibration=calibration,
    )
    report(manifest, out, as_json)
