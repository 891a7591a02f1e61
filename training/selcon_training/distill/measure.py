"""How close a student's answers are to its teacher's, on pictures that were held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from selcon_ros.core.grounding.confidence import ConfidenceFit
from selcon_ros.core.grounding.grounder import Grounder
from selcon_ros.core.grounding.placement import Canvas
from selcon_training.confidence.fitting import MIN_EXAMPLES, fit_probabilities
from selcon_training.data.images import F32, read_picture
from selcon_training.distill.answers import MIN_CONFIDENCE, Store, TeacherAnswer
from selcon_training.distill.pictures import HashedPicture
from selcon_training.evaluate.bootstrap import mean_limits, quantile_limits
from selcon_training.evaluate.metrics import compare_maps, prepare_prediction
from selcon_training.models.network import Network
from selcon_training.training.validation import NetworkPictures, pictures, predict

F64 = NDArray[np.float64]


def divergences(maps: F32, answer: TeacherAnswer) -> F64:
    """KLD (method.md §9) of a student's maps [C, h, w] from its teacher's, float64 [C]; NaN where the
    teacher's is constant."""
    found = np.full(len(maps), np.nan)
    truth = prepare_prediction(answer.maps)
    moving = (truth.amax(dim=(-2, -1)) > 0).numpy()
    if moving.any():
        found[moving] = compare_maps(prepare_prediction(maps[moving]), truth[moving]).kld.numpy()
    return found


class HeldOut:
    """The KLD from the teacher on some pictures, between epochs: its mean over what the teacher answers."""

    def __init__(
        self, photos: Sequence[HashedPicture], store: Store, fitted: bool, canvas: Canvas, batch_size: int
    ) -> None:
        self.photos, self.store, self.fitted = list(photos), store, fitted
        self.canvas, self.batch_size = canvas, batch_size
        self._seen: NetworkPictures | None = None

    def run(self, net: Network) -> dict[str, float]:
        if self._seen is None:
            self._seen = pictures([photo.path for photo in self.photos], self.canvas)
        found: list[float] = []
        outputs = predict(net, self._seen.images, self.batch_size)
        for photo, place, (cam, _) in zip(self.photos, self._seen.places, outputs, strict=True):
            answer = self.store.get(photo.key)
            if answer is not None:
                rows, columns = place.cells.slices
                found += divergences(cam[:, rows, columns], answer)[answer.counts(self.fitted)].tolist()
        return {"kld": float(np.mean(found))} if found else {}


@dataclass(frozen=True)
class StudentComparison:
    """Teacher and student about n held-out pictures and C actions: the KLD of their maps (NaN where the
    teacher's is constant), the student's evidence and the teacher's confidence, float64 [n, C], and what the
    teacher answers, bool [n, C]."""

    photos: list[HashedPicture]
    kld: F64
    evidence: F64
    confidence: F64
    counts: NDArray[np.bool_]


def compare(
    student: Grounder, photos: Sequence[HashedPicture], store: Store, fitted: bool
) -> StudentComparison:
    """Ask a student's engine about pictures of which the store has the teacher's answer."""
    kept, klds, evidences, confidence, counts = [], [], [], [], []
    for photo in photos:
        answer = store.get(photo.key)
        if answer is None:
            continue
        found = student.ground(read_picture(photo.path))
        kept.append(photo)
        klds.append(divergences(found.refined, answer))
        evidences.append(found.evidence)
        confidence.append(answer.confidence)
        counts.append(answer.counts(fitted))
    return StudentComparison(
        kept,
        np.array(klds, np.float64),
        np.array(evidences, np.float64),
        np.array(confidence, np.float64),
        np.array(counts, np.bool_),
    )


def fit_to_teacher(found: StudentComparison) -> ConfidenceFit:
    """Curves from the student's evidence to the teacher's confidences.

    An action of which the teacher is sure in fewer than MIN_EXAMPLES pictures, or in all but so few, takes
    the curve of all actions together.
    """
    shared = fit_probabilities(found.evidence.ravel(), found.confidence.ravel())
    curves = []
    for value, target in zip(found.evidence.T, found.confidence.T, strict=True):
        sure = int((target >= MIN_CONFIDENCE).sum())
        enough = min(sure, len(target) - sure) >= MIN_EXAMPLES
        curves.append(fit_probabilities(value, target) if enough else shared)
    return ConfidenceFit(tuple(scale for scale, _ in curves), tuple(offset for _, offset in curves))


def cross_fitted(found: StudentComparison) -> F64:
    """Confidences [n, C] of curves that were fitted on the other half of the pictures."""
    student_confidence = np.empty_like(found.evidence)
    for half in (0, 1):
        fit = fit_to_teacher(_comparison_of(found, slice(1 - half, None, 2)))
        student_confidence[half::2] = fit.confidences(found.evidence[half::2])
    return student_confidence


def _comparison_of(found: StudentComparison, which: slice) -> StudentComparison:
    return StudentComparison(
        found.photos[which],
        found.kld[which],
        found.evidence[which],
        found.confidence[which],
        found.counts[which],
    )


def figures(found: StudentComparison, actions: Sequence[str]) -> dict[str, Any]:
    """Means over all actions, and by action: see `_figures`."""
    student_confidence = cross_fitted(found)
    every = np.ones(len(actions), np.bool_)
    rows = {name: np.arange(len(actions)) == number for number, name in enumerate(actions)}
    return {
        "overall": _figures(found, student_confidence, every),
        "actions": {name: _figures(found, student_confidence, one) for name, one in rows.items()},
    }


def _figures(found: StudentComparison, student_confidence: F64, which: NDArray[np.bool_]) -> dict[str, Any]:
    """Of some actions: questions (a picture and an action), how many the teacher answers, the mean and the
    90 % quantile of their KLD, the mean KLD of all; the share of questions in which both confidences are on
    one side of MIN_CONFIDENCE, of those that the teacher is sure of those that the student is too, and the
    other way round. None where there is no such question. "intervals": of 95 %, over pictures."""
    kld, counts = found.kld[:, which], found.counts[:, which]
    sure, also = found.confidence[:, which] >= MIN_CONFIDENCE, student_confidence[:, which] >= MIN_CONFIDENCE
    columns = {
        "kld": np.where(counts, kld, np.nan),
        "kld_of_all": kld,
        "agreement": sure == also,
        "sure_too": np.where(sure, also, np.nan),
        "sure_alone": np.where(sure, np.nan, also),
    }
    flat = {name: values.ravel().astype(np.float64) for name, values in columns.items()}
    picture = np.repeat(np.arange(len(kld)), kld.shape[1])
    limits = mean_limits(np.stack(list(flat.values()), axis=1), picture)
    answered = kld[counts]
    return {
        "questions": int(kld.size),
        "answered": int(counts.sum()),
        **{name: _mean(values[np.isfinite(values)]) for name, values in flat.items()},
        "kld_p90": float(np.quantile(answered, 0.9)) if answered.size else None,
        "intervals": dict(zip(flat, limits, strict=True))
        | {"kld_p90": quantile_limits(flat["kld"], picture, 0.9)},
    }


def _mean(values: NDArray[Any]) -> float | None:
    return float(values.mean()) if values.size else None
