"""Random views: truth, masks and labels follow the picture; the plain view is what the robot sees."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selcon_ros.core.grounding.placement import Canvas
from selcon_ros.core.grounding.preprocess import fitted
from selcon_training.data.views import ViewRange, draw_view, see, see_heat, see_labels, see_truth

SIZE, GRID = (96, 128), (24, 32)
WILD = {"zoom": (0.5, 1.6), "turn": 180.0, "shift": 0.2, "stretch": 0.3, "flip": True, "shape_share": 0.5}


def blob(shape):
    """A blurred spot off the middle, as a truth map."""
    values = np.zeros(shape, np.uint8)
    values[shape[0] // 4 : shape[0] // 2, shape[1] // 2 : shape[1] * 5 // 6] = 255
    return cv2.GaussianBlur(values, (0, 0), 5.0)


@given(
    seed=st.integers(0, 10_000),
    fit=st.sampled_from(["stretch", "cover", "pad"]),
    shape=st.sampled_from([(120, 160), (160, 90), (90, 260)]),
)
@settings(max_examples=60, deadline=None)
def test_truth_follows_its_picture_through_any_view(seed, fit, shape):
    truth = blob(shape)
    view = draw_view(shape, SIZE, GRID, ViewRange(fit=fit, **WILD), np.random.default_rng(seed))
    seen = np.zeros(SIZE, np.float32)
    seen[view.place.pixels.slices] = see(truth, view).astype(np.float32) / 255
    cells = seen.reshape(GRID[0], 4, GRID[1], 4).mean(axis=(1, 3))
    small = cv2.resize(truth, (shape[1] // 2, shape[0] // 2), interpolation=cv2.INTER_AREA)
    for of_any_size in (truth, small):
        found = see_truth(of_any_size, view, GRID)
        if found.any():
            assert np.abs(found - cells).max() < 0.12 and np.abs(found - cells).mean() < 0.01
        else:
            assert cells.max() < 0.3  # a fringe at most


@given(seed=st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_labels_follow_their_picture_through_any_view(seed):
    labels = np.zeros((120, 160), np.uint8)
    labels[20:70, 30:120], labels[70:110, 60:100] = 3, 9
    view = draw_view(labels.shape, SIZE, GRID, ViewRange(fit="pad", **WILD), np.random.default_rng(seed))
    found = see_labels(labels, view, GRID)
    assert set(np.unique(found)) <= {0, 3, 9}
    for kind in (3, 9):
        share = see_truth((labels == kind).astype(np.uint8) * 255, view, GRID)
        assert (found[share > 0.98] == kind).all() and (share[found == kind] > 0.02).all()


@pytest.mark.parametrize("fit", ["stretch", "pad"])
@pytest.mark.parametrize("shape", [(96, 128), (150, 200), (200, 150), (60, 300), (288, 384)])
def test_without_any_change_a_view_is_what_the_robot_sees(fit, shape):
    rng = np.random.default_rng(0)
    image = cv2.resize(rng.integers(0, 255, (12, 16, 3), dtype=np.uint8), shape[::-1])
    view = draw_view(shape, SIZE, GRID, ViewRange(fit=fit), rng)
    assert view.place == Canvas(SIZE, GRID, fit).place(shape)
    wanted = fitted(image, Canvas(SIZE, GRID, fit))[view.place.pixels.slices]
    assert np.abs(see(image, view).astype(int) - wanted).mean() < 2.5


def test_views_turn_shrink_shift_and_mirror_as_far_as_they_are_told():
    def matrices(**ranges):
        made = (np.random.default_rng(seed) for seed in range(200))
        return np.array([draw_view(SIZE, SIZE, GRID, ViewRange(**ranges), rng).matrix for rng in made])

    aspect = np.array([[SIZE[1] / SIZE[0], 1.0]]) ** [[1.0], [-1.0]]
    plain = matrices()
    assert np.allclose(plain, [[1, 0, 0], [0, 1, 0]])
    turned = matrices(turn=30.0)[:, :, :2]
    angles = np.degrees(np.arctan2(turned[:, 1, 0] * aspect[1, 0], turned[:, 0, 0]))
    assert np.abs(angles).max() <= 30.01 and np.abs(angles).max() > 25
    zoomed = matrices(zoom=(0.5, 2.0))[:, 0, 0]
    assert zoomed.min() >= 0.499 and zoomed.max() <= 2.001 and zoomed.min() < 0.55 and zoomed.max() > 1.8
    shifted = matrices(shift=0.2)[:, :, 2]
    assert np.abs(shifted).max() <= 0.2001 and np.abs(shifted).max() > 0.15
    mirrored = matrices(flip=True)[:, 0, 0]
    assert set(np.round(mirrored, 6)) == {-1.0, 1.0}
    stretched = matrices(stretch=0.3)
    assert 1.2 < (stretched[:, 1, 1] / stretched[:, 0, 0]).max() <= 1.3001


def test_only_the_fringe_of_a_part_is_no_truth():
    truth = np.zeros((96, 128), np.uint8)
    truth[:, :40] = 40
    view = draw_view(SIZE, SIZE, GRID, ViewRange(), np.random.default_rng(0))
    assert not see_truth(truth, view, GRID).any()
    truth[:, :40] = 90
    assert see_truth(truth, view, GRID).max() == pytest.approx(90 / 255, abs=0.01)


@pytest.mark.parametrize("zoom", [0.5, 1.0])
def test_a_coarse_map_is_hot_up_to_its_border_and_nowhere_else(zoom):
    ranges = ViewRange(zoom=(zoom, zoom), fit="stretch")
    view = replace(draw_view(SIZE, SIZE, GRID, ranges, np.random.default_rng(0)), black=True)
    heat = see_heat(np.ones((3, 4), np.float32), view, GRID)
    picture = see(np.full(SIZE, 255, np.uint8), view).reshape(GRID[0], 4, GRID[1], 4).mean(axis=(1, 3)) / 255
    assert np.abs(heat - picture).max() < 0.6 and np.abs(heat - picture).mean() < 0.03
    assert (heat[picture > 0.999] == 1.0).all() and (heat[picture == 0.0] == 0.0).all()
    assert (heat == 1.0).mean() > 0.9 * zoom**2
