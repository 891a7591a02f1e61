"""False answers against kept ones: what the confidence is worth, as curve, AUC and shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from selcon_training.confidence.evidence import area_under_roc
from selcon_training.evaluate.answers import NegativeRow, QueryRow
from selcon_training.evaluate.bootstrap import Limits, auc_limits, clusters, mean_limits
from selcon_training.evaluate.evaluation import photo_of

ARGUABLE_ACTION = "hold"
"""Left out of the second count: nearly everything can be held."""
MAX_POINTS = 200
"""Of a curve, at most."""

Numbers = NDArray[np.float64]


def publication(
    rows: Sequence[QueryRow], negatives: Mapping[str, Sequence[NegativeRow]], least: float
) -> dict[str, Any] | None:
    """What passes a confidence of `least`: of possible actions (kept), and of others (answered).

    `negatives` are questions about the latter, by source. None where there are none. Every row has its
    "intervals": of possible actions over objects, of others over photos.
    """
    negatives = {source: answers for source, answers in negatives.items() if answers}
    if not rows or not negatives:
        return None
    everything = [answer for answers in negatives.values() for answer in answers]
    actions = sorted({row.action for row in rows} | {answer.action for answer in everything})
    by_action = {
        action: _figures(
            [row for row in rows if row.action == action],
            [answer for answer in everything if answer.action == action],
            least,
        )
        for action in actions
    }
    return {
        "min_confidence": least,
        "overall": _figures(rows, everything, least),
        "per_action": by_action,
        "sources": {source: _source(rows, answers, least) for source, answers in negatives.items()},
    }


def auc(positive: Numbers, negative: Numbers) -> float | None:
    """The area under the ROC curve; None where there are no positives or no negatives."""
    return area_under_roc(positive, negative) if len(positive) and len(negative) else None


def curve(positive: Numbers, negative: Numbers) -> list[list[float]]:
    """Confidence, share of negatives and of positives that reach it; from the highest, at most MAX_POINTS."""
    levels = np.unique(np.concatenate([positive, negative]))[::-1]
    if len(levels) > MAX_POINTS:
        levels = levels[np.linspace(0, len(levels) - 1, MAX_POINTS).round().astype(int)]
    shares = ((values[None] >= levels[:, None]).mean(axis=1) for values in (negative, positive))
    return np.stack([levels, *shares], axis=1).tolist()  # type: ignore[no-any-return]


def _figures(rows: Sequence[QueryRow], answers: Sequence[NegativeRow], least: float) -> dict[str, Any]:
    positive, negative = _confidence(rows), _confidence(answers)
    both = len(positive) and len(negative)
    limits = {"kept": _passing_limits(positive, _objects(rows), least), "auc": _auc_limits(rows, answers)}
    return {
        "positives": len(positive),
        "kept": _passing(positive, least),
        "negatives": len(negative),
        "answered": _passing(negative, least),
        "auc": auc(positive, negative),
        "intervals": limits | {"answered": _passing_limits(negative, _photos(answers), least)},
        "curve": curve(positive, negative) if both else [],
    }


def _source(rows: Sequence[QueryRow], answers: Sequence[NegativeRow], least: float) -> dict[str, Any]:
    others = [answer for answer in answers if answer.action != ARGUABLE_ACTION]
    counted = _counts(answers, least)
    counted["intervals"]["auc"] = _auc_limits(rows, answers)
    return {
        "auc": auc(_confidence(rows), _confidence(answers)),
        **counted,
        f"without_{ARGUABLE_ACTION}": _counts(others, least),
    }


def _counts(answers: Sequence[NegativeRow], least: float) -> dict[str, Any]:
    surest: dict[str, float] = {}
    for answer in answers:
        photo = photo_of(answer.picture)
        surest[photo] = max(surest.get(photo, 0.0), answer.confidence)
    values, any_of = _confidence(answers), np.array(list(surest.values()), np.float64)
    return {
        "questions": len(answers),
        "answered": _passing(values, least),
        "photos": len(surest),
        "photos_with_any": _passing(any_of, least),
        "intervals": {
            "answered": _passing_limits(values, _photos(answers), least),
            "photos_with_any": _passing_limits(any_of, np.arange(len(any_of)), least),
        },
    }


def _confidence(answers: Sequence[QueryRow] | Sequence[NegativeRow]) -> Numbers:
    return np.asarray([answer.confidence for answer in answers], np.float64)


def _passing(values: Numbers, least: float) -> float | None:
    return float((values >= least).mean()) if len(values) else None


def _objects(rows: Sequence[QueryRow]) -> NDArray[np.int64]:
    return clusters([row.objects[0] for row in rows])


def _photos(answers: Sequence[NegativeRow]) -> NDArray[np.int64]:
    return clusters([photo_of(answer.picture) for answer in answers])


def _passing_limits(values: Numbers, cluster: NDArray[np.int64], least: float) -> Limits:
    return mean_limits(values >= least, cluster)[0]


def _auc_limits(rows: Sequence[QueryRow], answers: Sequence[NegativeRow]) -> Limits:
    return auc_limits(_confidence(rows), _objects(rows), _confidence(answers), _photos(answers))
