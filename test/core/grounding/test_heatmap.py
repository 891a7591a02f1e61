from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from selcon_ros.core.grounding.heatmap import minmax, refine, soften, upsample

PARITY = Path(__file__).parents[2] / "data" / "parity" / "inference_seen.npz"
MAPS = hnp.arrays(np.float32, (3, 4, 5), elements=st.floats(-1e6, 1e6, width=32))


def test_refined_maps_are_the_authors() -> None:
    """The reported output of the released code for its own CAM and similarity."""
    stored = np.load(PARITY)
    for image, label in enumerate(stored["labels"]):
        cam = stored["cam_all"][image]
        affinity = stored["clip_similarity_all"][image].reshape(cam.shape)
        refined = refine(cam, affinity, "continuous", 0.6)[label]
        wanted = stored["heatmap_refined"][image]
        np.testing.assert_allclose(refined, wanted, atol=1e-4 * np.abs(wanted).max())


def test_the_three_calibrations() -> None:
    cam = np.array([[[2.0, -1.0], [4.0, 8.0]]], np.float32)
    affinity = np.array([[[0.0, 0.5], [0.25, 1.0]]], np.float32)
    np.testing.assert_array_equal(refine(cam, affinity, "continuous", 0.4)[0], [[0, -0.5], [1, 8]])
    np.testing.assert_array_equal(refine(cam, affinity, "binarized", 0.4)[0], [[0, -1], [0, 8]])
    np.testing.assert_array_equal(refine(cam, affinity, "none", 0.4), cam)
    np.testing.assert_array_equal(refine(cam, None, "none", 0.4), cam)


@given(MAPS)
def test_minmax_scales_each_map_on_its_own(maps: np.ndarray) -> None:
    scaled = minmax(maps)
    assert scaled.dtype == np.float32
    for own, out in zip(maps, scaled, strict=True):
        assert out.min() == 0
        assert out.max() == (1 if own.max() > own.min() else 0)


@given(MAPS, st.integers(1, 70), st.integers(1, 70))
def test_heatmaps_lie_in_0_to_1(maps: np.ndarray, height: int, width: int) -> None:
    values = upsample(maps[0], height, width)
    assert values.shape == (height, width) and values.dtype == np.float32
    assert np.isfinite(values).all()
    assert 0 <= values.min() <= 1e-6
    assert values.max() == 0 or 1 - 1e-6 <= values.max() <= 1


def test_the_peak_stays_where_the_patch_is() -> None:
    refined = np.zeros((18, 24), np.float32)
    refined[3, 20] = 5
    v, u = np.unravel_index(upsample(refined, 480, 640).argmax(), (480, 640))
    assert (v * 18 // 480, u * 24 // 640) == (3, 20)


def test_constant_maps_are_no_evidence() -> None:
    assert not upsample(np.full((18, 24), 3, np.float32), 48, 64).any()


def test_a_map_that_is_not_softened_is_the_same_object() -> None:
    maps = np.array([[[-2.0, 1.0], [3.0, 5.0]]], np.float32)
    assert soften(maps, 0, 1) is maps


def test_smoothing_is_a_gaussian_that_loses_no_heat_at_the_border() -> None:
    maps = np.zeros((2, 18, 24), np.float32)
    maps[0, 9, 12] = maps[1, 0, 0] = 4
    before = maps.copy()
    inside, corner = soften(maps, 1.5, 1)
    np.testing.assert_array_equal(maps, before)
    y, x = np.mgrid[:18, :24]
    np.testing.assert_allclose(inside, np.exp(-((y - 9) ** 2 + (x - 12) ** 2) / 4.5), atol=2e-3)
    # Mirrored, a corner's heat comes back four times: twice across either border.
    assert corner.sum() / corner.max() == pytest.approx(inside.sum() / inside.max() / 4, rel=0.35)
    assert corner.argmax() == 0


def test_temperature_is_a_power_of_the_scaled_map() -> None:
    maps = np.array([[[-1.0, 3.0], [1.0, 0.0]]], np.float32)
    np.testing.assert_allclose(soften(maps, 0, 2)[0], [[0, 1], [0.5**0.5, 0.5]], rtol=1e-6)
    np.testing.assert_allclose(soften(maps, 0, 0.5)[0], [[0, 1], [0.25, 0.0625]], rtol=1e-6)


@given(MAPS, st.floats(0, 20), st.floats(0.05, 20))
def test_only_the_blur_can_move_the_peak(maps: np.ndarray, smoothing: float, temperature: float) -> None:
    blurred, soft = soften(maps, smoothing, 1), soften(maps, smoothing, temperature)
    assert soft.shape == maps.shape and soft.dtype == np.float32 and np.isfinite(soft).all()
    if smoothing or temperature != 1:
        assert soft.min() >= 0 and soft.max() <= 1
    for plain, own in zip(blurred, soft, strict=True):
        low, high = float(plain.min()), float(plain.max())
        assert plain.ravel()[own.argmax()] >= high - 2e-6 * (high - low)
