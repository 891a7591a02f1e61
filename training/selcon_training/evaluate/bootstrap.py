"""Bootstrap intervals of means, quantiles and AUC, over clusters of rows that are alike, as photos of one
object.

Clusters are drawn with replacement, as many as there are, each with all of its rows. The same rows give the
same intervals.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

RESAMPLES = 2000
CONFIDENCE_LEVEL = 0.95
_WEIGHTS_AT_ONCE = 1 << 20
"""Weights that are held at once."""
Numbers = NDArray[np.float64]
Limits = list[float] | None
"""Low and high end; None for fewer than two clusters with a row, and for no row."""


def clusters(names: Sequence[Hashable]) -> NDArray[np.int64]:
    """The number of each name's cluster [n]: 0, 1, ..."""
    index = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return np.array([index[name] for name in names], np.int64)


def mean_limits(values: ArrayLike, cluster: NDArray[np.int64]) -> list[Limits]:
    """Of the mean of every column of `values` [n, m], or [n]; NaN: not measured."""
    values = np.asarray(values, np.float64)
    values = values[:, None] if values.ndim == 1 else values
    if not len(cluster):
        return [None] * values.shape[1]
    known = np.isfinite(values)
    count = int(cluster.max()) + 1
    sums, sizes = np.zeros((2, count, values.shape[1]))
    np.add.at(sums, cluster, np.where(known, values, 0.0))
    np.add.at(sizes, cluster, known)
    with np.errstate(invalid="ignore"):
        means = np.concatenate([(drawn @ sums) / (drawn @ sizes) for drawn in _drawn(np.arange(count))])
    return [_limits(mean, size) for mean, size in zip(means.T, sizes.T, strict=True)]


def quantile_limits(values: ArrayLike, cluster: NDArray[np.int64], quantile: float) -> Limits:
    """Of a quantile of `values` [n]; NaN: not measured."""
    values = np.asarray(values, np.float64)
    order = np.argsort(values)[: int(np.isfinite(values).sum())]
    if not len(order):
        return None
    found = []
    for drawn in _drawn(cluster):
        passed = drawn[:, order].cumsum(axis=1)
        place = (passed < quantile * passed[:, -1:]).sum(axis=1)
        found.append(np.where(passed[:, -1] > 0, values[order[np.minimum(place, len(order) - 1)]], np.nan))
    return _limits(np.concatenate(found), np.bincount(cluster[order]))


def auc_limits(
    positive: Numbers, of: NDArray[np.int64], negative: Numbers, others: NDArray[np.int64]
) -> Limits:
    """Of how often a positive is above a negative, ties counting half; both are drawn."""
    if not len(positive) or not len(negative):
        return None
    order = np.argsort(negative)
    below, not_above = (np.searchsorted(negative[order], positive, side) for side in ("left", "right"))
    found = []
    size = max(len(positive), len(negative))
    for mine, theirs in zip(_drawn(of, size), _drawn(others, size, seed=1), strict=True):
        passed = np.pad(theirs[:, order].cumsum(axis=1), ((0, 0), (1, 0)))
        won = (mine * (passed[:, below] + passed[:, not_above])).sum(axis=1)
        found.append(won / (2 * mine.sum(axis=1) * passed[:, -1]))
    return _limits(np.concatenate(found), np.ones(min(of.max(), others.max()) + 1))


def _drawn(cluster: NDArray[np.int64], beside: int = 0, seed: int = 0) -> Iterator[NDArray[np.int64]]:
    """How often every row [n] is drawn: RESAMPLES times, in blocks [r, n], as small as for
    `beside` rows."""
    rng, count = np.random.default_rng(seed), int(cluster.max()) + 1
    block = max(1, _WEIGHTS_AT_ONCE // max(len(cluster), beside))
    for start in range(0, RESAMPLES, block):
        drawn = rng.multinomial(count, np.full(count, 1 / count), min(block, RESAMPLES - start))
        yield drawn[:, cluster]


def _limits(found: Numbers, sizes: NDArray[np.number]) -> Limits:
    if (sizes > 0).sum() < 2:
        return None
    ends = np.nanquantile(found, [(1 - CONFIDENCE_LEVEL) / 2, (1 + CONFIDENCE_LEVEL) / 2])
    return [float(end) for end in ends]
