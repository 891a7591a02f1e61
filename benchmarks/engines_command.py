"""`python -m benchmarks engines`: every engine on this machine, side by side."""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmarks import ENGINES
from benchmarks.chapter import with_picture
from selcon_ros.bench.report import show
from selcon_ros.cli.options import bundles_option, turns_options
from selcon_ros.cli.paths import OUT_FILE, UserPath

if TYPE_CHECKING:
    from benchmarks.engines import Measured

PICTURE_PATH = Path("images", "engines.png")


@click.command()
@bundles_option
@click.option(
    "--paper-size/--no-paper-size",
    default=None,
    help="The network of the paper's size too; needs the train extra  [default: if it is there]",
)
@click.option(
    "--authors",
    type=UserPath(file_okay=False, exists=True),
    help="Clone of the paper's official repository, to be timed in turns with ours.",
)
@turns_options(runs="Runs in each turn and batch.")
@click.option(
    "--out",
    type=OUT_FILE,
    help=f"Page to write this chapter into; its picture goes to {PICTURE_PATH} beside it.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON in place of tables.")
def engines(
    bundles: tuple[Path, ...],
    paper_size: bool | None,
    authors: Path | None,
    threads: int | None,
    rounds: int,
    runs: int,
    cache: Path | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Measure every engine in every precision: latency, throughput, memory, accuracy.

    What does not run here is a row that says why. Engines of a GPU that are not built yet are built first,
    which takes minutes. Leave the machine alone meanwhile.

    \b
    Examples:
      python -m benchmarks engines
      python -m benchmarks engines --bundle bundles/mine --no-paper-size
      python -m benchmarks engines --authors ~/SelectiveCL --out docs/benchmarks.md
    """
    from benchmarks.engines import EnginesPlan, measure_engines
    from benchmarks.engines_report import as_data, engine_rows, notes, tables
    from selcon_ros.bench.machine import facts, gpu_name
    from selcon_ros.core.grounding.bundle import default_bundle_path
    from selcon_ros.core.machine.processor import usable_cores

    if paper_size is None:
        paper_size = all(find_spec(name) for name in ("torch", "open_clip", "timm", "selcon_training"))
        if not paper_size:
            click.echo("paper-size network: not measured, it needs the train extra", err=True)
    cores = usable_cores()
    load = f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    plan = EnginesPlan(threads or cores, rounds, runs, authors, cache)
    found = measure_engines(list(bundles) or [default_bundle_path()], paper_size, plan)
    machine = {**facts(), "threads": str(plan.threads), "load of other programs before": load}
    picture = None
    if out is not None:
        picture = _draw(found, machine, out.parent / PICTURE_PATH)
    show(
        engine_rows(found, gpu_name()), machine, notes(found), with_picture(ENGINES, picture), out, as_json,
        tables(found), {"engines": as_data(found)},
    )  # fmt: skip


def _draw(found: list["Measured"], machine: dict[str, str], out: Path) -> str | None:
    """Return the link to the picture, None where it cannot be drawn."""
    if find_spec("matplotlib") is None:
        click.echo("no picture: that needs matplotlib, which the train extra brings", err=True)
        return None
    from benchmarks.engines_plot import plot

    gpu = f" and {machine['GPU']}" if machine["GPU"] != "none" else ""
    plot(found, f"{machine['CPU']} ({machine['threads']} threads){gpu}", out)
    return PICTURE_PATH.as_posix()
