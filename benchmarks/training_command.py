"""`python -m benchmarks training`: how long a training step takes."""

from pathlib import Path

import click

from benchmarks import TRAINING
from selcon_ros.bench.report import show
from selcon_ros.cli.paths import OUT_FILE, UserPath


@click.command()
@click.option(
    "--authors",
    type=UserPath(file_okay=False, exists=True),
    help="Clone of the paper's official repository, to be timed in turns with ours.",
)
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="auto: the GPU if there is one.",
)
@click.option(
    "--threads", type=click.IntRange(min=1), default=1, show_default=True, help="CPU threads of each process."
)
@click.option(
    "--rounds", type=click.IntRange(min=1), default=5, show_default=True, help="Turns that are counted."
)
@click.option("--out", type=OUT_FILE, help="Page to write this chapter into.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON in place of a table.")
def training(
    authors: Path | None, device: str, threads: int, rounds: int, out: Path | None, as_json: bool
) -> None:
    """Measure seconds and memory of a training step at the paper's size.

    With random weights and synthetic pictures: our step with encoders and on stored features, and that of the
    authors' code if --authors says where it lies (it needs its own libraries, such as fast-pytorch-kmeans).
    Leave the machine alone meanwhile; on a CPU it takes some minutes.

    \b
    Examples:
      python -m benchmarks training
      python -m benchmarks training --authors ~/SelectiveCL --out docs/benchmarks.md
    """
    from benchmarks.training import NOTES, measure_training
    from selcon_ros.bench.machine import facts
    from selcon_training.training.factory import training_device

    chosen = training_device(device).type
    rows, found = measure_training(chosen, threads, rounds, authors)
    show(rows, {**facts(), **found}, NOTES, TRAINING, out, as_json)
