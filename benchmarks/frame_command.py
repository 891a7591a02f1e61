"""`python -m benchmarks frame`: a frame's way through the node, beside that of an earlier version."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmarks import FRAME
from benchmarks.chapter import with_picture
from selcon_ros.bench.report import show
from selcon_ros.cli.paths import OUT_FILE, UserPath

if TYPE_CHECKING:
    from benchmarks.frame import MeasuredVersion

PICTURE_PATH = Path("images", "frame_budget.png")


@click.command()
@click.option(
    "--baseline",
    "python",
    type=UserPath(exists=True, dir_okay=False),
    required=True,
    help="Python of an environment in which an earlier version is installed.",
)
@click.option("--name", default="before", show_default=True, help="What the earlier version is called.")
@click.option("--bundle", type=UserPath(exists=True), help="Bundle to run  [default: the earlier version's]")
@click.option("--rounds", type=click.IntRange(min=1), default=3, show_default=True, help="Of the node.")
@click.option(
    "--seconds",
    type=click.FloatRange(min=1),
    default=10.0,
    show_default=True,
    help="Of each node, a round.",
)
@click.option("--rate", type=click.FloatRange(min=1), default=30.0, show_default=True, help="Camera, Hz.")
@click.option("--blocks", type=click.IntRange(min=1), default=6, show_default=True, help="Of the rest.")
@click.option("--cores", type=click.IntRange(min=1), default=2, show_default=True, help="Cores to use.")
@click.option(
    "--out",
    type=OUT_FILE,
    help=f"Page to write this chapter into; its picture goes to {PICTURE_PATH} beside it.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON in place of tables.")
def frame(
    python: Path,
    name: str,
    bundle: Path | None,
    rounds: int,
    seconds: float,
    rate: float,
    blocks: int,
    cores: int,
    out: Path | None,
    as_json: bool,
) -> None:
    """Measure the node and what it is made of, in turns with an earlier version.

    Both need ROS, rosbags and ONNX Runtime. It takes about eight minutes. Leave the machine alone meanwhile.

    \b
    Examples:
      python -m benchmarks frame --baseline ~/former/.venv/bin/python --name 44d5d0d
      python -m benchmarks frame --baseline ~/former/.venv/bin/python --name 44d5d0d --out docs/benchmarks.md
    """
    from rich.console import Console

    from benchmarks.frame import FramePlan, libraries_memory, measure
    from benchmarks.frame_report import as_data, frame_rows, notes, tables
    from benchmarks.versions import baseline
    from selcon_ros.bench.machine import facts, use_cores

    load = f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    use_cores(cores)
    former = baseline(python, name)
    plan = FramePlan(rounds, seconds, rate, blocks)
    with Console(stderr=True).status("starting") as status:
        before, now = measure(former, bundle or former.bundle, plan, status.update)
        libraries = libraries_memory()
    machine = {**facts(), "load of other programs before": load}
    picture = None if out is None else _draw([before, now], rate, machine, out.parent / PICTURE_PATH)
    show(
        frame_rows(before, now, plan, libraries), machine, notes(before, plan), with_picture(FRAME, picture),
        out, as_json, tables([before, now]), {"versions": as_data([before, now])},
    )  # fmt: skip


def _draw(found: list[MeasuredVersion], rate: float, machine: dict[str, str], out: Path) -> str | None:
    """Return the link to the picture, None where it cannot be drawn."""
    if find_spec("matplotlib") is None:
        click.echo("no picture: that needs matplotlib, which the train extra brings", err=True)
        return None
    from benchmarks.frame_plot import plot

    plot(found, rate, f"{machine['CPU']}, {machine['cores used']} cores", out)
    return PICTURE_PATH.as_posix()
