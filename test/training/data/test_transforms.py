"""Crops, truth maps that stay aligned with them, the test stretch, jitter, orders."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selcon_ros.core.grounding.manifest import Manifest
from selcon_ros.core.grounding.preprocess import preprocess
from selcon_training.data.agd20k import open_dataset
from selcon_training.data.dense import Augmentation, DenseImages, dense_items
from selcon_training.data.device import to_input
from selcon_training.data.ordering import batches, epoch_batches, epoch_order, prefetch
from selcon_training.data.transforms import (
    WHOLE_IMAGE,
    Crop,
    Jitter,
    apply_crop,
    apply_crop_to_truth,
    draw_crop,
    resize,
)
from selcon_training.data.weak import draw_weak, load_weak, weak_split
from support.dataset import COLOURS, make_dataset

sizes = st.tuples(st.integers(40, 300), st.integers(40, 300))


@given(
    image=sizes, zoom=st.floats(1.0, 2.0), seed=st.integers(0, 99), fit=st.sampled_from(["cover", "stretch"])
)
@settings(max_examples=60, deadline=None)
def test_a_crop_lies_in_the_image_and_cover_keeps_the_aspect_ratio(image, zoom, seed, fit):
    target = (64, 96)
    crop = draw_crop(image, target, (zoom, zoom), fit, True, np.random.default_rng(seed))
    assert crop.top >= 0 and crop.left >= 0
    assert crop.top + crop.height <= 1 + 1e-9 and crop.left + crop.width <= 1 + 1e-9
    if fit == "cover":
        shape = (crop.height * image[0]) / (crop.width * image[1])
        assert shape == pytest.approx(target[0] / target[1])
        assert max(crop.height, crop.width) == pytest.approx(1 / zoom)


def test_the_papers_transform_at_its_own_size():
    # Short side to 256, random 224 crop: of a 512 x 768 image a window of 448 x 448.
    crop = draw_crop((512, 768), (224, 224), (8 / 7, 8 / 7), "cover", True, np.random.default_rng(0))
    assert (crop.height * 512, crop.width * 768) == pytest.approx((448, 448))


@given(seed=st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_truth_follows_its_picture_through_crop_and_flip(seed):
    rng = np.random.default_rng(seed)
    rows, columns = 168, 224
    truth = np.zeros((rows, columns), np.uint8)
    y, x = rng.integers(20, rows - 60), rng.integers(20, columns - 60)
    truth[y : y + 40, x : x + 40] = 255
    truth = cv2.GaussianBlur(truth, (0, 0), 6.0)
    picture = np.repeat(truth[:, :, None], 3, axis=2)
    crop = draw_crop((rows, columns), (144, 192), (1.0, 1.4), "stretch", True, rng)
    seen = apply_crop(picture, crop, (144, 192))[:, :, 0].astype(np.float32) / 255
    cells = seen.reshape(9, 16, 12, 16).mean(axis=(1, 3))
    assert np.abs(cells - apply_crop_to_truth(truth, crop, (9, 12))).max() < 0.04


def test_flip_mirrors_picture_and_truth():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 255, (72, 96), dtype=np.uint8)
    plain, mirrored = (apply_crop_to_truth(truth, Crop(0, 0, 1, 1, flip), (18, 24)) for flip in (False, True))
    assert np.allclose(plain[:, ::-1], mirrored, atol=1e-5)
    assert np.allclose(plain, truth.reshape(18, 4, 24, 4).mean(axis=(1, 3)) / 255, atol=1e-5)
    image = rng.integers(0, 255, (20, 30, 3), dtype=np.uint8)
    assert np.array_equal(apply_crop(image, Crop(0, 0, 1, 1, True), (20, 30)), image[:, ::-1])
    assert np.array_equal(apply_crop(image, WHOLE_IMAGE, (20, 30)), image)


@pytest.mark.parametrize("shape", [(480, 640), (100, 600), (60, 70), (288, 384)])
def test_resizing_is_what_the_robot_does(shape):
    image = np.random.default_rng(0).integers(0, 255, (*shape, 3), dtype=np.uint8)
    manifest = Manifest("n", "d", "l", ("hold",), (288, 384), (18, 24))
    ours = to_input(resize(image, (288, 384))[None], device="cpu").numpy()
    assert np.allclose(ours, preprocess(image, manifest), atol=1e-5)


def test_jitter_changes_colours_within_bounds_and_repeatably():
    image = np.random.default_rng(0).integers(0, 255, (16, 16, 3), dtype=np.uint8)
    jitter = Jitter(0.3, 0.3, 0.3, 0.05)
    first, again = (jitter(image, np.random.default_rng(5)) for _ in range(2))
    other = jitter(image, np.random.default_rng(6))
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    assert np.array_equal(Jitter()(image, np.random.default_rng(5)), image)
    grey = np.full((8, 8, 3), 90, np.uint8)
    recoloured = Jitter(saturation=0.9, hue=0.4)(grey, np.random.default_rng(5))
    assert np.abs(recoloured.astype(int) - 90).max() <= 1  # grey has no hue to turn


def test_jitter_brightness_scales_and_contrast_keeps_the_mean():
    image = np.random.default_rng(0).integers(80, 120, (32, 32, 3), dtype=np.uint8)

    class Fixed:
        def __init__(self, *values):
            self.values = list(values)

        def uniform(self, *_):
            return self.values.pop(0)

    brighter = Jitter(brightness=0.5)(image, Fixed(1, 0, 0, 0))
    assert brighter.mean() == pytest.approx(image.mean() * 1.5, abs=1)
    flatter = Jitter(contrast=0.5)(image, Fixed(0, -1, 0, 0))
    assert flatter.mean() == pytest.approx(image.mean(), abs=1)
    assert flatter.std() == pytest.approx(image.std() * 0.5, rel=0.1)


def test_an_epoch_visits_everyone_once_in_an_order_of_its_own():
    first = epoch_order(50, seed=3, epoch=0)
    assert sorted(first) == list(range(50))
    assert np.array_equal(first, epoch_order(50, seed=3, epoch=0))
    assert not np.array_equal(first, epoch_order(50, seed=3, epoch=1))
    assert not np.array_equal(first, epoch_order(50, seed=4, epoch=0))


@given(
    counts=st.lists(st.integers(1, 40), min_size=1, max_size=6),
    total=st.integers(1, 200),
    seed=st.integers(0, 9),
)
@settings(max_examples=60, deadline=None)
def test_balanced_orders_give_every_class_its_share(counts, total, seed):
    groups = [[name] for name, count in enumerate(counts) for _ in range(count)]
    order = epoch_order(total, seed, 0, groups)
    drawn = np.bincount([groups[i][0] for i in order], minlength=len(counts))
    assert len(order) == total and drawn.max() - drawn.min() <= 1
    uses = np.bincount(order, minlength=len(groups))
    for name in range(len(counts)):
        own = uses[[g[0] == name for g in groups]]
        assert own.max() - own.min() <= 1  # nobody comes twice before all of his class came once


def test_batches_are_full_and_short_lists_make_one():
    assert [len(b) for b in batches(np.arange(10), 4)] == [4, 4]
    assert [len(b) for b in batches(np.arange(3), 4)] == [3]


def test_the_batches_of_two_epochs_are_kept():
    asked = []

    def order(epoch):
        asked.append(epoch)
        return np.arange(10) + epoch

    of_epoch = epoch_batches(order, 4)
    for epoch in (0, 1, 1, 0, 2, 1):
        assert [batch.tolist() for batch in of_epoch(epoch)] == [
            [epoch + place for place in range(start, start + 4)] for start in (0, 4)
        ]
    assert asked == [0, 1, 2, 1]


def test_prefetch_keeps_the_order_and_passes_errors_on():
    import time

    def job(number):
        time.sleep(0.002 * (5 - number % 5))
        if number == 7:
            raise RuntimeError("seven")
        return number

    got = []
    with pytest.raises(RuntimeError, match="seven"):
        for value in prefetch([lambda n=n: job(n) for n in range(20)], threads=3):
            got.append(value)
    assert got == list(range(7))


@pytest.mark.parametrize("cached", [False, True])
def test_dense_batches_depend_on_seed_epoch_and_position_only(tmp_path, cached):
    data = open_dataset(make_dataset(tmp_path, train=6), "Seen")
    items = dense_items(data, "trainset", tuple(COLOURS))
    jitter = Jitter(0.2, 0.2, 0.2, 0.05)
    images = DenseImages(items, 3, (96, 128), (6, 8), Augmentation((1.0, 1.3), "stretch", True, jitter))
    if cached:
        images.cache()
    batch = images.batch([2, 0], seed=1, epoch=4, start=8)
    again = images.batch([0], seed=1, epoch=4, start=9)
    assert np.array_equal(batch.images[1], again.images[0]) and np.array_equal(batch.truth[1], again.truth[0])
    assert not np.array_equal(batch.images[0], images.batch([2], seed=1, epoch=5, start=8).images[0])
    assert batch.known.all() and batch.truth.shape == (2, 3, 6, 8)


def test_cached_and_fresh_pictures_agree(tmp_path):
    data = open_dataset(make_dataset(tmp_path, train=3), "Seen")
    items = dense_items(data, "trainset", tuple(COLOURS))
    fresh, cached = (DenseImages(items, 3, (96, 128), (6, 8), Augmentation()) for _ in range(2))
    cached.cache()
    for index in range(3):
        one, other = fresh.plain([index]), cached.plain([index])
        assert np.array_equal(one.images, other.images)
        assert np.abs(one.truth - other.truth).max() < 0.05
        # The truth lies where the picture shows the action's colour.
        for action, colour in enumerate(COLOURS.values()):
            near = (
                (np.abs(one.images[0].astype(int) - colour).sum(axis=2) < 60)
                .reshape(6, 16, 8, 16)
                .mean(axis=(1, 3))
            )
            if near.max() > 0.2:
                assert near[np.unravel_index(one.truth[0, action].argmax(), (6, 8))] > 0.2
            else:
                assert not one.truth[0, action].any()


def test_weak_draws_come_from_the_right_folder_without_repetition(tmp_path):
    data = open_dataset(make_dataset(tmp_path, train=12, exhaustive=False), "Seen")
    split = weak_split(data, "trainset", tuple(COLOURS))
    order = np.arange(len(split.exo))
    draw = draw_weak(split, order, 3, seed=0, epoch=0, start=0)
    for row in range(len(order)):
        folder = split.exo_folder[row]
        assert len(set(draw.exo[row])) == 3 and draw.exo[row, 0] == row
        assert {split.exo_folder[i] for i in draw.exo[row]} == {folder}
        assert (split.ego[draw.ego[row]].action, split.ego[draw.ego[row]].object) == folder
        assert list(COLOURS)[draw.label[row]] == folder[0]
    part = draw_weak(split, order[5:7], 3, seed=0, epoch=0, start=5)
    assert np.array_equal(part.exo, draw.exo[5:7]) and np.array_equal(part.ego, draw.ego[5:7])


def test_weak_draws_from_a_small_folder_repeat(tmp_path):
    data = open_dataset(make_dataset(tmp_path, train=3, exhaustive=False), "Seen")
    split = weak_split(data, "trainset", tuple(COLOURS))
    draw = draw_weak(split, np.arange(2), 5, seed=0, epoch=0, start=0)
    assert draw.exo.shape == (2, 5)


def test_an_unreadable_image_is_named(tmp_path):
    data = open_dataset(make_dataset(tmp_path, train=3, exhaustive=False), "Seen")
    item = data.items("trainset")[0]
    item.path.write_bytes(b"\xff\xd8 not a jpeg")
    with pytest.raises(ValueError, match=item.path.name):
        load_weak([item], (96, 128), Augmentation(), 0, 0, 0, 0)
