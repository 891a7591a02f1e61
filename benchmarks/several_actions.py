"""What all actions of one image cost against one: `python -m benchmarks.several_actions` in a clone.

The packaged model and the first frame of the packaged recording, as the node answers them, but without ROS.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

import selcon_ros
from selcon_ros.core.grasps.grasp import GraspParameters
from selcon_ros.core.machine.timing import Times, time_alternately
from selcon_ros.core.outputs.image_findings import Findings
from selcon_ros.model import Model, load
from selcon_ros.recording import RecordedFrame, read_recording

RECORDING = Path(selcon_ros.__file__).parent / "assets" / "demo"


def measure(model: Model, frame: RecordedFrame, rounds: int = 5, runs: int = 20) -> dict[str, Times]:
    """Time an image to heatmaps of its size and to grasp points, of the surest action and of all."""
    depth = np.where(frame.depth_mm > 0, frame.depth_mm / np.float32(1000), np.nan).astype(np.float32)
    surest = max(model.actions, key=model.ground(frame.image).confidence)
    every = (surest, *(each for each in model.actions if each != surest))

    def answer(heatmaps: Sequence[str], grasps: Sequence[str]) -> Callable[[], object]:
        def run() -> object:
            grounding = model.ground(frame.image)
            findings = Findings(grounding, lambda: (depth, frame.intrinsics), GraspParameters())
            return [
                [findings.confidence(each) for each in every],
                [findings.heatmap(each) for each in heatmaps],
                [findings.grasps(each) for each in grasps],
            ]

        return run

    return time_alternately(
        {
            "one": answer(every[:1], ()),
            "all": answer(every, ()),
            "one, grasps": answer(every[:1], every[:1]),
            "all, grasps": answer(every[:1], every),
        },
        rounds,
        runs,
    )


def main() -> None:
    """Print medians and ratios."""
    cv2.setNumThreads(1)  # as in the node
    with load(None, "onnxruntime") as model:
        times = measure(model, read_recording(RECORDING).frames[0])
        for name, each in times.items():
            against = times["one, grasps" if "grasps" in name else "one"].median
            print(f"{name:<18}{each}, {each.median / against:.2f} times one")


if __name__ == "__main__":
    main()
