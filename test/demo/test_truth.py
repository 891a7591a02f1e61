"""Distances to the true part, by hand on a painted frame."""

from dataclasses import replace

import numpy as np
import pytest

from selcon_ros.demo.truth import DemoTruth
from selcon_ros.recording import Recording
from support.scenes import BOXES, INTRINSICS, LABELS, PART_MM, painted_frame

FRAME = painted_frame(0)
TRUTH = DemoTruth(Recording([FRAME, painted_frame(1)], LABELS))
DEPTH = PART_MM / 1000


def point(u: float, v: float, z: float = DEPTH) -> tuple[float, float, float]:
    return ((u - INTRINSICS.cx) * z / INTRINSICS.fx, (v - INTRINSICS.cy) * z / INTRINSICS.fy, z)


def test_zero_on_the_part_and_measured_beside_it() -> None:
    x, y, width, _ = BOXES[1]
    on_part = TRUTH.nearest(FRAME, "cut_with", point(x + 5, y + 5))
    assert on_part is not None and on_part.label == LABELS[1]
    assert on_part.distance == pytest.approx(0, abs=1e-6)
    beside = TRUTH.nearest(FRAME, "cut_with", point(x + width - 1 + 20, y + 5))
    assert beside is not None
    assert beside.distance == pytest.approx(20 * DEPTH / INTRINSICS.fx, rel=1e-4)
    above = TRUTH.nearest(FRAME, "cut_with", (*point(x + 5, y + 5)[:2], DEPTH - 0.03))
    assert above is not None and above.distance == pytest.approx(0.03, abs=1e-3)


def test_only_parts_that_afford_the_action_count() -> None:
    x, y, _, _ = BOXES[2]
    handle = TRUTH.nearest(FRAME, "cut_with", point(x + 50, y + 5))
    assert handle is not None and handle.label.part == "blade" and handle.distance > 0.05


def test_none_where_no_such_part_is_in_view_or_has_depth() -> None:
    assert TRUTH.nearest(FRAME, "fly", point(100, 100)) is None
    blind = replace(FRAME, depth_mm=np.zeros_like(FRAME.depth_mm))
    assert TRUTH.nearest(blind, "hold", point(100, 100)) is None


def test_frames_are_known_by_their_pixels() -> None:
    found = TRUTH.frame(painted_frame(1).image)
    assert found is not None and found.stamp_ns == painted_frame(1).stamp_ns
    assert TRUTH.frame(painted_frame(2).image) is None
