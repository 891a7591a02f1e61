"""`selcon bench`: how fast this machine is."""

from dataclasses import asdict
from pathlib import Path

import click
from click.core import ParameterSource

from selcon_ros.bench.report import ENGINES, SPEED, show
from selcon_ros.cli.options import bundle_option, bundles_option, turns_options
from selcon_ros.cli.paths import OUT_FILE, UserPath

_FOLDER = UserPath(file_okay=False, exists=True)
MOVED_MESSAGE = "is measured in a clone of the repository: python -m benchmarks"


@click.group(invoke_without_command=True)
@click.pass_context
@click.option("--out", type=OUT_FILE, help="Write the report here (Markdown).")
@bundle_option
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
@click.option("--paper-size/--no-paper-size", default=False, hidden=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON in place of a table.")
def command(
    ctx: click.Context,
    out: Path | None,
    bundle: Path | None,
    recording: Path | None,
    cores: int,
    rate: float,
    seconds: float,
    paper_size: bool,
    as_json: bool,
) -> None:
    """Measure camera-to-heatmap latency of the real node, and what all actions cost beside one.

    Leave the machine alone meanwhile. Targets are for two cores of a present-day CPU.

    \b
    Examples:
      selcon bench
      selcon bench --out docs/benchmarks.md --cores 4
      selcon bench engines
    """
    if ctx.invoked_subcommand is not None:
        given = [name for name in ctx.params if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE]
        if given:
            option = given[0].replace("_", "-")
            raise click.UsageError(f"--{option} goes after '{ctx.invoked_subcommand}', if it has that")
        return
    if paper_size:
        raise click.UsageError(f"the paper-size network {MOVED_MESSAGE} paper-size")
    from selcon_ros.bench.machine import facts
    from selcon_ros.bench.measurements import NOTES, measure
    from selcon_ros.core.grounding.bundle import default_bundle_path
    from selcon_ros.recording import default_recording

    rows = measure(bundle or default_bundle_path(), recording or default_recording(), cores, rate, seconds)
    show(rows, facts(), NOTES, SPEED, out, as_json)


@command.command()
@bundles_option
@turns_options(runs="Runs in each turn.")
@click.option("--out", type=OUT_FILE, help="Page to write this chapter into.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON in place of tables.")
@click.option("--paper-size/--no-paper-size", default=False, hidden=True)
@click.option("--authors", type=UserPath(), hidden=True)
def engines(
    bundles: tuple[Path, ...],
    threads: int | None,
    rounds: int,
    runs: int,
    cache: Path | None,
    out: Path | None,
    as_json: bool,
    paper_size: bool,
    authors: Path | None,
) -> None:
    """Measure every engine in every precision: latency, throughput, agreement with fp32.

    What does not run here is a row that says why. Engines of a GPU that are not built yet are built first,
    which takes minutes. Leave the machine alone meanwhile.

    \b
    Examples:
      selcon bench engines
      selcon bench engines --bundle bundles/mine --threads 1 --json
    """
    if paper_size or authors is not None:
        raise click.UsageError(f"what --paper-size and --authors ask for {MOVED_MESSAGE} engines")
    from rich.console import Console

    from selcon_ros.backends.options import CpuOptions, GpuOptions
    from selcon_ros.bench.engines import NOTES, measure_engines, table
    from selcon_ros.bench.machine import facts
    from selcon_ros.core.grounding.bundle import default_bundle_path
    from selcon_ros.core.machine.processor import usable_cores

    threads = threads or usable_cores()
    cpu, gpu = CpuOptions(threads), GpuOptions(build=True, cache=cache)
    with Console(stderr=True).status("opening") as status:
        found = [
            measure_engines(path, rounds, runs, cpu, gpu, status.update)
            for path in bundles or (default_bundle_path(),)
        ]
    machine = {**facts(), "threads": str(threads)}
    data = {"engines": [asdict(each) for of_bundle in found for each in of_bundle]}
    show([], machine, NOTES, ENGINES, out, as_json, [table(each) for each in found], data=data)


@command.command(hidden=True, context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def training(arguments: tuple[str, ...]) -> None:
    """Say where training steps are measured."""
    raise click.UsageError(f"a training step {MOVED_MESSAGE} training")
