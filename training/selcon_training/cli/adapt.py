"""`selcon adapt`: make a bundle right on the user's own camera with a few photos."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from selcon_ros.cli.options import out_bundle_option, threads_option
from selcon_ros.cli.paths import OUT_FOLDER, UserPath
from selcon_training.cli.options import objects_option


@click.command(short_help="Adapt a bundle to your own photos with masks.")
@click.argument("photos", type=UserPath(exists=True, file_okay=False))
@out_bundle_option
@click.option("--bundle", type=UserPath(), help="Bundle to start from [the packaged one].")
@click.option(
    "--negatives",
    "--nothing",
    "negatives",
    type=UserPath(file_okay=False),
    help="Folder of negative pictures: photos that afford none of the actions.",
)
@click.option("--report", type=OUT_FOLDER, help="Folder of the report [OUT with _report].")
@click.option("--name", help="Name of the bundle [that of the one it starts from, adapted].")
@click.option(
    "--folds",
    type=click.IntRange(0, 100),
    default=4,
    show_default=True,
    help="Hold the photos out in so many parts to measure; 100 holds out each by itself, 0 does not measure.",
)
@objects_option("Hold out together the photos in whose paths its first group is the same text.")
@click.option(
    "--steps",
    type=click.IntRange(1, 10_000),
    default=120,
    show_default=True,
    help="Training steps on all photos.",
)
@click.option(
    "--fold-steps",
    type=click.IntRange(1, 10_000),
    default=45,
    show_default=True,
    help="Training steps of every fold.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of orders and views.")
@threads_option
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def command(
    photos: Path,
    out: Path,
    bundle: Path | None,
    negatives: Path | None,
    report: Path | None,
    name: str | None,
    folds: int,
    objects: str | None,
    steps: int,
    fold_steps: int,
    seed: int,
    threads: int | None,
    as_json: bool,
) -> None:
    """Train a convolutional bundle further on PHOTOS, 8 to 100 of your own with masks, mixed with rendered
    samples.

    PHOTOS holds labelme's JSON files, a COCO JSON file, a CVAT export, or AGD20K's folders; labels are the
    bundle's actions. The figure "after" comes from photos that were held out. Nothing is written where
    adapting does not help.

    \b
    Examples:
      selcon adapt photos --out bundles/mine
      selcon adapt photos --out bundles/mine --negatives photos/empty
      selcon adapt photos --out mine.zip --bundle bundles/kitchen --json
    """
    from selcon_ros.core.files.atomic_write import check_destination
    from selcon_ros.core.grounding.bundle import default_bundle_path
    from selcon_training.adapt.pipeline import AdaptPlan, adapt

    place = report or out.with_name(out.name.removesuffix(".zip") + "_report")
    check_destination(place, folder=True)
    plan = AdaptPlan(steps, folds, fold_steps, seed)
    result = adapt(
        photos, bundle or default_bundle_path(), out, place, negatives, name, plan, threads, objects
    )
    if as_json:
        click.echo(json.dumps(result, indent=2))
        return
    _print(result)
    click.echo(f"{out}: adapted; report: {place / 'report.html'}")
    click.echo(f"next: ros2 launch selcon_ros grounding.launch.py bundle:={out}")


def _print(result: dict[str, Any]) -> None:
    for label, count in result["ignored_labels"].items():
        click.echo(f"label {label} ({count} photos) is no action of the bundle: left out", err=True)
    rows = {"all photos": result["overall"], **result["actions"], "rendered samples": result["rendered"]}
    for name, sides in rows.items():
        changes = [
            f"{side} {100 * figures['right_part']:.0f} %"
            for side, figures in sides.items()
            if figures["right_part"] is not None
        ]
        click.echo(f"{name}: right part {', '.join(changes) or '-'} of {sides['before']['questions']}")
    click.echo(f"int8 {result['int8']}")
