"""The paper-size network on a GPU in less than six minutes: `python -m benchmarks gpu`.

It needs torch, timm, onnx and onnxruntime beside what a robot has, and makes all else: the network has random
weights. A part that fails, or takes too long, is told as that, and the others are measured.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from selcon_ros.cli.paths import OUT_FOLDER, UserPath
from selcon_ros.core.machine.processor import usable_cores

if TYPE_CHECKING:
    from benchmarks.gpu_parts import GpuTask
    from benchmarks.worker import Worker

PART_SECONDS = {
    "device": 8, "error": 10, "eager": 20, "graph": 25, "compiled": 50, "authors": 20, "training": 60,
    "compiled_large": 60, "backend": 40, "onnxruntime": 20,
}  # fmt: skip
"""About how long each part takes on a GPU at the paper's size, with all that it prepares (estimates: none was
run on one); in the order in which they are measured, what matters most first."""
PREPARED_BY = {"authors": ("compiled", 25), "onnxruntime": ("backend", 20)}
"""What a part finds prepared by another, and how many seconds more it takes where that is left out."""
TIME_FACTORS = {("cuda", "paper"): 1.0, ("cuda", "tiny"): 0.5, ("cpu", "paper"): 10.0, ("cpu", "tiny"): 0.5}
"""How many times as long they take otherwise."""
START_SECONDS = 15.0
"""Seconds until a process can measure."""
TIMING_SECONDS = {"cuda": 0.5, "cpu": 0.05}
"""Seconds of each timing."""
BATCHES = {"cuda": (1, 4, 16, 64), "cpu": (1, 4)}


@dataclass
class GpuResults:
    """What was measured so far: results and what was not measured and why, by part."""

    results: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)


def plan(parts: Iterable[str], seconds: float, slower: float = 1.0) -> tuple[list[str], list[str]]:
    """Return the parts that fit into so many seconds, in their order, and those left out, the largest
    first."""
    kept, left_out = list(parts), list[str]()
    while kept and START_SECONDS + slower * cost(kept) > seconds:
        left_out.append(max(kept, key=lambda each: PART_SECONDS[each]))
        kept.remove(left_out[-1])
    return kept, left_out


def cost(parts: Collection[str]) -> float:
    """Return about how many seconds parts take together on a GPU at the paper's size."""
    unprepared = [more for name, (other, more) in PREPARED_BY.items() if name in parts and other not in parts]
    return sum(PART_SECONDS[each] for each in parts) + sum(unprepared)


@click.command()
@click.option(
    "--authors",
    type=UserPath(file_okay=False, exists=True),
    help="Clone of the paper's official repository, to be timed in turns with ours.",
)
@click.option("--out", type=OUT_FOLDER, default="gpu_benchmark", show_default=True, help="Folder to write.")
@click.option(
    "--minutes",
    type=click.FloatRange(min=0, min_open=True),
    default=5.5,
    show_default=True,
    help="Most time to take; the largest parts are left out first.",
)
@click.option(
    "--part",
    "parts",
    multiple=True,
    type=click.Choice(tuple(PART_SECONDS)),
    help="Only this part; may be repeated.",
)
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="auto: the GPU if there is one.",
)
@click.option(
    "--size",
    type=click.Choice(["paper", "tiny"]),
    default="paper",
    show_default=True,
    help="tiny: a small network, to see whether all of it runs.",
)
def gpu(
    authors: Path | None, out: Path, minutes: float, parts: tuple[str, ...], device: str, size: str
) -> None:
    """Measure the paper-size network on a GPU: error, latency, images a second, training.

    Results are written to the folder --out as soon as they are there: gpu.json, gpu.md, and gpu.png where
    matplotlib is installed.

    \b
    Examples:
      python -m benchmarks gpu
      python -m benchmarks gpu --authors ~/SelectiveCL --minutes 3 --out results
      python -m benchmarks gpu --device cpu --size tiny --part error --part eager
    """
    import torch

    from benchmarks.gpu_parts import GpuTask
    from benchmarks.gpu_report import write

    end = time.monotonic() + 60 * minutes
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    clone = None if authors is None else str(authors.resolve())
    task = GpuTask(device, size, BATCHES[device], TIMING_SECONDS[device], clone)
    slower = TIME_FACTORS[device, size]
    chosen = [each for each in PART_SECONDS if not parts or each in ("device", *parts)]
    wanted, left_out = plan(chosen, 60 * minutes, slower)
    found = GpuResults(missing={each: f"left out for --minutes {minutes:g}" for each in left_out})
    write(out, task, found)
    for part in left_out:
        click.echo(f"{part}: {found.missing[part]}", err=True)
    measure(task, wanted, end, found, lambda: write(out, task, found))
    click.echo((out / "gpu.md").read_text(encoding="utf-8"))


def measure(task: GpuTask, parts: list[str], end: float, found: GpuResults, save: Callable[[], None]) -> None:
    """Measure parts until the monotonic time `end`, and `save` after each result."""
    left = list(parts)
    while left:
        with _worker(task, end) as (worker, over):
            while left:
                part, begin = left.pop(0), time.monotonic()
                click.echo(f"{part} …", err=True)
                ended = _measure_part(worker, over, part, found, save)
                found.seconds[part] = time.monotonic() - begin
                save()
                if not ended:
                    break
        if time.monotonic() >= end:
            for part in left:
                found.missing[part] = "the time of --minutes was over"
            left = []
            save()


def _measure_part(
    worker: Worker, over: threading.Event, part: str, found: GpuResults, save: Callable[[], None]
) -> bool:
    """Return whether the process is of further use."""
    from benchmarks.worker import BenchWorkerError

    results = found.results.setdefault(part, [])
    try:
        answer = worker.ask(part)
        while "end" not in answer:
            results.append(answer["result"])
            save()
            answer = worker.answer()
    except BenchWorkerError as error:
        found.missing[part] = "stopped when the time of --minutes was over" if over.is_set() else str(error)
        return False
    if answer["end"]:
        found.missing[part] = answer["end"]
    return True


@contextlib.contextmanager
def _worker(task: GpuTask, end: float) -> Iterator[tuple[Worker, threading.Event]]:
    """A measuring process that is killed at `end`, which the event then says."""
    import tempfile

    from benchmarks.worker import Worker, start

    over = threading.Event()
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        # What is small is computed by one thread: others would wait for each other most of the time.
        threads = 1 if task.size == "tiny" else usable_cores()
        process = start("gpu_worker", [task.to_json()], threads, task.device == "cuda", log)

        def stop() -> None:
            over.set()
            process.kill()

        timer = threading.Timer(max(0.0, end - time.monotonic()), stop)
        timer.start()
        try:
            with Worker("gpu", process, log) as worker:
                yield worker, over
        finally:
            timer.cancel()
