"""How a network answers on photos with masks, on negative pictures and on rendered samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from selcon_ros.core.heatmap import upsample
from selcon_ros.core.manifest import ConfidenceFit
from selcon_ros.core.placement import Canvas
from selcon_training.adapt.photo_set import Photo
from selcon_training.data.images import F32
from selcon_training.evaluate.measures import score
from selcon_training.models.network import Network
from selcon_training.models.test_time_averaging import Averaging
from selcon_training.training.validation import predict

BATCH = 8
PUBLISHED = 0.5
"""The node's default `min_confidence`."""
RESAMPLED = 2000


@dataclass(frozen=True)
class Answer:
    """One action asked of one photo; `there`: it has the part. `evidence` is the map's peak.

    `right` and `kld` are those of the map where the part is, else None; `map` is [gh, gw] on the cells
    that the photo covers.
    """

    photo: str
    object: str
    action: int
    there: bool
    evidence: float
    right: bool | None
    kld: float | None
    map: F32


def answers(net: Network, averaging: Averaging, canvas: Canvas, photos: Sequence[Photo]) -> list[Answer]:
    """Ask about every action that is known of each photo."""
    if not photos:
        return []
    images = np.stack([photo.seen for photo in photos])
    found = []
    for photo, (cam, _) in zip(photos, predict(net, images, BATCH, averaging), strict=True):
        rows, columns = canvas.place(photo.shape).cells.slices
        for action in range(len(net.actions)) if photo.known is None else photo.known:
            map_ = np.ascontiguousarray(cam[action, rows, columns])
            found.append(_answer(photo, action, map_))
    return found


def _answer(photo: Photo, action: int, map_: F32) -> Answer:
    mask = photo.masks.get(action)
    right, kld = None, None
    if mask is not None:
        heatmap = upsample(map_, *mask.shape)
        (scores,) = score([map_], [heatmap], photo.loaded.truths[action], mask)
        right, kld = scores.right, scores.kld
    there = mask is not None
    return Answer(photo.name, photo.object, action, there, float(map_.max()), right, kld, map_)


def confidences(given: Sequence[Answer], fit: ConfidenceFit | None) -> NDArray[np.float64]:
    """The confidence of every answer, as the node has it."""
    evidence = np.array([each.evidence for each in given], np.float64)
    if fit is None:
        return evidence
    scale, offset = np.array(fit.scale), np.array(fit.offset)
    actions = np.array([each.action for each in given], int)
    return 0.5 * (1.0 + np.tanh(0.5 * (scale[actions] * evidence + offset[actions])))  # type: ignore[no-any-return]


def figures(given: Sequence[Answer], fit: ConfidenceFit | None) -> dict[str, Any]:
    """Questions with a part: their count, the share whose peak is on it with its 95 % interval over objects,
    mean KLD, and the share that is published; the share of questions without a part that is published.
    Shares are None where there is no such question.
    """
    sure = confidences(given, fit) >= PUBLISHED
    there = np.array([each.there for each in given], bool)
    right = [bool(each.right) for each in given if each.there]
    klds = [each.kld for each in given if each.kld is not None]
    return {
        "questions": int(there.sum()),
        "right_part": _mean(right),
        "interval": _interval([each for each in given if each.there]),
        "kld": _mean(klds),
        "published": _mean(sure[there].tolist()),
        "absent": int((~there).sum()),
        "published_absent": _mean(sure[~there].tolist()),
    }


def any_published(given: Sequence[Answer], fit: ConfidenceFit | None) -> float | None:
    """The share of pictures of which some action is published."""
    sure = confidences(given, fit) >= PUBLISHED
    pictures: dict[str, bool] = {}
    for each, published in zip(given, sure.tolist(), strict=True):
        pictures[each.photo] = pictures.get(each.photo, False) or published
    return _mean(list(pictures.values()))


def _interval(given: Sequence[Answer]) -> list[float] | None:
    """The 95 % bootstrap interval of the share of right peaks, over objects; None for fewer than two."""
    objects = sorted({each.object for each in given})
    if len(objects) < 2:
        return None
    right = np.array([sum(bool(each.right) for each in given if each.object == one) for one in objects])
    asked = np.array([sum(each.object == one for each in given) for one in objects])
    drawn = np.random.default_rng(0).integers(0, len(objects), (RESAMPLED, len(objects)))
    shares = right[drawn].sum(axis=1) / asked[drawn].sum(axis=1)
    low, high = np.quantile(shares, (0.025, 0.975)).tolist()
    return [low, high]


def _mean(values: Sequence[float] | Sequence[bool]) -> float | None:
    return float(np.mean(values)) if len(values) else None
