"""Fitting the presence of a finished network: which of the actions that it finds a place for are possible.

The network stays as it is. What lies under its own heat, in training pictures with and without each action,
is weighed by a logistic regression per action, and the weights become part of its graph.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from selcon_training.confidence.fitting import F64, MIN_EXAMPLES, regression
from selcon_training.errors import DataError
from selcon_training.models.presence import Presence
from selcon_training.models.pyramid import PyramidNet

RIDGE = 4.0
"""On the weights of features of unit variance, where all examples together weigh 1."""
LEAST_SPREAD = 1e-3
SURE = 30.0
"""The logit of what is always possible."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Seen:
    """What lies under a network's heat: `values` [n, C, D], and whether each action is `possible` [n, C],
    where that is `known` [n, C]."""

    values: NDArray[np.float32]
    possible: NDArray[np.bool_]
    known: NDArray[np.bool_]


def fit(net: PyramidNet, seen: Seen) -> Presence:
    """The presence that tells best, for each action, the pictures where it is possible from the others.

    Both weigh the same. An action with fewer than MIN_EXAMPLES of either keeps its maps, which a warning
    says. Raises DataError if this is so for all.
    """
    classes, (_, _, size) = len(net.actions), seen.values.shape
    weights, constants = np.zeros((classes, size)), np.full(classes, SURE)
    counts = {}
    for index, action in enumerate(net.actions):
        known = seen.known[:, index]
        there = seen.possible[known, index]
        counts[action] = int(there.sum()), int((~there).sum())
        if min(counts[action]) >= MIN_EXAMPLES:
            values = seen.values[known, index].astype(np.float64)
            weights[index], constants[index] = _fit_action(values, there)
    _check(counts)
    possible = {action: there for action, (there, _) in counts.items()}
    record = {"pictures": len(seen.values), "ridge": RIDGE, "possible": possible}
    presence = net.new_presence(record)
    parts = np.split(weights, [net.heads.width], axis=1)
    with torch.no_grad():
        for layer, part in zip((presence.cells, presence.coarsest), parts, strict=True):
            layer.weight.copy_(torch.from_numpy(part)[..., None, None])
            assert layer.bias is not None
            layer.bias.zero_()
        assert presence.cells.bias is not None
        presence.cells.bias.copy_(torch.from_numpy(constants))
    return presence.eval()


def _check(counts: Mapping[str, tuple[int, int]]) -> None:
    """Say of which actions there are too few examples; raise DataError if of all."""
    few = {action: each for action, each in counts.items() if min(each) < MIN_EXAMPLES}
    listed = ", ".join(f"{action} {there} and {not_there}" for action, (there, not_there) in few.items())
    remedy = f"a presence needs {MIN_EXAMPLES} of each: more pictures (--pictures), or data.negatives"
    if len(few) == len(counts):
        raise DataError(f"pictures in which an action is possible and impossible: {listed}; {remedy}")
    if few:
        _log.warning(
            "too few pictures in which an action is possible and impossible: %s, which stay as they are; %s",
            listed,
            remedy,
        )


def _fit_action(values: F64, there: NDArray[np.bool_]) -> tuple[F64, float]:
    """Weights and constant for features as they are."""
    mean, spread = values.mean(axis=0), values.std(axis=0) + LEAST_SPREAD
    weight = np.where(there, 0.5 / there.sum(), 0.5 / (~there).sum())
    found = regression((values - mean) / spread, there, weight, np.full(values.shape[1], RIDGE))
    scaled = found[:-1] / spread
    return scaled, float(found[-1] - scaled @ mean)
