"""All engines side by side on one machine: `python -m benchmarks engines`."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from benchmarks.accuracy import Accuracy, Judge, read_maps
from benchmarks.engine_worker import MATRIX_SIDES
from benchmarks.flops import count_flops
from benchmarks.paper_size import NAME, paper_size_bundle
from benchmarks.subjects import Measurement, Subject, missing, products, subjects
from benchmarks.usage import gpu_memory
from benchmarks.worker import BenchWorkerError, Worker, start
from selcon_ros.backends.cuda import has_gpu
from selcon_ros.core.errors import SelconError
from selcon_ros.core.grounding.bundle import load_bundle
from selcon_ros.core.machine.timing import Times
from selcon_ros.engines.bundle_graph import takes_batches


@dataclass(frozen=True)
class Measured:
    """A subject on a bundle with `batch` images at once, or why it was not measured.

    times: of a batch, from camera images to maps; memory: bytes, of the process or on the GPU; accuracy: None
    for other weights and where `remark` says why; share: of the device's measured peak, 0..1.
    """

    bundle: str
    subject: Subject
    batch: int
    times: Times | None = None
    memory: int | None = None
    accuracy: Accuracy | None = None
    remark: str = ""
    share: float | None = None
    engine: str = ""
    reason: str = ""

    @property
    def rate(self) -> float | None:
        """Images a second."""
        return 1e3 * self.batch / self.times.median if self.times else None


@dataclass
class _Timed(Worker):
    """A measuring process of a task, with what it answered for each batch."""

    task: Measurement
    engine: str = ""
    milliseconds: dict[int, list[float]] = field(default_factory=dict)
    memory: dict[int, int | None] = field(default_factory=dict)
    failure: str = ""

    def time(self, batch: int, runs: int) -> list[float]:
        answer = self.ask(json.dumps(["time", batch, runs]))
        if self.task.subject.device == "cpu":
            self.memory[batch] = answer["bytes"]
        milliseconds: list[float] = answer["milliseconds"]
        return milliseconds


@dataclass(frozen=True)
class EnginesPlan:
    """How to measure: threads on the CPU, blocks of each subject and runs in each, the authors' clone and the
    folder of engines (None: the user's)."""

    threads: int
    rounds: int
    runs: int
    clone: Path | None = None
    cache: Path | None = None


def measure_engines(bundles: list[Path], paper_size: bool, plan: EnginesPlan) -> list[Measured]:
    """Measure every subject on the bundles, and on the network of the paper's size.

    Raises SelconError for a bad bundle. A subject that does not run here is measured as that.
    """
    found: list[Measured] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        todo = [(path, False) for path in bundles]
        if paper_size:
            with Console(stderr=True).status("making the network of the paper's size"):
                todo.append((paper_size_bundle(folder / NAME, int8=True), True))
        for path, paper in todo:
            with _progress() as progress:
                found += _measure_bundle(path, paper, plan, folder, progress)
    return found


def _measure_bundle(
    path: Path, paper: bool, plan: EnginesPlan, folder: Path, progress: Progress
) -> list[Measured]:
    bundle = load_bundle(path, roles=("model",))
    name, flops, several = bundle.manifest.name, count_flops(bundle.model), takes_batches(bundle)
    gpu = has_gpu()
    wanted = subjects(paper, gpu)
    reasons = {each: missing(each, gpu, plan.clone) for each in wanted}
    able = [each for each in wanted if reasons[each] is None]
    clone, cache = (str(each.resolve()) if each else None for each in (plan.clone, plan.cache))
    tasks = [
        Measurement(each, str(path.resolve()), batches, several, plan.threads, clone, cache)
        for each in [*able, *products(able)]
        for batches in each.batches
    ]
    found = [Measured(name, each, 1, reason=reason) for each, reason in reasons.items() if reason]
    judge = Judge(path)
    with ExitStack() as stack:
        workers: list[_Timed] = []
        bar = progress.add_task(f"{name}: opening", total=len(tasks))
        for task in tasks:
            label = f"{name}: opening {task.subject.title} {task.subject.precision}"

            def tell(phase: str, share: float, label: str = label) -> None:
                progress.update(bar, description=f"{label}: {phase} {100 * share:.0f} %")

            progress.update(bar, description=label)
            try:
                workers.append(_start(task, folder, stack, tell))
            except BenchWorkerError as error:
                # The page tells of the bundle, not of where it lay.
                reason = str(error).replace(task.bundle, name)
                found.append(Measured(name, task.subject, task.batches[0], reason=reason))
            progress.advance(bar)
        progress.remove_task(bar)
        _take_turns(workers, plan, progress, name)
        timed = [each for worker in workers for each in _results(worker, name, folder, judge)]
    peaks = {
        (device, each.subject.precision): 2e3 * MATRIX_SIDES[device] ** 3 / each.times.median
        for each in timed
        if each.subject.kind == "product" and each.times and (device := each.subject.device)
    }
    found += [_with_share(each, flops, peaks) for each in timed if each.subject.kind != "product"]
    order = {each: index for index, each in enumerate(wanted)}
    return sorted(
        (each for each in found if each.subject in order), key=lambda each: (order[each.subject], each.batch)
    )


def _start(task: Measurement, folder: Path, stack: ExitStack, tell: Callable[[str, float], None]) -> _Timed:
    """Start a process and run it once with each number of images, the smallest first."""
    subject = task.subject
    on_gpu = subject.device == "cuda"
    before = gpu_memory() if on_gpu else None
    about = (subject.kind, subject.backend, subject.precision, subject.device, task.batches[0])
    log = folder / f"{'-'.join(map(str, about))}.log"
    process = start("engine_worker", [task.to_json()], task.threads, on_gpu, log)
    worker = stack.enter_context(_Timed(subject.title, process, log, task))
    worker.engine = worker.answer(tell)["name"]
    for batch in task.batches:
        # Once for what the first run prepares, once for its time: that tells how long the rounds will take.
        worker.time(batch, 1)
        worker.milliseconds[batch] = worker.time(batch, 1)
        if on_gpu:
            after = gpu_memory()
            worker.memory[batch] = None if before is None or after is None else after - before
    return worker


def _take_turns(workers: list[_Timed], plan: EnginesPlan, progress: Progress, name: str) -> None:
    """Time blocks of runs in turns, so that a slower minute hits all alike; the first of a block does not
    count: it pays for what others put out of the caches."""
    blocks = [
        (worker, batch, worker.milliseconds[batch][0]) for worker in workers for batch in worker.task.batches
    ]
    bar = progress.add_task(name, total=plan.rounds * sum(first for _, _, first in blocks))
    for worker in workers:
        worker.milliseconds = {batch: [] for batch in worker.task.batches}
    for number in range(plan.rounds):
        for worker, batch, first in blocks:
            what = f"{worker.kind} {worker.task.subject.precision}, batch {batch}"
            progress.update(bar, description=f"{name}: round {number + 1} of {plan.rounds}, {what}")
            if not worker.failure:
                try:
                    worker.milliseconds[batch] += worker.time(batch, plan.runs + 1)[1:]
                except BenchWorkerError as error:
                    worker.failure = str(error)
            progress.advance(bar, first)


def _results(worker: _Timed, name: str, folder: Path, judge: Judge) -> list[Measured]:
    subject = worker.task.subject
    if worker.failure:
        return [Measured(name, subject, worker.task.batches[0], reason=worker.failure)]
    accuracy, remark = None, ""
    if subject.kind in ("backend", "torch"):
        try:
            if not judge.samples:
                raise SelconError("the bundle has no samples")
            worker.ask(json.dumps(["maps", str(folder / "maps.npz")]))
            accuracy = judge.judge(read_maps(folder / "maps.npz"))
        except SelconError as error:
            remark = str(error)
    return [
        Measured(
            name,
            subject,
            batch,
            Times.of(worker.milliseconds[batch]),
            worker.memory[batch],
            accuracy,
            remark,
            engine=worker.engine,
        )
        for batch in worker.task.batches
    ]


def _with_share(found: Measured, flops: int, peaks: dict[tuple[str, str], float]) -> Measured:
    peak = peaks.get((found.subject.device, found.subject.precision))
    # The authors' code computes something else, prompts among it.
    if peak is None or found.rate is None or found.subject.kind == "authors":
        return found
    return replace(found, share=flops * found.rate / peak)


def _progress() -> Progress:
    # Blocks take up to a minute: the speed is that of the whole run, not of the last seconds.
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        speed_estimate_period=3600,
    )
