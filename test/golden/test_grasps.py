"""A search that has become quicker finds what it found: stored answers of `grasps/make.py`."""

from pathlib import Path

import numpy as np
import pytest

from selcon_ros.core.cameras.camera import Intrinsics
from selcon_ros.core.grasps.grasp import find_grasps
from selcon_ros.core.grasps.grasp_result import GraspPoint
from selcon_ros.core.grounding.heatmap import CoarseHeatmap, scaled
from support.rendered_frames import frame
from support.shapes import angle, matrix

ANSWERS = Path(__file__).parent / "grasps" / "answers.npz"
FRAMES = 500
# Of the points, two places or two ways may be as good to within rounding.
TIES = 0.01


@pytest.fixture(scope="module")
def answers() -> dict[str, np.ndarray]:
    return dict(np.load(ANSWERS))


def found(number: int, coarse: bool) -> tuple[GraspPoint, ...]:
    seen = frame(number)
    size = seen.depth.shape
    heatmap = CoarseHeatmap("hold", scaled(seen.cells, *size), *size, 0.9)
    camera = Intrinsics(*seen.camera, *size[::-1])
    return find_grasps(heatmap if coarse else heatmap.upsampled(), seen.depth, camera).points


@pytest.mark.parametrize("coarse", [True, False], ids=["map", "heatmap"])
def test_rendered_frames_give_the_stored_grasps(answers: dict[str, np.ndarray], coarse: bool) -> None:
    moved, turned, points = [], [], 0
    for number in range(0, FRAMES, 1 if coarse else 5):
        rows = np.flatnonzero(answers["frame"] == number)
        own = found(number, coarse)
        assert len(own) == len(rows), f"frame {number}"
        for row, point in zip(rows, own, strict=True):
            points += 1
            assert point.position is not None and point.orientation is not None and point.width is not None
            pixels = np.abs(np.subtract(point.pixel, answers["pixel"][row])).max()
            metres = np.linalg.norm(np.subtract(point.position, answers["position"][row]))
            if pixels > 1 or metres > 0.001 or abs(point.score - answers["score"][row]) > 0.01:
                moved.append(number)
            own_axes, stored = matrix(point.orientation), matrix(tuple(answers["orientation"][row]))
            angles = [angle(own_axes[:, each], stored[:, each]) for each in (0, 2)]
            if max(angles) > 3 or abs(point.width - answers["width"][row]) > 0.002:
                turned.append(number)
    assert len(moved) <= TIES * points, f"other places in the frames {moved}"
    assert len(turned) <= TIES * points, f"other ways in the frames {turned}"
