"""selcon export: a training checkpoint, or another bundle, as a model bundle."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import click

from selcon_ros.cli.options import out_bundle_option
from selcon_ros.cli.paths import UserPath
from selcon_ros.core.grounding.manifest import Manifest
from selcon_training.cli.options import manifest_option, report, samples_option, size_option


@click.command()
@click.argument("checkpoint", type=UserPath())
@out_bundle_option
@click.option("--name", help="Name of the bundle; default: the training's.")
@click.option("--description", help="What the node prints when it starts; default: the training's.")
@click.option("--licence", help="Licence of the weights; default: the training's.")
@click.option(
    "--calibration",
    type=click.Choice(["continuous", "binarized", "none"]),
    help="How the object affinity weighs the class activation map; default: the training's.",
)
@click.option(
    "--flip/--no-flip",
    default=None,
    help="Average with the mirrored picture, at twice the time; default: the training's.",
)
@click.option(
    "--scale",
    "scales",
    type=click.FloatRange(0.25, 4),
    multiple=True,
    help="Average over the picture at these factors of the input size; default: the training's.",
)
@click.option(
    "--open",
    "open_vocabulary",
    is_flag=True,
    help="Add what answers actions outside the class list, on a workstation (needs classifier: text).",
)
@size_option("Height and width of the network's input; default: the training's.")
@samples_option
@click.option(
    "--weights",
    type=click.Choice(["fp32", "fp16"]),
    default="fp32",
    show_default=True,
    help="How the file keeps the weights: fp16 halves it, and computes in fp32 all the same.",
)
@manifest_option
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
    size: tuple[int, int] | None,
    samples: Path | None,
    weights: Literal["fp32", "fp16"],
    as_json: bool,
) -> None:
    """Turn a training CHECKPOINT (a folder) into a model bundle.

    CHECKPOINT may also be the bundle of a convolutional network, to change its input size or what it
    averages over: the packaged model is one. Weights of 16 bits stay such. The int8 graph is left out, and
    with other maps the confidence: add them with `selcon quantize` and `selcon fit-confidence`.

    The exported graph is compared with the network before anything is written. Sample pictures are part of
    the bundle and published with it: give such as you may publish, and none of the test set.

    \b
    Examples:
      selcon export runs/mine/checkpoint --out bundles/mine --samples /data/mine/valset/egocentric
      selcon export runs/mine/checkpoint --out bundles/fine --size 336,448
      selcon export runs/agd20k_seen/checkpoint --out agd20k.zip --name kitchen --json
      selcon export runs/agd20k_seen/checkpoint --out averaged --flip --scale 1 --scale 1.5
      selcon export selcon_ros/assets/tabletop --out bundles/larger --size 288,384
    """
    from selcon_training.export.bundle import export_checkpoint
    from selcon_training.export.reexport import is_bundle, reexport

    export: Callable[..., Manifest] = export_checkpoint
    of_checkpoints = {"calibration": calibration, "open_vocabulary": open_vocabulary}
    if is_bundle(checkpoint):
        if calibration is not None or open_vocabulary:
            raise click.UsageError(
                f"--calibration and --open need a checkpoint, and {checkpoint} is a bundle"
            )
        export, of_checkpoints = reexport, {}
    manifest = export(
        checkpoint,
        out,
        flip=flip,
        scales=scales,
        input_size=size,
        samples=samples,
        weights=weights,
        name=name,
        description=description,
        licence=licence,
        **of_checkpoints,
    )
    report(manifest, out, as_json)
