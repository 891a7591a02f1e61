"""`python -m benchmarks paper-size`: what all actions cost beside one, at the paper's size."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import click

from benchmarks import PAPER_SIZE
from selcon_ros.bench.report import ReportRow
from selcon_ros.cli.bench_report import show
from selcon_ros.cli.paths import OUT_FILE

NOTES = [
    "Paper-size network: DINO ViT-S/16 and CLIP ViT-B/16 at 224×224 with random weights. The time is from an "
    "image of that size to the maps, in ONNX Runtime, measured alternately.",
]


@click.command("paper-size")
@click.option("--cores", type=click.IntRange(min=1), default=2, show_default=True, help="Cores to use.")
@click.option("--out", type=OUT_FILE, help="Page to write this chapter into.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON in place of a table.")
def paper_size(cores: int, out: Path | None, as_json: bool) -> None:
    """Measure the network of the paper's size with 36 actions against one.

    \b
    Examples:
      python -m benchmarks paper-size
      python -m benchmarks paper-size --cores 4 --json
    """
    from selcon_ros.bench.machine import facts, use_cores

    use_cores(cores)
    show([_measure()], facts(), NOTES, PAPER_SIZE, out, as_json)


def _measure() -> ReportRow:
    import numpy as np
    from rich.console import Console

    from benchmarks.paper_size import INPUT_SIZE, paper_size_bundle
    from selcon_ros.backends.onnxruntime import open_on_cpu
    from selcon_ros.backends.options import CpuOptions
    from selcon_ros.core.bundle import load_bundle
    from selcon_ros.core.timing import time_alternately

    options = CpuOptions(len(os.sched_getaffinity(0)))
    frames = np.random.default_rng(0).integers(0, 256, (1, *INPUT_SIZE, 3), np.uint8)
    console = Console(stderr=True)
    with console.status("network of the paper's size"), tempfile.TemporaryDirectory() as folder:
        paths = (paper_size_bundle(Path(folder) / str(count), count) for count in (36, 1))
        every, one = (open_on_cpu(load_bundle(path), options) for path in paths)
        times = time_alternately(
            {"all": lambda: every.run(frames), "one": lambda: one.run(frames)}, rounds=5, runs=6
        )
    return ReportRow(
        "paper-size network: all 36 actions against one",
        times["all"].median / times["one"].median,
        "",
        f"{times['all'].median:.0f} ms against {times['one'].median:.0f} ms",
        at_most=1.1,
    )
