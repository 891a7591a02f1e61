"""Grasp points in raw images: poses, jaws and widths by the lens's own rays, held against OpenCV's."""

from dataclasses import replace

import numpy as np
import pytest

from selcon_ros.core.cameras.camera import Intrinsics
from selcon_ros.core.cameras.distortion import Distortion
from selcon_ros.core.grasps.grasp import find_grasps
from selcon_ros.core.grounding.heatmap import Heatmap
from support.shapes import Table, angle, box_depth, matrix, on, scene, undistorted

WIDE = Intrinsics(210.0, 205.0, 165.0, 116.0, 320, 240)
LENSES = {
    "none": WIDE,
    "barrel": replace(WIDE, distortion=Distortion("plumb_bob", (-0.28, 0.09, 0.002, -0.003, -0.012))),
    "barrel of four": replace(WIDE, distortion=Distortion("plumb_bob", (-0.25, 0.06, -0.001, 0.002))),
    "rational": replace(
        WIDE, distortion=Distortion("rational_polynomial", (0.6, 0.3, 1e-3, -5e-4, 0.05, 0.95, 0.4, 0.1))
    ),
    "thin prism": replace(
        WIDE,
        distortion=Distortion(
            "rational_polynomial", (0.6, 0.3, 1e-3, -5e-4, 0.05, 0.95, 0.4, 0.1, 0.004, -0.002, 0.003, 0.001)
        ),
    ),
    "tilted": replace(
        WIDE,
        distortion=Distortion(
            "rational_polynomial",
            (0.6, 0.3, 1e-3, -5e-4, 0.05, 0.95, 0.4, 0.1, 0.004, -0.002, 0.003, 0.001, 0.02, -0.03),
        ),
    ),
    "fisheye": replace(
        WIDE, fx=145.0, fy=142.0, distortion=Distortion("equidistant", (0.04, -0.02, 0.01, -2e-3))
    ),
}
TABLE = Table(tilt=0.0, distance=0.6)
TOP = 0.58  # metres from the camera to the upper face of a thin plate above the table
PLACES = {"left": (-0.30, -0.20), "right": (0.25, 0.18), "middle": (0.0, 0.0)}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("camera", LENSES.values(), ids=LENSES)
def test_a_bar_through_a_lens(camera: Intrinsics, place: tuple[float, float]) -> None:
    """Near the image's corners, too, position, axes, jaws and width are those of the bar."""
    axes = TABLE.axes(0.6)
    centre = np.array([*place, TOP + 0.0005])
    bar = box_depth(centre, axes, np.array([0.14, 0.03, 0.001]), camera)
    depth, (visible,) = scene(TABLE, bar, camera=camera)
    (grasp,) = find_grasps(Heatmap("hold", visible.astype(np.float32), 0.9), depth, camera).points

    assert on(visible, grasp.pixel)
    steps = ([0, 0], [1, 0], [0, 1])
    ray, right, below = (undistorted(camera, np.array(grasp.pixel) + step) for step in steps)
    assert grasp.position == pytest.approx(TOP * ray, abs=1e-4), "z-depth along OpenCV's ray"
    rotation = matrix(grasp.orientation)
    assert angle(rotation[:, 0], axes[:, 1]) < 5 and angle(rotation[:, 2], TABLE.up) < 1
    # The outermost pixels' halves belong to the width, and not to where the fingers touch.
    spacing = TOP * max(np.linalg.norm(right - ray), np.linalg.norm(below - ray))
    ends = [TOP * undistorted(camera, np.array(jaw)) for jaw in grasp.jaws]
    assert np.linalg.norm(ends[1] - ends[0]) == pytest.approx(grasp.width - spacing, abs=5e-4)
    assert grasp.width == pytest.approx(0.03, abs=1.2 * spacing)
