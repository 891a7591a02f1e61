"""A frame's way through this version of the node and through an earlier one: `python -m benchmarks frame`."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.grasp_search import measure_search
from benchmarks.node_usage import IdleUsage, NodeUsage, measure_idle, measure_usage
from benchmarks.versions import Version, present
from benchmarks.worker import Worker
from selcon_ros.bench.measurements import EVERYTHING, HEATMAP_ONLY
from selcon_ros.bench.node import measure_node
from selcon_ros.core.errors import SelconError
from selcon_ros.core.grounding.bundle import load_bundle
from selcon_ros.core.machine.timing import Times
from selcon_ros.demo.orchestration import node_arguments
from selcon_ros.demo.processes import ChildProcess, isolate
from selcon_ros.model import load
from selcon_ros.recording import Recording, default_recording, read_recording

PARTS = ("overlay", "one", "all", "one with grasps", "all with grasps")
"""What `frame_worker.py` times."""
START_COMMANDS = {"import": ["-c", "import selcon_ros"], "help": ["-m", "{cli}", "--help"]}
"""What is started and timed as a whole."""
FRAME_COUNT = 6
"""Of the recording, for what is timed without the node."""
LIBRARIES = "import numpy, cv2, onnxruntime, rclpy, sensor_msgs.msg"
MEAN_STAGES = ("wait", "other messages")
"""Stages whose calls differ: their mean counts, of the others the median, which other programs move less."""
Tell = Callable[[str], None]


@dataclass
class MeasuredVersion:
    """What was measured of a version: milliseconds of the search for grasp points and by part, the node's
    figures of each round, and milliseconds of a frame by thread and stage (`budget`)."""

    version: Version
    grasps: list[float] = field(default_factory=list)
    milliseconds: dict[str, list[float]] = field(default_factory=lambda: {part: [] for part in PARTS})
    starts: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in START_COMMANDS})
    heatmap: list[NodeUsage] = field(default_factory=list)
    everything: list[NodeUsage] = field(default_factory=list)
    idle: list[IdleUsage] = field(default_factory=list)
    budget: dict[str, dict[str, float]] = field(default_factory=dict)

    def times(self, part: str) -> Times:
        """Of a part."""
        return Times.of(self.milliseconds[part])


@dataclass(frozen=True)
class FramePlan:
    """rounds: of both versions in turns; seconds: of each measurement of the node; rate: camera frames a
    second; blocks: of what is timed without the node."""

    rounds: int
    seconds: float
    rate: float
    blocks: int


def measure(
    before: Version, bundle: Path, plan: FramePlan, tell: Tell
) -> tuple[MeasuredVersion, MeasuredVersion]:
    """Measure an earlier version and this one in turns on the same bundle.

    Raises SelconError where one does not run.
    """
    found = MeasuredVersion(before), MeasuredVersion(present())
    recording = default_recording()
    played = read_recording(recording)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        isolate(folder / "log")
        _measure_starts(found, plan, folder, tell)
        tell("grasp search")
        with load(bundle, "onnxruntime", "fp32") as model:
            searches = measure_search(model, before.python)
        assert searches.before is not None
        found[0].grasps, found[1].grasps = searches.before.tolist(), searches.now.tolist()
        _measure_parts(found, bundle, played, plan, folder, tell)
        action = _action(played, bundle)
        for number in range(plan.rounds):
            for each in found:
                _measure_node(each, bundle, recording, action, plan, folder, f"round {number + 1}", tell)
        for each in found:
            tell(f"where the time goes, {each.version.name}")
            each.budget = _budget(each.version, bundle, recording, action, plan, folder)
    return found


def libraries_memory() -> int:
    """Return the resident bytes of a process that has imported what a node cannot do without."""
    code = f"{LIBRARIES}\nfrom benchmarks.usage import Memory\nimport os\n"
    code += "print(Memory.of(os.getpid()).resident)"
    with tempfile.TemporaryDirectory() as folder:
        return int(present().run(["-c", code], Path(folder)))


def _action(played: Recording, bundle: Path) -> str:
    known = load_bundle(bundle, roles=()).manifest.actions
    return next((each for each in played.actions if each in known), known[0])


def _measure_starts(found: tuple[MeasuredVersion, ...], plan: FramePlan, folder: Path, tell: Tell) -> None:
    """Time whole processes; the first of each fills the caches."""
    for number in range(2 * plan.blocks + 1):
        for name, arguments in START_COMMANDS.items():
            for each in found:
                tell(f"start of a process: {name}")
                start = time.perf_counter()
                each.version.run([word.format(cli=each.version.cli) for word in arguments], folder)
                if number > 0:
                    each.starts[name].append(1e3 * (time.perf_counter() - start))


def _measure_parts(
    found: tuple[MeasuredVersion, ...],
    bundle: Path,
    played: Recording,
    plan: FramePlan,
    folder: Path,
    tell: Tell,
) -> None:
    frames = played.frames[:: max(1, len(played.frames) // FRAME_COUNT)][:FRAME_COUNT]
    depths = [
        np.where(each.depth_mm > 0, each.depth_mm / np.float32(1000), np.nan).astype(np.float32)
        for each in frames
    ]
    camera = frames[0].intrinsics
    stored = folder / "frames.npz"
    np.savez(
        stored,
        images=np.stack([each.image for each in frames]),
        depths=np.stack(depths),
        intrinsics=[camera.fx, camera.fy, camera.cx, camera.cy],
    )
    with ExitStack() as stack:
        workers = [
            stack.enter_context(_worker(each.version, bundle, stored, folder / f"worker{number}.log"))
            for number, each in enumerate(found)
        ]
        for worker in workers:
            worker.answer()
        for number in range(plan.blocks + 1):
            for part in PARTS:
                for each, worker in zip(found, workers, strict=True):
                    tell(f"{part}, {each.version.name}: {number} of {plan.blocks}")
                    answer = worker.ask(part)
                    if number > 0:  # the first block warms up
                        each.milliseconds[part] += answer["milliseconds"]


@contextmanager
def _worker(version: Version, bundle: Path, frames: Path, log: Path) -> Iterator[Worker]:
    script = Path(__file__).with_name("frame_worker.py")
    with log.open("w") as errors:
        process = subprocess.Popen(
            [str(version.python), str(script), str(bundle), str(frames)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            cwd=log.parent,
            env={**os.environ, **version.environment},
        )
    with Worker(version.name, process, log) as worker:
        yield worker


def _node(version: Version, bundle: Path, log: Path, before: list[str]) -> ChildProcess:
    command = [str(version.python), *before, version.node, *node_arguments(bundle)]
    return ChildProcess(f"node of {version.name}", command, log, version.environment, log.parent)


def _measure_node(
    found: MeasuredVersion,
    bundle: Path,
    recording: Path,
    action: str,
    plan: FramePlan,
    folder: Path,
    title: str,
    tell: Tell,
) -> None:
    def node() -> ChildProcess:
        return _node(found.version, bundle, folder / "node.log", ["-m"])

    tell(f"{title}: heatmap alone, {found.version.name}")
    found.heatmap.append(measure_usage(node(), recording, action, HEATMAP_ONLY, plan.rate, plan.seconds))
    tell(f"{title}: all outputs, {found.version.name}")
    found.everything.append(measure_usage(node(), recording, action, EVERYTHING, plan.rate, plan.seconds))
    tell(f"{title}: nobody listens, {found.version.name}")
    found.idle.append(measure_idle(node(), recording, action, plan.rate, plan.seconds))


def _budget(
    version: Version, bundle: Path, recording: Path, action: str, plan: FramePlan, folder: Path
) -> dict[str, dict[str, float]]:
    """Milliseconds of a frame by thread and stage, with all outputs, in the part that was measured."""
    noted = folder / "noted.json"
    noted.unlink(missing_ok=True)
    script = str(Path(__file__).with_name("frame_node.py"))
    node = _node(version, bundle, folder / "node.log", [script, str(noted)])
    start = time.monotonic()
    measure_node(node, recording, action, EVERYTHING, plan.rate, plan.seconds)
    if not noted.is_file():
        raise SelconError(f"the node of {version.name} left no notes of its time")
    spent = json.loads(noted.read_text(encoding="utf-8"))
    end = max(begun for _, _, begun, _ in spent)
    # What came before includes the start of the node, and the first frames.
    first = max(start, end - plan.seconds)
    calls: dict[str, dict[str, list[float]]] = {}
    for thread, stage, begun, seconds in spent:
        if begun >= first:
            calls.setdefault(thread, {}).setdefault(stage, []).append(1e3 * seconds)
    frames = sum(len(stages.get("network", [])) for stages in calls.values())
    if not frames:
        raise SelconError(f"the node of {version.name} answered nothing while its time was noted")
    return {
        thread: {
            stage: (statistics.mean if stage in MEAN_STAGES else statistics.median)(each) * len(each) / frames
            for stage, each in stages.items()
        }
        for thread, stages in calls.items()
    }
