"""Real pictures behind and on rendered objects: objects stay, the rest goes, truth and labels follow."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from selcon_training.data.agd20k import open_dataset
from selcon_training.data.augmenting import Augmenter, Loaded
from selcon_training.data.compose import Scenery, crop_of, put_on, studio
from selcon_training.data.dense import Augmentation, DenseImages, Variety, dense_items
from selcon_training.data.photometry import Photometry
from selcon_training.data.pictures import PictureFile, PicturePool
from selcon_training.data.views import ViewRange
from support.dataset import COLOURS, make_dataset

SIZE, GRID = (96, 128), (24, 32)
RED, GREEN, BLUE, GREY = (200, 20, 20), (20, 200, 20), (20, 20, 200), (128, 128, 128)


def pool(folder, colour):
    path = folder / f"{colour[0]}_{colour[1]}.png"
    cv2.imwrite(str(path), np.full((200, 300, 3), colour[::-1], np.uint8))
    return PicturePool([PictureFile(path)], SIZE, "data.x")


@pytest.fixture(scope="module")
def blue(tmp_path_factory):
    return pool(tmp_path_factory.mktemp("blue"), BLUE)


@pytest.fixture(scope="module")
def green(tmp_path_factory):
    return pool(tmp_path_factory.mktemp("green"), GREEN)


def scene():
    """A red object of two parts, and a block that is clutter, on grey."""
    picture = np.full((*SIZE, 3), GREY, np.uint8)
    parts, objects = np.zeros(SIZE, np.uint8), np.zeros(SIZE, np.uint8)
    picture[20:60, 30:80], objects[20:60, 30:80] = RED, 255
    parts[20:60, 30:50], parts[20:60, 50:80], parts[70:90, 90:120] = 1, 2, 9
    picture[70:90, 90:120] = (230, 230, 20)
    truth = (parts == 1).astype(np.uint8) * 255
    return Loaded(picture, SIZE, {0: truth}, parts, objects)


def share_near(image, colour, within=60):
    return (np.abs(image.astype(int) - colour).max(axis=2) < within).mean()


def test_the_background_becomes_a_real_picture_and_objects_stay(blue):
    make = Augmenter(SIZE, GRID, ViewRange(), scenery=Scenery(blue, 1.0))
    clutter = 0
    for seed in range(20):
        sample = make(scene(), np.random.default_rng(seed))
        assert share_near(sample.image, GREY, 30) < 0.02
        assert share_near(sample.image[22:58, 32:78], RED) == 1.0
        assert sample.truths[0][6:14, 8:12].min() == 1.0
        assert sample.truths[0].sum() == pytest.approx(50, abs=3)
        assert (sample.parts[5:15, 8:12] == 1).all() and (sample.parts[5:15, 13:20] == 2).all()
        stays = share_near(sample.image[72:88, 92:118], (230, 230, 20)) == 1.0
        assert (sample.parts == 9).any() == stays
        clutter += stays
    assert 4 <= clutter <= 16


def test_shares_say_how_often(blue, green):
    def rate(scenery, channel, where):
        make = Augmenter(SIZE, GRID, ViewRange(), scenery=scenery)
        samples = [make(scene(), np.random.default_rng(seed)).image[where] for seed in range(150)]
        means = np.array([sample.reshape(-1, 3).mean(axis=0) for sample in samples])
        return np.mean((means[:, channel] > means[:, (channel + 1) % 3]) & (np.ptp(means, axis=1) > 25))

    outside, inside = np.s_[64:, :80], np.s_[22:58, 32:78]
    assert 0.5 < rate(Scenery(blue, 0.6), 2, outside) < 0.7
    assert rate(Scenery(blue, 0.0), 2, outside) == 0.0
    on_parts = [Scenery(textures=green, texture_share=share) for share in (0.0, 0.5)]
    assert rate(on_parts[0], 1, inside) == 0.0 and 0.35 < rate(on_parts[1], 1, inside) < 0.6
    both = Scenery(blue, 1.0, green, 0.0)
    assert 0.3 < rate(both, 1, outside) < 0.5  # a surface instead of a photograph
    smooth = Scenery(blue, 1.0, studio_share=0.5)
    assert 0.4 < rate(smooth, 2, outside) < 0.7


def test_a_studio_is_smooth_and_of_many_shades():
    pictures = [studio(np.random.default_rng(seed)) for seed in range(40)]
    assert all(picture.shape == (96, 128, 3) and picture.dtype == np.uint8 for picture in pictures)
    assert max(np.abs(np.diff(picture.astype(int), axis=0)).max() for picture in pictures) < 30
    shades = [picture.mean() for picture in pictures]
    assert min(shades) < 50 and max(shades) > 170
    assert np.ptp([np.ptp(picture.mean(axis=(0, 1))) for picture in pictures]) > 20  # grey and tinted


def test_pictures_without_label_maps_keep_their_background(blue, green):
    make = Augmenter(SIZE, GRID, ViewRange(), scenery=Scenery(blue, 1.0, green, 1.0))
    plain = replace(scene(), parts=None, objects=None)
    sample = make(plain, np.random.default_rng(0))
    assert np.array_equal(sample.image, plain.picture) and sample.parts is None


def test_nothing_of_the_old_background_is_reflected_beside_the_objects(blue):
    views = ViewRange((0.4, 0.6), "pad", True, 180.0, 0.3)
    make = Augmenter(SIZE, GRID, views, scenery=Scenery(blue, 1.0))
    for seed in range(20):
        sample = make(scene(), np.random.default_rng(seed))
        assert share_near(sample.image, GREY, 30) < 0.02
        assert sample.truths[0].sum() < 50 * 0.5  # once, smaller than in the picture


def test_a_texture_keeps_the_shading_and_stays_on_its_parts():
    ramp = np.repeat(np.linspace(60, 200, 128)[None, :, None], 96, axis=0).repeat(3, axis=2).astype(np.uint8)
    mask = np.zeros(SIZE, np.uint8)
    mask[:, 20:100] = 255
    texture = np.full((*SIZE, 3), (160, 80, 40), np.uint8)
    made = put_on(ramp, mask, texture, np.random.default_rng(1)).astype(int)
    assert np.array_equal(made[:, :20], ramp[:, :20]) and np.array_equal(made[:, 100:], ramp[:, 100:])
    assert (made[:, 30:90, 0] > made[:, 30:90, 2] + 5).all() and made[50, 95].sum() > 1.5 * made[50, 25].sum()


def test_windows_of_pictures_have_the_wanted_size():
    rng = np.random.default_rng(0)
    for shape in ((300, 200), (96, 128), (10, 500), (1, 1)):
        for _ in range(8):
            assert crop_of(np.zeros((*shape, 3), np.uint8), SIZE, rng).shape == (*SIZE, 3)


def test_around_a_padded_picture_is_black_whatever_the_camera_does():
    make = Augmenter(SIZE, GRID, ViewRange(fit="pad"), photometry=Photometry(exposure=2.0, noise_share=1.0))
    tall = Loaded(np.full((160, 80, 3), 100, np.uint8), (160, 80))
    for seed in range(20):
        image = make(tall, np.random.default_rng(seed)).image
        assert not image[:, :40].any() and not image[:, 88:].any() and image[:, 44:84].any()


@pytest.mark.parametrize("fit", ["stretch", "pad"])
def test_cached_and_fresh_pictures_make_nearly_the_same_samples(tmp_path, blue, fit):
    data = open_dataset(make_dataset(tmp_path, train=6), "Seen")
    items = dense_items(data, "trainset", tuple(COLOURS))
    views = ViewRange((0.7, 1.2), fit, True, 90.0)
    variety = Variety(Augmenter(SIZE, GRID, views, scenery=Scenery(blue, 0.5)), parts=True, kinds=5)
    fresh, cached = (
        DenseImages(items, 3, SIZE, GRID, Augmentation((0.7, 1.2), fit), variety) for _ in range(2)
    )
    cached.cache(threads=3)
    one, other = (images.batch(range(6), 0, 1, 0) for images in (fresh, cached))
    assert np.abs(one.images.astype(int) - other.images).mean() < 4
    assert np.abs(one.truth - other.truth).mean() < 0.01
    assert (one.parts == other.parts).mean() > 0.99 and set(np.unique(one.parts)) <= {0, 1, 2, 3}
    for action in range(3):
        on = one.truth[:, action] > 0.7
        assert on.any() and (one.parts[on] == action + 1).mean() > 0.95


def test_parts_are_unknown_without_a_label_map_and_absent_where_nothing_has_one(tmp_path):
    data = open_dataset(make_dataset(tmp_path, train=3), "Seen")
    items = dense_items(data, "trainset", tuple(COLOURS))
    mixed = [replace(items[0], parts=None), items[1]]
    made = DenseImages(mixed, 3, SIZE, GRID, Augmentation(), Variety(parts=True, kinds=5))
    parts = made.batch([0, 1], 0, 0, 0).parts
    assert (parts[0] == 255).all() and (parts[1] < 5).all()
    made.cache()
    assert np.array_equal(made.batch([0, 1], 0, 0, 0).parts, parts)
    none = [replace(item, parts=None) for item in items]
    for given, asked in ((none, True), (items, False)):
        images = DenseImages(given, 3, SIZE, GRID, Augmentation(), Variety(parts=asked))
        assert images.batch([0], 0, 0, 0).parts is None
