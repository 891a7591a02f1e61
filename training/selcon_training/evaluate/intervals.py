"""The intervals of an evaluation's figures, over objects: photos of one object are alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from selcon_training.evaluate.answers import NegativeRow, QueryRow
from selcon_training.evaluate.bootstrap import (
    CONFIDENCE_LEVEL,
    RESAMPLES,
    clusters,
    mean_limits,
    quantile_limits,
)
from selcon_training.evaluate.evaluation import photo_of
from selcon_training.evaluate.measures import Scores

METRICS = ("right_part", "kld", "sim", "nss")


def intervals(rows: Sequence[QueryRow], negatives: Sequence[NegativeRow] = ()) -> dict[str, Any]:
    """The 95 % intervals of the figures overall, per action, object and calibration, `[low, high]` each; None
    where there is only one to draw from.

    Object folders are drawn, those of negative queries and of a single object photos; a query with several
    objects belongs to the first.
    """
    actions = sorted({row.action for row in rows} | {row.action for row in negatives})
    objects = sorted({name for row in rows for name in row.objects})
    return {
        "level": CONFIDENCE_LEVEL,
        "resamples": RESAMPLES,
        "over": "object folders",
        "overall": figures_intervals(rows, negatives),
        "per_action": {
            action: figures_intervals(
                [row for row in rows if row.action == action],
                [row for row in negatives if row.action == action],
            )
            for action in actions
        },
        "per_object": {
            name: figures_intervals([row for row in rows if name in row.objects], photos=True)
            for name in objects
        },
        "calibrations": {
            calibration: _maps([row.others[calibration] for row in rows], [row.objects[0] for row in rows])
            for calibration in (rows[0].others if rows else ())
        },
    }


def figures_intervals(
    rows: Sequence[QueryRow], negatives: Sequence[NegativeRow] = (), photos: bool = False
) -> dict[str, Any]:
    """The intervals of `evaluation.summary`, and the number of objects; `photos` are drawn instead."""
    of = [photo_of(row.picture) if photos else row.objects[0] for row in rows]
    cluster = clusters(of)
    distances = [np.nan if row.distance is None else row.distance for row in rows]
    (grasps,) = mean_limits([row.grasps > 0 for row in rows], cluster)
    (nothing,) = mean_limits(
        [row.grasps == 0 for row in negatives], clusters([photo_of(row.picture) for row in negatives])
    )
    return {
        "objects": len({row.objects[0] for row in rows}),
        **_maps(rows, of),
        "with_grasp": grasps,
        "grasp_distance_median_m": quantile_limits(distances, cluster, 0.5),
        "grasp_distance_p90_m": quantile_limits(distances, cluster, 0.9),
        "nothing_without_grasp": nothing,
    }


def _maps(scores: Sequence[QueryRow | Scores], of: Sequence[str]) -> dict[str, Any]:
    values = [(float(one.right), one.kld, one.sim, one.nss) for one in scores]
    found = mean_limits(np.reshape(values, (len(scores), len(METRICS))), clusters(of))
    return dict(zip(METRICS, found, strict=True))
