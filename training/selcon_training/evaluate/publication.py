"""False answers against kept ones: what the confidence is worth, as curve, AUC and shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from selcon_training.evaluate.answers import NegativeRow, Row
from selcon_training.evaluate.evaluation import photo_of

ARGUABLE = "hold"
"""Left out of the second count: nearly everything can be held."""
POINTS = 200
"""Of a curve, at most."""

Numbers = NDArray[np.float64]


def publication(
    rows: Sequence[Row], negatives: Mapping[str, Sequence[NegativeRow]], least: float
) -> dict[str, Any] | None:
    """What passes a confidence of `least`: of possible actions (kept), and of others (answered).

    `negatives` are questions about the latter, by source. None where there are none.
    """
    negatives = {source: answers for source, answers in negatives.items() if answers}
    if not rows or not negatives:
        return None
    everything = [answer for answers in negatives.values() for answer in answers]
    actions = sorted({row.action for row in rows} | {answer.action for answer in everything})
    by_action = {
        action: _figures(
            _confidence([row for row in rows if row.action == action]),
            _confidence([answer for answer in everything if answer.action == action]),
            least,
        )
        for action in actions
    }
    return {
        "min_confidence": least,
        "overall": _figures(_confidence(rows), _confidence(everything), least),
        "per_action": by_action,
        "sources": {source: _source(rows, answers, least) for source, answers in negatives.items()},
    }


def auc(positive: Numbers, negative: Numbers) -> float | None:
    """How often a positive is above a negative, ties counting half; None where either is missing."""
    if not len(positive) or not len(negative):
        return None
    ranked = np.sort(negative)
    below, not_above = (np.searchsorted(ranked, positive, side) for side in ("left", "right"))
    return float((below + not_above).mean() / (2 * len(ranked)))


def curve(positive: Numbers, negative: Numbers) -> list[list[float]]:
    """Confidence, share of negatives and of positives that reach it; from the highest, at most POINTS."""
    levels = np.unique(np.concatenate([positive, negative]))[::-1]
    if len(levels) > POINTS:
        levels = levels[np.linspace(0, len(levels) - 1, POINTS).round().astype(int)]
    shares = ((values[None] >= levels[:, None]).mean(axis=1) for values in (negative, positive))
    return np.stack([levels, *shares], axis=1).tolist()  # type: ignore[no-any-return]


def _figures(positive: Numbers, negative: Numbers, least: float) -> dict[str, Any]:
    both = len(positive) and len(negative)
    return {
        "positives": len(positive),
        "kept": _passing(positive, least),
        "negatives": len(negative),
        "answered": _passing(negative, least),
        "auc": auc(positive, negative),
        "curve": curve(positive, negative) if both else [],
    }


def _source(rows: Sequence[Row], answers: Sequence[NegativeRow], least: float) -> dict[str, Any]:
    others = [answer for answer in answers if answer.action != ARGUABLE]
    return {
        "auc": auc(_confidence(rows), _confidence(answers)),
        **_counts(answers, least),
        f"without_{ARGUABLE}": _counts(others, least),
    }


def _counts(answers: Sequence[NegativeRow], least: float) -> dict[str, Any]:
    passed = {photo_of(answer.picture) for answer in answers if answer.confidence >= least}
    photos = {photo_of(answer.picture) for answer in answers}
    return {
        "questions": len(answers),
        "answered": _passing(_confidence(answers), least),
        "photos": len(photos),
        "photos_with_any": len(passed) / len(photos) if photos else None,
    }


def _confidence(answers: Sequence[Row] | Sequence[NegativeRow]) -> Numbers:
    return np.asarray([answer.confidence for answer in answers], np.float64)


def _passing(values: Numbers, least: float) -> float | None:
    return float((values >= least).mean()) if len(values) else None
