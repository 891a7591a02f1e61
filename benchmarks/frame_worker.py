"""Times the parts of a frame in one process; a script for this version of selcon_ros or an earlier one.

`python frame_worker.py BUNDLE FRAMES`, see `benchmarks.frame`: the answers are lines of JSON.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

try:
    from selcon_ros.core.cameras.camera import Intrinsics
    from selcon_ros.core.grasps.grasp import GraspParameters
    from selcon_ros.core.outputs.image_findings import Findings
    from selcon_ros.core.outputs.overlay import draw
    from selcon_ros.model import load
except ImportError:  # up to version 0.1.0
    from selcon_ros.core.camera import Intrinsics  # type: ignore[import-not-found,no-redef]
    from selcon_ros.core.overlay import draw  # type: ignore[import-not-found,no-redef]

    Findings = None  # type: ignore[assignment,misc]

MIN_CONFIDENCE = 0.5


class Subject:
    """A model and camera frames, and what is done with them in the version that is installed."""

    def __init__(self, bundle: Path, frames: Path) -> None:
        """Open the model.

        `frames` is a .npz with `images` [N, H, W, 3] uint8 RGB, `depths` [N, H, W] float32 in metres and
        `intrinsics`: fx, fy, cx, cy.
        """
        stored = np.load(frames)
        self.images, self.depths = stored["images"], stored["depths"]
        height, width = self.images.shape[1:3]
        fx, fy, cx, cy = map(float, stored["intrinsics"])
        self.camera = Intrinsics(fx, fy, cx, cy, width, height)
        if Findings is not None:
            self.model: Any = load(bundle, "onnxruntime", "fp32")
        else:
            from selcon_ros.backends.choose import open_model
            from selcon_ros.core.grounder import Grounder

            opened = open_model(bundle, "onnxruntime", "fp32")
            self.model = Grounder(opened.bundle, opened.backend)
        self.grounded = [self.model.ground(image) for image in self.images]
        every = [(frame, action) for frame in range(len(self.images)) for action in self.model.actions]
        sure = [pair for pair in every if self.grounded[pair[0]].confidence(pair[1]) >= MIN_CONFIDENCE]
        self.pairs = sure or every

    def overlays(self) -> Iterator[float]:
        """Seconds of drawing, of each frame and action that the model is sure of."""
        for frame, action in self.pairs:
            answer = FrameResults(self.grounded[frame], self.depths[frame], self.camera)
            picture = (self.images[frame], answer.heatmap(action), answer.grasps(action))
            yield _seconds(draw, *picture)

    def actions(self, many: bool, grasps: bool) -> Iterator[float]:
        """Seconds from each frame to the heatmaps, or the grasp points too, of one action or of all."""
        chosen = self.model.actions if many else self.model.actions[:1]

        def run(frame: int) -> None:
            grounding = self.model.ground(self.images[frame])
            answer = FrameResults(grounding, self.depths[frame], self.camera)
            for action in chosen:
                answer.heatmap(action)
                if grasps:
                    answer.grasps(action)

        for frame in range(len(self.images)):
            yield _seconds(run, frame)


class FrameResults:
    """Heatmaps and grasp points of one frame, as the node of this version makes them."""

    def __init__(self, grounding: Any, depth: Any, camera: Intrinsics) -> None:
        self._grounding, self._depth, self._camera = grounding, depth, camera
        self._findings = None if Findings is None else Findings(grounding, self._both, GraspParameters())

    def _both(self) -> Any:
        return self._depth, self._camera

    def heatmap(self, action: str) -> Any:
        """At the image's size."""
        found = self._findings or self._grounding
        self._heatmap = found.heatmap(action)
        return self._heatmap

    def grasps(self, action: str) -> Any:
        """Of the action whose heatmap was made last."""
        if self._findings is not None:
            return self._findings.grasps(action)
        from selcon_ros.core.grasp import find  # type: ignore[attr-defined]

        return find(self._heatmap, self._depth, self._camera)


def _seconds(run: Callable[..., object], *arguments: Any) -> float:
    start = time.perf_counter()
    run(*arguments)
    return time.perf_counter() - start


def main() -> None:
    """Answer each line on standard input, the name of a part, with the milliseconds of its runs."""
    if Findings is not None:
        cv2.setNumThreads(1)  # as in the node since version 0.2.0
    subject = Subject(Path(sys.argv[1]), Path(sys.argv[2]))
    parts: dict[str, Callable[[], Iterator[float]]] = {
        "overlay": subject.overlays,
        "one": lambda: subject.actions(many=False, grasps=False),
        "all": lambda: subject.actions(many=True, grasps=False),
        "one with grasps": lambda: subject.actions(many=False, grasps=True),
        "all with grasps": lambda: subject.actions(many=True, grasps=True),
    }
    print("{}", flush=True)  # it is ready
    for line in sys.stdin:
        print(json.dumps({"milliseconds": [1e3 * each for each in parts[line.strip()]()]}), flush=True)


if __name__ == "__main__":
    main()
