"""Whether the evidence of other actions helps to tell if an action is possible, and how much each counts.

An action that is possible says that there is a tool, and so something to hold: handles resemble much that is
none, blades and heads do not.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from selcon_training.confidence.evidence import area_under_roc
from selcon_training.confidence.fitting import MIN_EXAMPLES, regression

F64 = NDArray[np.float64]
MIN_GAIN = 0.01
"""Other actions count where they raise the area under the ROC curve by so much, on scenes not fitted to."""
RIDGE = 0.01
"""On the weights of other actions, for evidence of unit variance."""
MIN_SPREAD = 1e-4
"""Evidence that varies less (standard deviation) tells nothing: weights would have no bound."""


def weights_with_others(positives: F64, negatives: Sequence[F64], own: int) -> F64 | None:
    """Fit how much the evidence of each action counts for action number `own`, [C]; None: only its own does.

    positives: evidence [n, C] in scenes that afford the action. negatives: evidence [pictures, views, C]
    where it is impossible, by source; each source weighs the same. No weight is negative: which tools lie
    beside each other is chance. Others count if, fitted on either half of the scenes, they gain MIN_GAIN on
    the other half, averaged over the sources, and if the action's own evidence counts as well.
    """
    if min(len(positives), *map(len, negatives)) < 2 * MIN_EXAMPLES or positives.shape[1] < 2:
        return None
    halves = [_half(positives, negatives, half) for half in (0, 1)]
    *fits, whole = (_fit(*part, own) for part in (*halves, (positives, negatives)))
    gains = []
    for weights, (held, others) in zip(fits, reversed(halves), strict=True):
        gains += [
            area_under_roc(held @ weights, _flat(each) @ weights)
            - area_under_roc(held[:, own], _flat(each)[:, own])
            for each in others
        ]
    return whole if whole[own] > 0 and np.mean(gains) >= MIN_GAIN else None


def _half(positives: F64, negatives: Sequence[F64], half: int) -> tuple[F64, list[F64]]:
    """The first or second half of every source: neighbours, such as views of one scene, stay together."""
    parts = [np.array_split(each, 2)[half] for each in (positives, *negatives)]
    return parts[0], parts[1:]


def _flat(values: F64) -> F64:
    return values.reshape(-1, values.shape[-1])


def _fit(positives: F64, negatives: Sequence[F64], own: int) -> F64:
    """Balanced logistic regression. The most negative weight is left out, until none is."""
    flat = [_flat(each) for each in negatives]
    values = np.concatenate([positives, *flat])
    there = np.arange(len(values)) < len(positives)
    weight = np.concatenate(
        [np.full(len(positives), 0.5 / len(positives))]
        + [np.full(len(each), 0.5 / len(each) / len(flat)) for each in flat]
    )
    spread = values.std(axis=0)
    used = np.flatnonzero(spread >= MIN_SPREAD)
    scaled = (values - values.mean(axis=0)) / np.maximum(spread, MIN_SPREAD)
    while True:
        ridge = np.where(used == own, 1e-4, RIDGE)
        found = regression(scaled[:, used], there, weight, ridge)[:-1]
        if found.min(initial=0.0) >= 0:
            break
        used = np.delete(used, int(found.argmin()))
    weights = np.zeros(values.shape[1])
    weights[used] = found / spread[used]
    return weights
