"""Weights of a map's cells, held against OpenCV's interpolation and blur of whole images."""

import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from selcon_ros.core.grasps.grasp import find_grasps
from selcon_ros.core.grasps.regions import hot_mask
from selcon_ros.core.grasps.warm_area import warm_areas
from selcon_ros.core.grounding.heatmap import CoarseHeatmap, Heatmap, scaled
from selcon_ros.core.grounding.upsampling import MAX_PRODUCT_SIZE, axis, blur, box_of, extremes
from selcon_ros.core.reason import Reason

sides = st.tuples(st.integers(1, 20), st.integers(1, 150))
smoothings = st.sampled_from([0.0, 0.4, 2.0, 7.0])


def upsampled(cells: np.ndarray, height: int, width: int) -> np.ndarray:
    values = np.empty((height, width), np.float32)
    cv2.resize(cells, (width, height), dst=values, interpolation=cv2.INTER_LINEAR)
    return values


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), sides, sides, smoothings, st.data())
def test_a_box_is_that_of_the_upsampled_and_blurred_image(seed, down, along, smoothing, data) -> None:
    (rows, height), (columns, width) = down, along
    cells = np.random.default_rng(seed).random((rows, columns), np.float32) ** 4
    image = upsampled(cells, height, width)
    low, high = extremes(cells, height, width)
    assert np.allclose([low, high], [image.min(), image.max()], atol=1e-6)
    heat = blur(image, smoothing)
    v, u = (sorted((data.draw(st.integers(0, n)), data.draw(st.integers(0, n)))) for n in (height, width))
    v, u = (v[0], max(v[1], 1)), (u[0], max(u[1], 1))
    if v[0] < v[1] and u[0] < u[1]:
        first, second = axis(rows, height, smoothing), axis(columns, width, smoothing)
        box = box_of(cells, first, second, v, u)
        np.testing.assert_allclose(box, heat[v[0] : v[1], u[0] : u[1]], atol=1e-5)
        assert abs(first.mean @ cells @ second.mean - heat.mean()) < 1e-5


def test_large_boxes_are_made_of_tiles() -> None:
    cells = np.random.default_rng(0).random((60, 80), np.float32)
    first, second = axis(60, 480, 2.0), axis(80, 640, 2.0)
    assert MAX_PRODUCT_SIZE < 480 * 80 * 640
    box = box_of(cells, first, second, (3, 480), (0, 601))
    np.testing.assert_allclose(box, blur(upsampled(cells, 480, 640), 2.0)[3:, :601], atol=1e-5)


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), sides, sides, smoothings, st.floats(0.05, 1), st.booleans())
def test_warm_areas_hold_what_is_warm_once(seed, down, along, smoothing, share, of_map) -> None:
    """Also where several are beside each other, in maps of specks."""
    (rows, height), (columns, width) = down, along
    random = np.random.default_rng(seed)
    cells = scaled(random.random((rows, columns), np.float32) ** int(random.integers(1, 30)), height, width)
    coarse = CoarseHeatmap("hold", cells, height, width, 0.9)
    heat = blur(coarse.upsampled().values, smoothing)
    found = warm_areas(coarse if of_map else coarse.upsampled(), smoothing, share)
    if not found.peak > 0:
        return
    assert abs(found.peak - heat.max()) < 1e-5 and abs(found.mean - coarse.upsampled().values.mean()) < 1e-5
    seen, close = np.zeros((height, width), int), np.zeros((height, width), bool)
    for area in found.areas:
        box = np.s_[area.top : area.top + area.heat.shape[0], area.left : area.left + area.heat.shape[1]]
        seen[box] += area.heat >= share * found.peak
        close[box] |= np.abs(area.heat - share * found.peak) < 1e-5
    np.testing.assert_array_equal(seen[~close], (heat >= share * heat.max())[~close])


def test_a_map_gives_the_mask_of_its_heatmap() -> None:
    random = np.random.default_rng(0)
    for _ in range(20):
        cells = scaled(random.random((15, 20), np.float32) ** 8, 240, 320)
        coarse = CoarseHeatmap("hold", cells, 240, 320, 0.9)
        masks = [hot_mask(each, 0.5, 2.0, 0.0, 30) for each in (coarse, coarse.upsampled())]
        assert masks[0].any() and np.count_nonzero(masks[0] ^ masks[1]) < 5


def test_a_heatmap_that_is_not_finite_has_no_region() -> None:
    for value in (np.nan, np.inf):
        values = np.zeros((48, 64), np.float32)
        values[10:20, 10:20] = 1
        values[40, 60] = value
        found = find_grasps(Heatmap("hold", values, 0.9))
        assert not found.points and [each.reason for each in found.refused] == [Reason.FLAT]
