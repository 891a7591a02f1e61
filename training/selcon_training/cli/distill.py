"""`selcon distill`: teach a small network what a bundle answers, on pictures without labels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from selcon_ros.cli.options import FiniteRange, json_option, out_bundle_option, threads_option
from selcon_ros.cli.paths import OUT_FOLDER, UserPath
from selcon_ros.cli.start import INTERRUPTED_EXIT_CODE
from selcon_training.cli.options import divide_option, limit_option, samples_option, size_option, split_option


@click.command(short_help="Teach a small network what a bundle answers.")
@click.argument("teacher", type=UserPath(exists=True))
@click.argument("photos", type=UserPath(exists=True, file_okay=False))
@out_bundle_option
@click.option("--student", metavar="BACKBONE", help="timm's name of its backbone [tf_efficientnet_lite0].")
@click.option(
    "--weights",
    help="What the backbone starts from: pretrained, package:NAME or a file [random weights].",
)
@click.option("--from", "start", type=UserPath(exists=True), help="Convolutional bundle to start from.")
@size_option("Height and width of the student's input [240,320, or those of --from].")
@click.option("--epochs", type=click.IntRange(1), default=20, show_default=True, help="Passes over PHOTOS.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of orders and views.")
@click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change the training, as selcon train."
)
@click.option(
    "--max-kld",
    type=FiniteRange(0, min_open=True),
    default=0.3,
    show_default=True,
    help="Write no bundle where the KLD from the teacher is larger, on pictures held out.",
)
@click.option("--truth", type=UserPath(file_okay=False), help="Data set to measure both on as well.")
@divide_option
@split_option("valset")
@limit_option("pictures of --truth")
@samples_option
@click.option("--name", help="Name of the bundle [the teacher's, distilled].")
@click.option("--work", type=OUT_FOLDER, help="Folder of the training run [OUT with _work].")
@click.option("--report", type=OUT_FOLDER, help="Folder of the report [OUT with _report].")
@click.option("--resume", is_flag=True, help="Go on with the run in the folder of --work.")
@threads_option
@json_option
def command(
    teacher: Path,
    photos: Path,
    out: Path,
    student: str | None,
    weights: str | None,
    start: Path | None,
    size: tuple[int, int] | None,
    epochs: int,
    seed: int,
    overrides: tuple[str, ...],
    max_kld: float,
    truth: Path | None,
    divide: str | None,
    split: str,
    limit: int | None,
    samples: Path | None,
    name: str | None,
    work: Path | None,
    report: Path | None,
    resume: bool,
    threads: int | None,
    as_json: bool,
) -> None:
    """Teach a small convolutional network what the bundle TEACHER answers about PHOTOS, any pictures of the
    kind that the robot will see; they need no labels.

    The teacher is asked about every picture once. A tenth of the pictures is held out to measure on. Ctrl-C
    stops after the current step; --resume goes on exactly there.

    \b
    Examples:
      selcon distill bundles/agd20k photos --out bundles/fast --weights pretrained
      selcon distill bundles/agd20k photos --out bundles/fast --student mobilenetv3_small_100 --size 192,256
      selcon distill bundles/mine photos --out fast.zip --from bundles/base --truth data/mine --resume
    """
    from selcon_ros.core.files.atomic_write import check_destination
    from selcon_training.data.chosen_split import ChosenSplit
    from selcon_training.distill.pipeline import Places, distill
    from selcon_training.distill.plan import DistillPlan

    stem = out.name.removesuffix(".zip")
    places = Places(
        out, report or out.with_name(f"{stem}_report"), work or out.with_name(f"{stem}_work"), samples
    )
    for folder in (places.report, places.work):
        check_destination(folder, folder=True)
    plan = DistillPlan(student, weights, start, size, epochs, seed, threads, max_kld, name, overrides)
    asked = None if truth is None else ChosenSplit(truth, divide, split, limit)
    result = distill(teacher, photos, places, plan, asked, resume)
    if result is None:
        click.echo("stopped; go on with the same command and --resume")
        raise SystemExit(INTERRUPTED_EXIT_CODE)
    if as_json:
        click.echo(json.dumps(result, indent=2))
        return
    _print(result)
    click.echo(f"{out}: distilled; report: {places.report / 'report.html'}")
    click.echo(f"next: ros2 launch selcon_ros grounding.launch.py bundle:={out}")


def _print(result: dict[str, Any]) -> None:
    overall, time = result["overall"], result["time"]
    click.echo(
        f"on {result['held_out']} pictures held out: KLD from the teacher {overall['kld']:.3f}, confidences "
        f"agree in {100 * overall['agreement']:.1f} % of {overall['questions']} questions"
    )
    if result["truth"] is not None:
        sides = {side: result["truth"][side] for side in ("teacher", "student")}
        shares = [
            f"{side} {100 * found['right_part']:.1f} %, KLD {found['kld']:.3f}"
            for side, found in sides.items()
        ]
        click.echo(f"right part of {sides['student']['queries']} questions: {'; '.join(shares)}")
    ms = time["milliseconds"]
    click.echo(
        f"time with {time['threads']} threads: teacher {ms['teacher']:.1f} ms, student "
        f"{ms['student']:.1f} ms, ratio {time['ratio']:.3f}"
    )
