"""Orders and random numbers that depend only on seed, epoch and position, so that training resumes exactly
where it stopped without storing any generator."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from enum import IntEnum
from functools import lru_cache
from itertools import islice
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from selcon_ros.core.machine.processor import usable_cores

T = TypeVar("T")


class Stream(IntEnum):
    """What random numbers are drawn for: no two uses share any.

    A number is part of what a seed means: changed, trainings come out otherwise.
    """

    EPOCH_ORDER = 1
    SAMPLE_VIEW = 2
    WEAK_PARTNERS = 3
    WEAK_VIEW = 4
    HOLD_OUT = 5
    KMEANS = 6
    STORED_VIEW = 7
    MIXTURE_ORDER = 8
    ADAPT_VIEW = 9
    ADAPT_FOLDS = 10
    DISTILL_VIEW = 11
    DIVISION = 12
    DEMO_RECORDING = 99  # studies, in experiments/, have 20 and more


def generator(seed: int, *path: int) -> np.random.Generator:
    """A random generator for this place in training, such as (seed, Stream.SAMPLE_VIEW, epoch, position)."""
    return np.random.default_rng(np.random.SeedSequence([seed, *map(int, path)]))


def epoch_order(
    count: int, seed: int, epoch: int, groups: Sequence[Iterable[Hashable]] | None = None
) -> NDArray[np.int64]:
    """The order in which `count` items are visited in an epoch: a permutation, or, with groups, balanced
    draws.

    `groups[i]` names the classes of item i. Balanced: every class gets the same number of draws (up to one)
    and visits its items round by round in new random orders, so rare classes repeat and frequent ones are
    thinned out.
    """
    rng = generator(seed, Stream.EPOCH_ORDER, epoch)
    if groups is None:
        return rng.permutation(count)
    members: dict[Hashable, list[int]] = {}
    for index, names in enumerate(groups):
        for name in names:
            members.setdefault(name, []).append(index)
    if not members:
        return rng.permutation(count)
    lists = [np.asarray(members[name]) for name in sorted(members, key=str)]
    turns = np.concatenate([rng.permutation(len(lists)) for _ in range(-(-count // len(lists)))])[:count]
    order = np.empty(count, np.int64)
    for number, indices in enumerate(lists):
        places = np.flatnonzero(turns == number)
        rounds = -(-len(places) // len(indices))
        visits = [rng.permutation(indices) for _ in range(rounds)]
        if visits:
            order[places] = np.concatenate(visits)[: len(places)]
    return order


def batches(order: NDArray[np.int64], size: int) -> list[NDArray[np.int64]]:
    """Cut an order into full batches; what is left over at the end waits for another epoch.

    Fewer items than one batch make a single smaller batch.
    """
    if len(order) < size:
        return [order]
    return [order[start : start + size] for start in range(0, len(order) - size + 1, size)]


def epoch_batches(
    order: Callable[[int], NDArray[np.int64]], size: int
) -> Callable[[int], list[NDArray[np.int64]]]:
    """`batches` of the order that an epoch, by its number, has; those of the last two epochs are kept."""
    return lru_cache(maxsize=2)(lambda epoch: batches(order(epoch), size))


def usable_threads() -> int:
    """How many data threads suit this machine: one less than the cores this process may use, 1 to 16.

    The one left runs the training step; OpenCV decodes and resizes without holding Python's lock.
    """
    return min(16, max(1, usable_cores() - 1))


def prefetch(jobs: Iterable[Callable[[], T]], threads: int, ahead: int = 3) -> Iterator[T]:
    """Run jobs on background threads, at most `ahead` before they are needed; yield results in order."""
    waiting: deque[Future[T]] = deque()
    source = iter(jobs)
    pool = ThreadPoolExecutor(max(1, threads), thread_name_prefix="selcon-data")
    try:
        waiting.extend(pool.submit(job) for job in islice(source, ahead))
        while waiting:
            result = waiting.popleft().result()
            waiting.extend(pool.submit(job) for job in islice(source, 1))
            yield result
    finally:
        for future in waiting:
            future.cancel()
        pool.shutdown(wait=True)


def spread(items: Sequence[T], limit: int | None) -> list[T]:
    """At most `limit` items, evenly spread over the list."""
    if limit is None or len(items) <= limit:
        return list(items)
    return [items[index] for index in np.linspace(0, len(items) - 1, limit).round().astype(int)]
