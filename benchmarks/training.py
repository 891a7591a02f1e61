"""Seconds a training step, ours and the authors', in one run: `python -m benchmarks training`."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console

from benchmarks.worker import BenchWorkerError, Worker, start
from selcon_ros.bench.report import ReportRow

SEEN_STEPS = 37_620
"""15 epochs over the 20,061 exocentric images of AGD20K Seen in batches of 8."""
TITLES = {
    "encoders": "ours, with encoders",
    "stored": "ours, on stored features",
    "authors": "the authors' code",
}
NOTES = [
    "A step is one batch of 8 egocentric and 24 exocentric images at 224×224: DINO ViT-S/16 and CLIP "
    "ViT-B/16 (random weights), 36 actions, all losses, backward pass, optimiser. The pictures are "
    "synthetic and are decoded before. On stored features, the time to read them is included.",
    "The authors' code is their published repository, imported unchanged from a clone, with random weights "
    "instead of downloads. A step is one call of their network, the backward pass and their optimiser.",
    "Each kind of step runs in its own process. The processes are measured alternately, and the medians "
    "leave out the warm-up. On a CPU with one thread, CPU time is counted, so that other programs have less"
    " influence; otherwise wall-clock time.",
    "Hours: 37,620 steps, which are the 15 epochs of AGD20K Seen. Memory: the peak of the process (CPU), or"
    " the peak that torch allocated (GPU).",
]


@dataclass
class Steps(Worker):
    """A process that does steps of one kind."""

    seconds: list[float] = field(default_factory=list)
    peak_bytes: int = 0

    def run(self, steps: int, count: bool = True) -> None:
        """Do steps; `count` keeps their times."""
        answer = self.ask(str(steps))
        if count:
            self.seconds += answer["seconds"]
        self.peak_bytes = answer["peak_bytes"]

    @property
    def median(self) -> float:
        return float(np.median(self.seconds))


def measure_training(
    device: str, threads: int, rounds: int, clone: Path | None
) -> tuple[list[ReportRow], dict[str, str]]:
    """Time all kinds of step on `device` ("cpu" or "cuda"), in turns; return rows and facts of the report.

    clone: the authors' repository, or None. A kind that does not run here is a row that says why.
    """
    console = Console(stderr=True)
    warm_up, steps = (1, 1) if device == "cpu" else (20, 20)
    missing: dict[str, str] = {} if clone else {"authors": "give a clone of their repository: --authors"}
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        draw_pictures(folder)
        workers: dict[str, Steps] = {}
        for kind in TITLES:
            if kind in missing:
                continue
            with console.status(f"{TITLES[kind]}: building, first steps"):
                worker = stack.enter_context(_start(kind, folder, device, threads, clone))
                try:
                    worker.answer()
                    worker.run(warm_up, count=False)
                except BenchWorkerError as error:
                    if kind != "authors":
                        raise
                    missing[kind] = f"it does not run here: {error}"
                    continue
            workers[kind] = worker
        for number in range(rounds):
            for kind, worker in workers.items():
                with console.status(f"round {number + 1} of {rounds}: {TITLES[kind]}"):
                    worker.run(steps)
    return _rows(workers, missing, device), _facts(device, threads)


def draw_pictures(folder: Path) -> None:
    """Write a data set in AGD20K's layout: one 500×400 picture of each view for every Seen action."""
    from selcon_ros.core.pictures.picture_files import write_image
    from selcon_training.data.published_sets import CLASS_LISTS

    rng = np.random.default_rng(0)
    for view in ("exocentric", "egocentric"):
        for action in CLASS_LISTS["seen"]:
            path = folder / "trainset" / view / action / "thing" / "0.jpg"
            picture = cv2.resize(rng.integers(0, 256, (25, 20, 3), np.uint8), (500, 400))
            write_image(path, np.asarray(picture, np.uint8))


def _start(kind: str, folder: Path, device: str, threads: int, clone: Path | None) -> Steps:
    log = folder / f"{kind}.log"
    arguments = [kind, str(folder), device, str(threads), str((clone or Path()).resolve())]
    return Steps(kind, start("training_worker", arguments, threads, device == "cuda", log), log)


def _rows(workers: dict[str, Steps], missing: dict[str, str], device: str) -> list[ReportRow]:
    where = {"cpu": "CPU", "cuda": "GPU"}[device]
    rows = []
    for kind, title in TITLES.items():
        what = f"{where}, {title}: a step at batch 8"
        if kind in missing:
            rows.append(ReportRow(what, None, "s", missing[kind]))
            continue
        worker = workers[kind]
        hours = worker.median * SEEN_STEPS / 3600
        peak = f"peak {worker.peak_bytes / 1e9:.1f} GB"
        detail = f"{len(worker.seconds)} steps; AGD20K Seen {hours:.3g} h; {peak}"
        rows.append(ReportRow(what, worker.median, "s", detail))
    limits = {"encoders": 0.75, "stored": 0.1} if device == "cpu" else {"encoders": 0.1, "stored": None}
    for kind, limit in limits.items():
        what = f"{where}, {TITLES[kind]} against the authors' code"
        if "authors" in missing:
            rows.append(ReportRow(what, None, "", "their code was not measured", at_most=limit))
        else:
            ours, theirs = workers[kind].median, workers["authors"].median
            rows.append(
                ReportRow(what, ours / theirs, "", f"{ours:.3g} s against {theirs:.3g} s", at_most=limit)
            )
    minutes = "GPU: the whole schedule of AGD20K Seen with encoders"
    if device == "cuda":
        rows.append(ReportRow(minutes, workers["encoders"].median * SEEN_STEPS / 60, "min", at_most=10))
    else:
        rows += [
            ReportRow(
                "GPU, ours with encoders against the authors' code", None, "", "no GPU here", at_most=0.1
            ),
            ReportRow(minutes, None, "min", "no GPU here", at_most=10),
        ]
    return rows


def _facts(device: str, threads: int) -> dict[str, str]:
    import torch

    gpu = torch.cuda.get_device_name() if device == "cuda" else "not used"
    return {"GPU": gpu, "threads": str(threads)}
