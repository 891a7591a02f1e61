"""`python -m benchmarks paper-size`: all actions beside one, and a distilled student, at the paper's size."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from benchmarks import PAPER_SIZE
from benchmarks.paper_size import INPUT_SIZE, STUDENT, STUDENT_SIZE, paper_size_bundle, student_bundle
from selcon_ros.bench.report import ReportRow, show
from selcon_ros.cli.paths import OUT_FILE

CAMERA_SIZE = (480, 640)
NOTES = [
    "Paper-size network: DINO ViT-S/16 and CLIP ViT-B/16 at 224×224 with random weights. The time is from an "
    "image of that size to the maps, in ONNX Runtime, measured alternately.",
    f"Distilled student: {STUDENT} with the packaged model's decoder at {STUDENT_SIZE[1]}×{STUDENT_SIZE[0]}, "
    "random weights and the same 36 actions; both networks from a camera image of 640×480, alternately.",
]


@click.command("paper-size")
@click.option("--cores", type=click.IntRange(min=1), default=2, show_default=True, help="Cores to use.")
@click.option("--out", type=OUT_FILE, help="Page to write this chapter into.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON in place of a table.")
def paper_size(cores: int, out: Path | None, as_json: bool) -> None:
    """Measure the network of the paper's size: 36 actions against one, and a distilled student against it.

    \b
    Examples:
      python -m benchmarks paper-size
      python -m benchmarks paper-size --cores 4 --json
    """
    from selcon_ros.bench.machine import facts, use_cores

    use_cores(cores)
    show(_measure(), facts(), NOTES, PAPER_SIZE, out, as_json)


def _measure() -> list[ReportRow]:
    import numpy as np
    from rich.console import Console

    from selcon_ros.backends.onnxruntime import open_on_cpu
    from selcon_ros.backends.options import CpuOptions
    from selcon_ros.core.grounding.bundle import load_bundle
    from selcon_ros.core.machine.processor import usable_cores
    from selcon_ros.core.machine.timing import time_alternately

    options, draw = CpuOptions(usable_cores()), np.random.default_rng(0)
    frames, camera = (draw.integers(0, 256, (1, *size, 3), np.uint8) for size in (INPUT_SIZE, CAMERA_SIZE))
    console = Console(stderr=True)
    with console.status("network of the paper's size"), tempfile.TemporaryDirectory() as folder:
        paths = [paper_size_bundle(Path(folder) / str(count), count) for count in (36, 1)]
        paths.append(student_bundle(Path(folder) / "student"))
        every, one, student = (open_on_cpu(load_bundle(path), options) for path in paths)
        times = time_alternately(
            {"all": lambda: every.run(frames), "one": lambda: one.run(frames)}, rounds=5, runs=6
        )
        times |= time_alternately(
            {"paper": lambda: every.run(camera), "student": lambda: student.run(camera)}, rounds=5, runs=6
        )
    ms = {name: each.median for name, each in times.items()}
    return [
        ReportRow(
            "paper-size network: all 36 actions against one",
            ms["all"] / ms["one"],
            "",
            f"{ms['all']:.0f} ms against {ms['one']:.0f} ms",
            at_most=1.1,
        ),
        ReportRow(
            "distilled student against the paper-size network",
            ms["student"] / ms["paper"],
            "",
            f"{ms['student']:.1f} ms against {ms['paper']:.0f} ms",
            at_most=0.1,
        ),
    ]
