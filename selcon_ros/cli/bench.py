"""`selcon bench`: how fast this machine is."""

from importlib.util import find_spec
from pathlib import Path

import click
from click.core import ParameterSource

from selcon_ros.bench.report import SPEED
from selcon_ros.cli.bench_engines import engines
from selcon_ros.cli.bench_report import show
from selcon_ros.cli.bench_training import training
from selcon_ros.cli.destination import OUT_FILE
from selcon_ros.cli.paths import UserPath

_FOLDER = UserPath(file_okay=False, exists=True)


@click.group(invoke_without_command=True)
@click.pass_context
@click.option("--out", type=OUT_FILE, help="Write the report here (Markdown).")
@click.option("--bundle", type=UserPath(exists=True), help="Model bundle  [default: the packaged one]")
@click.option("--recording", type=_FOLDER, help="What the camera plays  [default: the packaged one]")
@click.option(
    "--cores", type=click.IntRange(min=1), default=2, show_default=True, help="Cores for all processes."
)
@click.option(
    "--rate", type=click.FloatRange(min=0, min_open=True), default=30.0, show_default=True, help="Camera, Hz."
)
@click.option(
    "--seconds", type=click.FloatRange(min=1), default=20.0, show_default=True, help="Per measurement."
)
@click.option(
    "--paper-size/--no-paper-size", default=None, help="Needs the train extra  [default: if it is there]"
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON in place of a table.")
def command(
    ctx: click.Context,
    out: Path | None,
    bundle: Path | None,
    recording: Path | None,
    cores: int,
    rate: float,
    seconds: float,
    paper_size: bool | None,
    as_json: bool,
) -> None:
    """Measure camera-to-heatmap latency of the real node, and what all actions cost beside one.

    Leave the machine alone meanwhile. Targets are for two cores of a present-day CPU.

    \b
    Examples:
      selcon bench
      selcon bench --out docs/benchmarks.md --cores 4
      selcon bench engines --out docs/benchmarks.md
      selcon bench training --authors ~/SelectiveCL
    """
    if ctx.invoked_subcommand is not None:
        given = [name for name in ctx.params if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE]
        if given:
            option = given[0].replace("_", "-")
            raise click.UsageError(f"--{option} goes after '{ctx.invoked_subcommand}', if it has that")
        return
    from selcon_ros.bench.machine import facts
    from selcon_ros.bench.run import measure
    from selcon_ros.core.bundle import default_bundle_path
    from selcon_ros.recording import default_recording

    if paper_size is None:
        paper_size = all(find_spec(name) for name in ("torch", "open_clip", "timm", "selcon_training"))
        if not paper_size:
            click.echo("paper-size network: not measured, it needs the train extra", err=True)
    rows, notes = measure(
        bundle or default_bundle_path(), recording or default_recording(), cores, rate, seconds, paper_size
    )
    show(rows, facts(), notes, SPEED, out, as_json)


command.add_command(engines)
command.add_command(training)
