"""Several sources of samples in one run, each with its share of every batch."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from selcon_training.data.augmenting import Augmenter, Sample
from selcon_training.data.dense import DenseBatch, DenseImages, stack
from selcon_training.data.ordering import Stream, epoch_order, generator
from selcon_training.data.pictures import PicturePool
from selcon_training.errors import DataError


class SampleSource(Protocol):
    """Numbered pictures that samples are made of."""

    def __len__(self) -> int: ...

    def sample(self, index: int, rng: np.random.Generator) -> Sample:
        """A sample of one picture; the same state of `rng` gives the same one."""


class Negatives:
    """Real pictures that afford no action."""

    def __init__(self, pool: PicturePool, augmenter: Augmenter) -> None:
        self._pool, self._augmenter = pool, augmenter

    def __len__(self) -> int:
        return len(self._pool)

    def sample(self, index: int, rng: np.random.Generator) -> Sample:
        """A picture in a random view, without truth."""
        return self._augmenter.negative(self._pool[index], rng)


class Mixture:
    """Batches of one main source, and of others that have a given share of every batch.

    An epoch is one pass over the main source, in the order of `epoch_order`; the others go round beside it,
    in new random orders, from where the former epoch left them. Pictures are numbered through: first the
    main source's, then the others' one after the other. Without others it gives what `main` alone gives.
    Raises DataError for shares that leave nothing to the main source, and for sources without a picture.
    """

    def __init__(self, main: DenseImages, others: Sequence[tuple[SampleSource, float]] = ()) -> None:
        self.main = main
        self.sources: list[SampleSource] = [main, *(source for source, _ in others)]
        shares = [share for _, share in others]
        if sum(shares) >= 1.0 or min(shares, default=0.5) <= 0.0:
            raise DataError(
                f"shares {', '.join(map(str, shares))} of each batch (data.mix, data.negative_share) must be "
                "above 0 and below 1 in all: the rest is for the data of data.root"
            )
        if not all(len(source) for source in self.sources):
            raise DataError("a source of training pictures is empty")
        lengths = [len(source) for source in self.sources]
        self._first = np.cumsum([0, *lengths])
        self._turns = _turns(lengths[0], [1.0 - sum(shares), *shares])
        self.has_parts = any(getattr(source, "has_parts", False) for source in self.sources)

    def __len__(self) -> int:
        """Samples of an epoch."""
        return len(self._turns)

    def order(
        self, seed: int, epoch: int, groups: Sequence[Iterable[Hashable]] | None = None
    ) -> NDArray[np.int64]:
        """Which picture is shown at every place of an epoch; `groups` of the main source as in
        `epoch_order`."""
        order = np.empty(len(self._turns), np.int64)
        order[self._turns == 0] = epoch_order(len(self.main), seed, epoch, groups)
        for number, source in enumerate(self.sources[1:], 1):
            places = np.flatnonzero(self._turns == number)
            drawn = np.arange(epoch * len(places), (epoch + 1) * len(places))
            rounds = {
                turn: generator(seed, Stream.MIXTURE_ORDER, number, turn).permutation(len(source))
                for turn in np.unique(drawn // len(source)).tolist()
            }
            order[places] = [
                self._first[number] + rounds[turn][place]
                for turn, place in zip(*map(np.ndarray.tolist, divmod(drawn, len(source))), strict=True)
            ]
        return order

    def batch(self, indices: Sequence[int], seed: int, epoch: int, start: int) -> DenseBatch:
        """A batch of these pictures. The same seed, epoch and start (position in the epoch) give the same."""
        samples = []
        for place, index in enumerate(indices, start):
            number = int(np.searchsorted(self._first, index, side="right")) - 1
            rng = generator(seed, Stream.SAMPLE_VIEW, epoch, place)
            samples.append(self.sources[number].sample(int(index - self._first[number]), rng))
        return stack(samples, self.main.classes, self.main.grid, self.has_parts)


def _turns(count: int, shares: Sequence[float]) -> NDArray[np.int64]:
    """Which source has which place of an epoch, until the first one has had `count`: evenly spread, each
    place to the source that is farthest behind its share."""
    if len(shares) == 1:
        return np.zeros(count, np.int64)
    turns: list[int] = []
    behind, wanted = np.zeros(len(shares)), np.asarray(shares)
    left = count
    while left:
        behind += wanted
        number = int(behind.argmax())
        behind[number] -= 1.0
        turns.append(number)
        left -= number == 0
    return np.asarray(turns, np.int64)
