"""Camera-like changes: repeatable, each does what it says, and none moves anything."""

import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from selcon_training.data.photometry import Photometry

NONE = {f"{name}_share": 0.0 for name in (
    "colour", "saturation", "grey", "vignetting", "blur", "motion", "noise", "scale", "jpeg",
)}  # fmt: skip


def picture():
    small = np.random.default_rng(3).integers(40, 216, (9, 12, 3), dtype=np.uint8)
    return cv2.resize(small, (128, 96), interpolation=cv2.INTER_NEAREST)


def changed(image, seeds=30, **only):
    made = Photometry(**(NONE | only))
    return [made(image, np.random.default_rng(seed)) for seed in range(seeds)]


def test_the_same_state_gives_the_same_picture_and_the_input_stays():
    image, photometry = picture(), Photometry()
    kept = image.copy()
    for seed in range(60):
        first, again = (photometry(image, np.random.default_rng(seed)) for _ in range(2))
        assert np.array_equal(first, again) and first.shape == image.shape and first.dtype == np.uint8
    assert np.array_equal(image, kept)
    assert np.array_equal(changed(image, 1)[0], image)


@pytest.mark.parametrize("name", sorted(NONE))
def test_each_change_changes_the_picture_and_can_be_left_out(name):
    image = picture()
    differs = [np.abs(one.astype(int) - image).mean() for one in changed(image, **{name: 1.0})]
    assert max(differs) > 0.4


def test_what_the_changes_are():
    image = picture()
    means = [one.mean() / image.mean() for one in changed(image, colour_share=1.0)]
    assert min(means) < 0.75 and max(means) > 1.25
    assert all(np.ptp(one, axis=2).max() == 0 for one in changed(image, 3, grey_share=1.0))
    sharp = cv2.Laplacian(image, cv2.CV_32F).std()
    for name in ("blur_share", "motion_share", "scale_share"):
        assert min(cv2.Laplacian(o, cv2.CV_32F).std() for o in changed(image, **{name: 1.0})) < 0.5 * sharp
    grey = np.full((96, 128, 3), 120, np.uint8)
    noisy = changed(grey, noise_share=1.0)
    assert max(one.std() for one in noisy) > 4 and all(abs(one.mean() - 120) < 2 for one in noisy)
    dark, bright = (
        np.std(changed(np.full_like(grey, level), noise_share=1.0, read_noise=0.0)) for level in (20, 220)
    )
    assert bright > 2 * dark  # shot noise
    dimmed = changed(grey, vignetting_share=1.0)
    assert all(one[0, 0, 0] <= one[48, 64, 0] for one in dimmed) and min(one[0, 0, 0] for one in dimmed) < 80


def test_blur_does_not_move_anything():
    spot = np.zeros((97, 129, 3), np.uint8)
    spot[48, 64] = 255
    for one in changed(spot, 20, motion_share=1.0) + changed(spot, 5, blur_share=1.0):
        weights = one[:, :, 0].astype(float)
        place = [(weights * grid).sum() / weights.sum() for grid in np.mgrid[:97, :129]]
        assert place == pytest.approx([48, 64], abs=0.3)


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (15, 200), (1500, 30)])
def test_pictures_of_any_size(shape):
    image = np.full((*shape, 3), 90, np.uint8)
    for seed in range(12):
        assert Photometry()(image, np.random.default_rng(seed)).shape == image.shape


@pytest.mark.parametrize("wrong", [{"blur_share": 1.2}, {"quality": 0}, {"scale": 0.0}, {"blurr": 1.0}])
def test_impossible_values_are_refused(wrong):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        Photometry(**wrong)
