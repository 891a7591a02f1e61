"""Several sources in one run: shares, orders, and that one source alone gives what it always gave."""

import numpy as np
import pytest

from selcon_training.data.agd20k import open_dataset
from selcon_training.data.augmenting import Augmenter, Sample
from selcon_training.data.dense import Augmentation, DenseImages, dense_items
from selcon_training.data.mixing import Mixture, Negatives
from selcon_training.data.ordering import Stream, epoch_order, generator
from selcon_training.data.transforms import (
    Jitter,
    apply_crop,
    apply_crop_to_truth,
    draw_crop,
)
from selcon_training.data.views import ViewRange
from selcon_training.errors import DataError
from support.dataset import COLOURS, make_dataset

SIZE, GRID = (48, 64), (12, 16)


class Pictures:
    """Numbered pictures: each is its number in grey."""

    def __init__(self, count, first=0):
        self.count, self.first = count, first

    def __len__(self):
        return self.count

    def __getitem__(self, number):
        return np.full((30, 40, 3), self.first + number, np.uint8)

    def sample(self, index, rng):
        return Sample(np.full((*SIZE, 3), self.first + index, np.uint8), {})


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    data = open_dataset(make_dataset(tmp_path_factory.mktemp("data"), train=24), "Seen")
    items = dense_items(data, "trainset", tuple(COLOURS))
    jitter = Jitter(0.2, 0.2, 0.2, 0.05)
    made = DenseImages(items, 3, SIZE, GRID, Augmentation((1.0, 1.3), "stretch", True, jitter))
    made.cache()
    return made


def test_one_source_alone_gives_what_it_always_gave(images):
    alone = Mixture(images)
    groups = images.labels()
    for epoch in range(3):
        assert np.array_equal(alone.order(5, epoch), epoch_order(len(images), 5, epoch))
        assert np.array_equal(alone.order(5, epoch, groups), epoch_order(len(images), 5, epoch, groups))
    batch, rng = alone.batch([7, 3], 5, 2, 8), generator(5, Stream.SAMPLE_VIEW, 2, 9)
    picture, truths = images._load(3).picture, images._load(3).truths
    crop = draw_crop(picture.shape[:2], SIZE, (1.0, 1.3), "stretch", True, rng)
    wanted = images.augmentation.jitter(apply_crop(picture, crop, SIZE), rng)
    assert np.array_equal(batch.images[1], wanted) and batch.parts is None
    for action, values in truths.items():
        assert np.array_equal(batch.truth[1, action], apply_crop_to_truth(values, crop, GRID))


def test_every_batch_has_each_source_by_its_share_and_an_epoch_is_a_pass_over_the_main_one(images):
    mixture = Mixture(images, [(Pictures(5), 0.25), (Pictures(40), 0.125)])
    seen: list[int] = []
    for epoch in range(6):
        order = mixture.order(0, epoch)
        main = order[order < 24]
        assert len(order) == len(mixture) and sorted(main) == list(range(24))
        for start in range(0, len(order) - 8, 8):
            part = order[start : start + 8]
            assert (part < 24).sum() == 5 and ((part >= 24) & (part < 29)).sum() == 2
        seen += order[(order >= 24) & (order < 29)].tolist()
    uses = np.bincount(seen, minlength=29)[24:]
    assert uses.max() - uses.min() <= 1  # the small source goes round, whatever an epoch's length
    rounds = [tuple(seen[start : start + 5]) for start in range(0, len(seen) - 5, 5)]
    assert all(len(set(turn)) == 5 for turn in rounds) and len(set(rounds)) > 1


def test_a_sample_depends_on_its_place_and_not_on_who_makes_it(images):
    negatives = Negatives(Pictures(6, first=100), Augmenter(SIZE, GRID, ViewRange(turn=20.0, flip=True)))
    mixture = Mixture(images, [(negatives, 0.3)])
    order = mixture.order(1, 0)[:12].tolist()
    whole = mixture.batch(order, 1, 0, 0)
    halves = [mixture.batch(order[start : start + 6], 1, 0, start) for start in (0, 6)]
    assert np.array_equal(whole.images, np.concatenate([half.images for half in halves]))
    assert np.array_equal(whole.truth, np.concatenate([half.truth for half in halves]))
    nothing = np.asarray(order) >= 24
    assert nothing.sum() in (3, 4) and whole.known.all()
    assert not whole.truth[nothing].any() and whole.truth[~nothing].any(axis=(1, 2, 3)).all()


@pytest.mark.parametrize("shares", [[1.0], [0.5, 0.5], [0.0], [-0.1]])
def test_shares_that_leave_nothing_are_refused(images, shares):
    with pytest.raises(DataError, match=r"shares .* above 0 and below 1"):
        Mixture(images, [(Pictures(3), share) for share in shares])


def test_an_empty_source_is_refused(images):
    with pytest.raises(DataError, match="empty"):
        Mixture(images, [(Pictures(0), 0.5)])
