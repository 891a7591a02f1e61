"""The process that times searches for grasp points: `python grasp_worker.py CASES`.

It runs in the interpreter of any version of this package, so that it takes nothing else of this clone. CASES
is what `grasp_search.write_cases` wrote. It answers each line "CASE RUNS" on its standard input with a line
of JSON: the milliseconds of CPU time of as many searches.
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np

try:
    from selcon_ros.core.cameras.camera import Intrinsics
    from selcon_ros.core.grasps import grasp
    from selcon_ros.core.grounding import heatmap
except ImportError:  # in earlier versions these modules lie side by side
    from selcon_ros.core.camera import Intrinsics  # type: ignore[import-not-found,no-redef]

    from selcon_ros.core import grasp, heatmap  # type: ignore[attr-defined,no-redef]


def searches(path: str) -> list[Callable[[], Any]]:
    """Return a function for each case, from the model's map to grasp points; before, from the heatmap on."""
    cases = dict(np.load(path))
    depths = [
        np.where(each > 0, each / np.float32(1000), np.nan).astype(np.float32) for each in cases["depths"]
    ]
    height, width = depths[0].shape
    find: Callable[..., Any] = getattr(grasp, "find_grasps", None) or grasp.find  # type: ignore[attr-defined]
    parameters = grasp.GraspParameters()

    def search(case: int) -> Callable[[], Any]:
        cells, sure = cases["maps"][case], float(cases["confidences"][case])
        depth, camera = depths[cases["frames"][case]], cases["cameras"][cases["frames"][case]]
        fx, fy, cx, cy = camera.tolist()
        intrinsics = Intrinsics(fx, fy, cx, cy, width, height)
        coarse = getattr(heatmap, "CoarseHeatmap", None)
        if coarse is None:
            upsampled = heatmap.Heatmap("", heatmap.upsample(cells, height, width), sure)
            return lambda: find(upsampled, depth, intrinsics, parameters)

        def run() -> Any:
            scaled = heatmap.scaled(cells, height, width)
            return find(coarse("", scaled, height, width, sure), depth, intrinsics, parameters)

        return run

    return [search(case) for case in range(len(cases["maps"]))]


def main() -> None:
    """Serve until the input ends."""
    cv2.setNumThreads(1)
    functions = searches(sys.argv[1])
    for line in sys.stdin:
        case, runs = (int(each) for each in line.split())
        milliseconds = []
        for _ in range(runs):
            start = time.thread_time_ns()
            functions[case]()
            milliseconds.append((time.thread_time_ns() - start) / 1e6)
        print(json.dumps({"milliseconds": milliseconds}), flush=True)


if __name__ == "__main__":
    main()
