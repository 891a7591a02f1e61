"""How long the search for grasp points takes, held against an older version of this package, in turns.

The maps are the packaged model's, of the packaged recording: in every frame the actions that it is sure of.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import selcon_ros
from benchmarks.worker import Worker
from selcon_ros.core.grasps.grasp import GraspParameters
from selcon_ros.model import Model
from selcon_ros.recording import RecordedFrame, read_recording

RECORDING = Path(selcon_ros.__file__).parent / "assets" / "demo"
WORKER = Path(__file__).parent / "grasp_worker.py"
RUNS = 3


@dataclass(frozen=True)
class SearchTimes:
    """Milliseconds [searches] of CPU time of one thread, for one action each: the least of some turns.

    `before` is that of an older version, None where there is none.
    """

    now: NDArray[np.float64]
    before: NDArray[np.float64] | None

    @property
    def ratio(self) -> float | None:
        """The median now as a share of the median before."""
        return None if self.before is None else float(np.median(self.now) / np.median(self.before))


def measure_search(model: Model, baseline: Path | None, every: int = 3, rounds: int = 7) -> SearchTimes:
    """Time the search for one action, from the model's map to grasp points; before, from the heatmap on.

    `baseline` is an interpreter that has the older version; None to measure this version alone. Of the
    recording's frames, only one in `every` is used.
    """
    pythons = {"now": Path(sys.executable)} | ({} if baseline is None else {"before": baseline})
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        cases = Path(folder) / "cases.npz"
        count = write_cases(cases, model, read_recording(RECORDING).frames[::every])
        workers = {
            name: stack.enter_context(_start(name, python, cases, Path(folder)))
            for name, python in pythons.items()
        }
        least = {name: np.full(count, np.inf) for name in workers}
        for _ in range(rounds):
            for case in range(count):
                for name, worker in workers.items():
                    spent = worker.ask(f"{case} {RUNS}")["milliseconds"]
                    least[name][case] = min(least[name][case], *spent)
    return SearchTimes(least["now"], least.get("before"))


def _start(name: str, python: Path, cases: Path, folder: Path) -> Worker:
    """Start the worker in an interpreter; only that of this version sees this clone."""
    log = folder / f"{name}.log"
    own = {"OMP_NUM_THREADS": "1"} | ({"PYTHONPATH": os.pathsep.join(sys.path)} if name == "now" else {})
    rest = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    with log.open("w") as errors:
        process = subprocess.Popen(
            [str(python), str(WORKER), str(cases)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=rest | own,
            cwd=folder,
        )
    return Worker(name, process, log)


def write_cases(path: Path, model: Model, frames: list[RecordedFrame]) -> int:
    """Write what is searched: of each frame the actions that are sure. Return how many searches that is."""
    least = GraspParameters().min_confidence
    found = []
    for number, frame in enumerate(frames):
        grounding = model.ground(frame.image)
        sure = [(index, grounding.confidence(action)) for index, action in enumerate(model.actions)]
        found += [(number, grounding.refined[index], each) for index, each in sure if each >= least]
    cameras = [
        (each.intrinsics.fx, each.intrinsics.fy, each.intrinsics.cx, each.intrinsics.cy) for each in frames
    ]
    np.savez(
        path,
        frames=np.array([number for number, _, _ in found]),
        maps=np.array([cells for _, cells, _ in found]),
        confidences=np.array([sure for _, _, sure in found]),
        depths=np.array([frame.depth_mm for frame in frames]),
        cameras=np.array(cameras),
    )
    return len(found)
