import math
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selcon_ros.core.errors import ImageError
from selcon_ros.core.grasps.grasp import find_grasps
from selcon_ros.core.grasps.grasp_result import GraspPoint, GraspResult
from selcon_ros.core.grounding.heatmap import CoarseHeatmap, Heatmap, scaled
from selcon_ros.core.outputs.overlay import MAX_OPACITY, MIN_VISIBLE_HEAT, draw, tint
from support.shapes import CAMERA, heat_of


def part() -> np.ndarray:
    mask = np.zeros((480, 640), bool)
    mask[200:260, 250:420] = True
    return mask


def test_only_the_hot_part_and_the_caption_change() -> None:
    image = np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8)
    before = image.copy()
    heatmap = heat_of(part())
    picture = draw(image, heatmap, find_grasps(heatmap))
    assert picture.shape == image.shape and picture.dtype == np.uint8
    np.testing.assert_array_equal(image, before)
    changed = (picture != image).any(axis=-1)
    assert changed[200:260, 250:420].mean() > 0.95
    away = changed.copy()
    away[150:310, 200:470] = False
    assert away[40:].sum() == 0
    assert away[:40, :300].any(), "the caption"


def test_heat_is_red_and_the_grasp_is_marked() -> None:
    image = np.full((480, 640, 3), 128, np.uint8)
    heatmap = heat_of(part())
    plain = draw(image, heatmap)
    red, green, blue = (int(x) for x in plain[230, 300])
    assert red > green + 50 and red > blue + 50
    (grasp,) = find_grasps(heatmap, np.full((480, 640), 0.5, np.float32), CAMERA).points
    marked = draw(image, heatmap, GraspResult((grasp,)))
    u, v = (round(x) for x in grasp.pixel)
    assert (marked[v, u] == (225, 29, 72)).all()
    # White along the closing line, outside the point.
    (u0, v0), (u1, v1) = grasp.jaws
    halfway = (round((v1 + 2 * v0) / 3), round((u1 + 2 * u0) / 3))
    assert (marked[halfway] > 200).all() and not (plain[halfway] > 200).all()


def test_blue_may_come_first() -> None:
    image = np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8)
    heatmap = heat_of(part())
    grasps = find_grasps(heatmap, np.full((480, 640), 0.5, np.float32), CAMERA)
    np.testing.assert_array_equal(
        draw(image, heatmap, grasps, bgr=True), draw(image, heatmap, grasps)[..., ::-1]
    )


def test_the_reason_for_no_grasp_is_written() -> None:
    image = np.full((480, 640, 3), 128, np.uint8)
    heatmap = heat_of(part(), confidence=0.2)
    told = draw(image, heatmap, find_grasps(heatmap))
    untold = draw(image, heatmap)
    assert (told[30:60] != untold[30:60]).any()


def blended(image: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the image with heat by the formula itself: in floats, at every pixel."""
    level = np.clip(values * 255, 0, 255).astype(np.uint8)
    shade = (60 + level.astype(np.float32) * (225 - 60) / 255).astype(np.uint8)
    colour = cv2.applyColorMap(shade, cv2.COLORMAP_TURBO)[..., ::-1]
    ramp = np.clip((level / 255 - MIN_VISIBLE_HEAT) / (1 - MIN_VISIBLE_HEAT), 0, 1)
    share = (MAX_OPACITY * ramp * (2 - ramp))[..., None]
    return image * (1 - share) + colour * share


@pytest.mark.parametrize("seed", range(5))
def test_heat_is_blended_as_the_formula_says(seed: int) -> None:
    random = np.random.default_rng(seed)
    image = random.integers(0, 256, (480, 640, 3), np.uint8)
    cells = random.random((18, 24), np.float32) ** random.integers(1, 9)
    values = heat_of(cv2.resize(cells, (640, 480), interpolation=cv2.INTER_CUBIC)).values
    values[100:300], values[:, :40] = 0, 0  # between things that are apart
    picture = image.copy()
    tint(picture, values)
    assert np.abs(picture - np.rint(blended(image, values))).max() <= 2
    cool = values <= MIN_VISIBLE_HEAT
    assert (picture[cool] == image[cool]).all()


@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.integers(8, 200),
    st.integers(8, 200),
    st.integers(0, 2**32 - 1),
)
@settings(deadline=None, max_examples=60)
def test_looking_at_hot_cells_alone_changes_no_pixel(
    rows: int, columns: int, height: int, width: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    maps = cv2.GaussianBlur(rng.random((rows, columns), np.float32), (0, 0), 2) ** rng.integers(1, 9)
    cells = scaled(maps * (rng.random() < 0.9), height, width)
    heatmap = CoarseHeatmap("hold", cells, height, width, 0.9).upsampled()
    assert heatmap.cells is cells
    image = rng.integers(0, 256, (height, width, 3), np.uint8)
    np.testing.assert_array_equal(draw(image, heatmap), draw(image, Heatmap("hold", heatmap.values, 0.9)))
    turned = replace(heatmap, values=np.ascontiguousarray(heatmap.values[::-1, ::-1]))
    np.testing.assert_array_equal(draw(image, turned), draw(image, Heatmap("hold", turned.values, 0.9)))


def test_the_line_at_half_the_maximum_is_within_a_pixel() -> None:
    random = np.random.default_rng(0)
    cells = np.where(random.random((18, 24)) > 0.7, random.random((18, 24)), 0).astype(np.float32)
    values = heat_of(cv2.resize(cells, (640, 480), interpolation=cv2.INTER_LINEAR)).values
    black = np.zeros((480, 640, 3), np.uint8)
    heatmap = Heatmap("", values, math.nan)
    line = draw(black, heatmap, note=" ").min(axis=-1) > 127
    outlines, _ = cv2.findContours((values >= 0.5).view(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    edge = np.zeros(line.shape, np.uint8)
    cv2.drawContours(edge, outlines, -1, 1)
    assert len(outlines) > 5
    near = np.ones((3, 3), np.uint8)
    below = slice(40, None)  # the caption
    assert (cv2.dilate(line.view(np.uint8), near) >= edge)[below].all()
    assert (cv2.dilate(edge, near) >= line)[below].all()


def test_sizes_must_agree() -> None:
    with pytest.raises(ImageError, match=r"\(480, 600\)"):
        draw(np.zeros((480, 600, 3), np.uint8), heat_of(part()))


@settings(max_examples=50, deadline=None)
@given(
    st.integers(1, 50),
    st.integers(1, 50),
    st.text(max_size=30),
    st.floats(-1e9, 1e9),
    st.floats(-1e9, 1e9),
)
def test_any_size_name_and_place_can_be_drawn(height: int, width: int, name: str, u: float, v: float) -> None:
    values = np.random.default_rng(0).random((height, width), np.float32)
    grasp = GraspPoint((u, v), 1.0, jaws=((u, v), (v, u)))
    heatmap = Heatmap(name, values, math.nan)
    picture = draw(np.zeros((height, width, 3), np.uint8), heatmap, GraspResult((grasp,)))
    assert picture.shape == (height, width, 3)
