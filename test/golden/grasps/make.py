"""Writes the grasp points that are found in the rendered frames; to be run in a checkout:

PYTHONPATH=.:test python make.py answers.npz

Pixels and positions are those of 0.1.0 (commit 44d5d0d) but for 28 of 657: there a hand gets no good hold in
the middle of the heat, and another place is taken. The approach, and the width that follows from it, were
changed on purpose since 0.1.0.
"""

import sys

import numpy as np

from selcon_ros.core.cameras.camera import Intrinsics
from selcon_ros.core.grasps.grasp import find_grasps
from selcon_ros.core.grounding.heatmap import Heatmap, upsample
from support.rendered_frames import frame

FRAMES = 500


def main() -> None:
    found = []
    for number in range(FRAMES):
        seen = frame(number)
        height, width = seen.depth.shape
        heatmap = Heatmap("hold", upsample(seen.cells, height, width), 0.9)
        camera = Intrinsics(*seen.camera, width, height)
        found += [(number, point) for point in find_grasps(heatmap, seen.depth, camera).points]
    values = {
        "frame": np.array([number for number, _ in found], np.int16),
        "pixel": np.array([point.pixel for _, point in found], np.int16),
        "score": np.array([point.score for _, point in found], np.float32),
        "position": np.array([point.position for _, point in found], np.float32),
        "orientation": np.array([point.orientation for _, point in found], np.float32),
        "width": np.array([point.width for _, point in found], np.float32),
    }
    np.savez_compressed(sys.argv[1], **values)


if __name__ == "__main__":
    main()
