"""`selcon quantize`: an int8 graph for CPUs, measured against fp32."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from selcon_ros.cli.options import json_option, out_bundle_option, threads_option
from selcon_ros.cli.paths import UserPath


@click.command(short_help="Add an int8 graph for CPUs to a bundle.")
@click.argument("bundle", type=UserPath())
@click.argument("pictures", type=UserPath(), required=False)
@click.option(
    "--calibrate",
    type=UserPath(),
    metavar="FOLDER",
    help="Take the scales of convolutions from up to 256 pictures below it too.",
)
@out_bundle_option
@click.option(
    "--limit",
    type=click.IntRange(1),
    default=64,
    show_default=True,
    help="Measure on at most this many of the pictures, evenly spread.",
)
@click.option(
    "--tolerance",
    type=click.FloatRange(0, min_open=True),
    default=0.01,
    show_default=True,
    help="Mean KLD from fp32 above which nothing is written.",
)
@threads_option
@json_option
def command(
    bundle: Path,
    pictures: Path | None,
    calibrate: Path | None,
    out: Path,
    limit: int,
    tolerance: float,
    threads: int | None,
    as_json: bool,
) -> None:
    """Give BUNDLE an int8 graph, which the node then runs (parameter precision), if it answers as fp32 does.

    Both are asked for every action in PICTURES, a folder with pictures like those that the robot will see (by
    default in the few samples that the bundle brings): how far heatmaps and grasp points move is printed and
    kept in the manifest. Whether int8 is faster depends on the network and the CPU, so its time is measured
    here too.

    Matrix products, as in transformers, scale what they are given as it comes. A network of convolutions has
    fixed scales: they are taken from the bundle's samples and, with --calibrate, from pictures of your own,
    rendered ones and real ones, which should not be among PICTURES.

    \b
    Examples:
      selcon quantize bundles/mine /data/mine/valset/egocentric --out bundles/mine_int8
      selcon quantize my_bundle.zip photos --out int8.zip --limit 200 --json
      selcon quantize bundles/mine photos/test --calibrate photos/train --out bundles/mine_int8
    """
    from selcon_training.export.quantization import quantize

    manifest, found = quantize(bundle, pictures, out, limit, tolerance, threads, calibrate)
    agreement, time_ratio = found.agreement, found.time_ratio
    if as_json:
        record = {"name": manifest.name, **asdict(agreement), "time_ratio": time_ratio}
        click.echo(json.dumps(record, indent=2))
        return
    click.echo(f"from fp32, {len(manifest.actions)} actions in {agreement.images} pictures: {agreement}")
    if pictures is None:
        count = agreement.images
        click.echo(f"these are the bundle's {count} samples: PICTURES, 64 or more of them, say more")
    if found.calibrated:
        same = ", the same ones" if pictures is None and found.calibrated == agreement.images else ""
        click.echo(f"scales from {found.calibrated} pictures{same}")
    elif calibrate is not None:
        click.echo("--calibrate changes nothing here: matrix products need no fixed scales", err=True)
    click.echo(f"time: {time_ratio:.2f} of fp32 on this machine")
    if time_ratio > 0.9:
        click.echo("int8 gains little or nothing here: the fp32 bundle is the better choice", err=True)
    click.echo(f"{out}: {manifest.name} with an int8 graph; the node takes it (precision: auto)")
