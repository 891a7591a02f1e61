"""What the page's handles hold after a frame: no browser is needed for that."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("viser", reason="viser is missing: pip install 'selcon_ros[view]'")

from selcon_ros.core.cameras.camera import Intrinsics
from selcon_ros.core.grasps.grasp_result import GraspPoint, GraspResult
from selcon_ros.core.grasps.rigid import Rigid
from selcon_ros.core.grounding.heatmap import Heatmap
from selcon_ros.view.page import Page
from selcon_ros.view.scene import ActionAnswer, TargetFrame, Thresholds, ViewFrame
from selcon_ros.view.server import ViewServer

IMAGE = np.full((6, 8, 3), 100, np.uint8)
DEPTH = np.full((6, 8), 0.5, np.float32)
CAMERA = Intrinsics(10.0, 10.0, 3.5, 2.5, 8, 6)


class Asked:
    """A source that only keeps what it is asked for."""

    title, model, actions = "asked", "none", ("hold", "pour")

    def __init__(self) -> None:
        self.set: list[Any] = []

    def set_actions(self, actions: tuple[str, ...]) -> None:
        self.set.append(actions)

    def set_thresholds(self, thresholds: Thresholds) -> None:
        self.set.append(thresholds)


@pytest.fixture
def made() -> Iterator[tuple[Page, Asked]]:
    server, source = ViewServer("127.0.0.1", 0), Asked()
    yield Page(server.viser, source, stride=1), source
    server.close()


def frame(*found: tuple[str, int], depth: Any = True, **changes: Any) -> ViewFrame:
    """A frame with so many grasps of each action."""
    pose = {"position": (0.0, 0.0, 0.5), "orientation": (0.0, 0.0, 0.0, 1.0), "width": 0.05}
    answers = []
    for action, count in found:
        heatmap = Heatmap(action, np.zeros((6, 8), np.float32), 0.9)
        points = tuple(GraspPoint((0, 0), 0.9 - 0.1 * number, **pose) for number in range(count))
        answers.append(ActionAnswer(heatmap, GraspResult(points), IMAGE))
    metres, camera = (DEPTH, CAMERA) if depth else (None, None)
    return replace(
        ViewFrame(1, 0.0, "camera", IMAGE, metres, camera, tuple(answers), {}, Thresholds()), **changes
    )


def visible(handles: list[Any]) -> list[bool]:
    return [handle.visible for handle in handles]


def test_grippers_and_labels_come_and_go_with_the_answers(made: tuple[Page, Asked]) -> None:
    page, _ = made
    page.show(frame(("hold", 2), ("pour", 1)))
    assert visible(page._lines) == [True, True] and visible(page._labels) == [True] * 3
    assert page._lines[0].points.shape == (8, 2, 3) and page._labels[2].text == "pour 0.90 · 50 mm"
    page.show(frame(("pour", 1)))
    assert visible(page._lines) == [True, False] and visible(page._labels) == [True, False, False]
    page.show(frame(("pour", 0)))
    assert visible(page._lines) == [False, False] and not any(visible(page._labels))
    assert len(page._lines) == 2 and len(page._labels) == 3  # made once


def test_the_cloud_goes_with_the_depth_and_the_picture_does_not_grow(made: tuple[Page, Asked]) -> None:
    page, _ = made
    page.show(frame(("hold", 1), depth=False))
    large = page._frustum.scale
    assert not page._cloud.visible
    page.show(frame(("hold", 1)))
    small = page._frustum.scale
    assert page._cloud.visible and page._cloud.points.shape == (48, 3) and small < large
    page.show(frame(("hold", 0), depth=False))
    assert not page._cloud.visible and page._frustum.scale == pytest.approx(small, rel=0.3)


def test_a_large_image_makes_no_larger_page(made: tuple[Page, Asked]) -> None:
    page, _ = made
    image = np.zeros((2000, 3000, 3), np.uint8)
    camera = Intrinsics(3000.0, 3000.0, 1500.0, 1000.0, 3000, 2000)
    depth = np.full((2000, 3000), 0.5, np.float32)
    page.show(replace(frame(image=image, intrinsics=camera), depth=depth))
    assert len(page._cloud.points) == 500 * 750  # every fourth row and column
    assert page._overlay.image.shape == page._frustum.image.shape == (853, 1280, 3)


def test_the_target_frame_is_where_it_lies_in_the_cameras(made: tuple[Page, Asked]) -> None:
    page, _ = made
    page.show(frame())
    assert not page._target.visible
    pose = Rigid((0.0, 0.0, 1.0, 0.0), (0.1, 0.2, 0.3))
    page.show(frame(target=TargetFrame("base_link", pose)))
    assert page._target.visible and page._target_name.text == "base_link"
    assert page._target.wxyz == pytest.approx([0, 0, 0, 1])  # x, y, z, w is w, x, y, z there
    assert page._target.position == pytest.approx([0.1, 0.2, 0.3])


def test_what_the_source_has_is_shown_and_nothing_is_asked_of_it(made: tuple[Page, Asked]) -> None:
    page, source = made
    page.show(frame(("pour", 1), thresholds=Thresholds(min_confidence=0.7, gripper_width=5.0)))
    assert [box.value for box in page._boxes._boxes.values()] == [False, True]
    sliders = page._sliders._sliders
    assert sliders["min_confidence"].value == 0.7
    assert sliders["gripper_width"].value == 0.3  # its end
    source.actions = ("cut",)
    page.show(frame())
    assert list(page._boxes._boxes) == ["cut"] and source.set == []
