"""Bootstrap intervals of an evaluation's means, over objects: photos of one object are alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from selcon_training.evaluate.answers import Row

RESAMPLES = 2000
LEVEL = 0.95
FIGURES = ("right_part", "kld", "with_grasp")


def intervals(rows: Sequence[Row]) -> dict[str, Any]:
    """The 95 % intervals of FIGURES overall and per action, `[low, high]` each; None for a single object.

    Object folders are drawn with replacement, as many as there are, each with all of its queries; an interval
    lies between the 2.5th and the 97.5th percentile of the means. A query with several objects belongs to the
    first. The same rows give the same intervals.
    """
    actions = sorted({row.action for row in rows})
    return {
        "level": LEVEL,
        "resamples": RESAMPLES,
        "over": "object folders",
        "overall": _intervals(rows),
        "per_action": {
            action: _intervals([row for row in rows if row.action == action]) for action in actions
        },
    }


def _intervals(rows: Sequence[Row]) -> dict[str, Any]:
    names = sorted({row.objects[0] for row in rows})
    index = {name: number for number, name in enumerate(names)}
    values = np.array([[float(row.right), row.kld, float(row.grasps > 0)] for row in rows])
    of = np.array([index[row.objects[0]] for row in rows])
    found = bootstrap(values, of) if len(names) > 1 else None
    limits = {name: None if found is None else found[:, i].tolist() for i, name in enumerate(FIGURES)}
    return {"objects": len(names), **limits}


def bootstrap(values: NDArray[np.float64], cluster: NDArray[np.int64]) -> NDArray[np.float64]:
    """Low and high end [2, m] of the means of `values` [n, m], whose rows lie in clusters 0, 1, ..."""
    count = int(cluster.max()) + 1
    sums = np.zeros((count, values.shape[1]))
    np.add.at(sums, cluster, values)
    sizes = np.bincount(cluster, minlength=count)
    drawn = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), RESAMPLES)
    means = (drawn @ sums) / (drawn @ sizes)[:, None]
    ends: NDArray[np.float64] = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return ends
