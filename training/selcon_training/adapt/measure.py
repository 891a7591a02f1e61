"""How a network answers on photos with masks, on negative pictures and on rendered samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from selcon_ros.core.grounding.confidence import ConfidenceFit, evidence
from selcon_ros.core.grounding.heatmap import upsample
from selcon_ros.core.grounding.placement import Canvas
from selcon_training.adapt.photo_set import MaskedPhoto
from selcon_training.data.images import F32
from selcon_training.evaluate.bootstrap import clusters, mean_limits
from selcon_training.evaluate.measures import score
from selcon_training.models.network import Network
from selcon_training.models.test_time_averaging import Averaging
from selcon_training.training.validation import predict

F64 = NDArray[np.float64]
BATCH_SIZE = 8
MIN_CONFIDENCE = 0.5
"""The node's default `min_confidence`."""


@dataclass(frozen=True)
class PhotoAnswer:
    """One action asked of one photo; `there`: it has the part. `evidence` [C] has every map's peak.

    `right` and `kld` are those of the map where the part is, else None; `map` is [gh, gw] on the cells
    that the photo covers.
    """

    photo: str
    object: str
    action: int
    there: bool
    evidence: F64
    right: bool | None
    kld: float | None
    map: F32


def answers(
    net: Network, averaging: Averaging, canvas: Canvas, photos: Sequence[MaskedPhoto]
) -> list[PhotoAnswer]:
    """Ask about every action that is known of each photo."""
    if not photos:
        return []
    images = np.stack([photo.seen for photo in photos])
    found = []
    for photo, (cam, _) in zip(photos, predict(net, images, BATCH_SIZE, averaging), strict=True):
        rows, columns = canvas.place(photo.shape).cells.slices
        maps = np.ascontiguousarray(cam[:, rows, columns])
        peaks = evidence(maps, maps)
        for action in range(len(net.actions)) if photo.known is None else photo.known:
            found.append(_answer(photo, action, maps[action], peaks))
    return found


def _answer(photo: MaskedPhoto, action: int, map_: F32, peaks: F64) -> PhotoAnswer:
    mask = photo.masks.get(action)
    right, kld = None, None
    if mask is not None:
        heatmap = upsample(map_, *mask.shape)
        (scores,) = score([map_], [heatmap], photo.loaded.truths[action], mask)
        right, kld = scores.right, scores.kld
    there = mask is not None
    return PhotoAnswer(photo.name, photo.object, action, there, peaks, right, kld, map_)


def confidences(given: Sequence[PhotoAnswer], fit: ConfidenceFit | None) -> F64:
    """The confidence of every answer, as the node has it."""
    if not given:
        return np.zeros(0)
    peaks = np.array([each.evidence for each in given], np.float64)
    actions = np.array([each.action for each in given], int)
    every = peaks if fit is None else fit.confidences(peaks)
    own: F64 = every[np.arange(len(given)), actions]
    return own


def figures(given: Sequence[PhotoAnswer], fit: ConfidenceFit | None) -> dict[str, Any]:
    """Questions with a part: their count, the share whose peak is on it, mean KLD, and the share that is
    published; of questions without a part count and the share that is published. Shares are None where there
    is no such question. "intervals": of 95 %, over objects.
    """
    sure = confidences(given, fit) >= MIN_CONFIDENCE
    there = np.array([each.there for each in given], bool)
    columns: dict[str, NDArray[np.float64]] = {
        "right_part": np.array([each.right for each in given], np.float64),  # None: NaN
        "kld": np.array([each.kld for each in given], np.float64),
        "published": np.where(there, sure, np.nan),
        "published_absent": np.where(there, np.nan, sure),
    }
    limits = mean_limits(np.stack(list(columns.values()), axis=1), clusters([each.object for each in given]))
    return {
        "questions": int(there.sum()),
        "absent": int((~there).sum()),
        **{name: _mean(values) for name, values in columns.items()},
        "intervals": dict(zip(columns, limits, strict=True)),
    }


def any_published(given: Sequence[PhotoAnswer], fit: ConfidenceFit | None) -> dict[str, Any]:
    """The number of pictures, and the share of which some action is published."""
    sure = confidences(given, fit) >= MIN_CONFIDENCE
    pictures: dict[str, bool] = {}
    for each, published in zip(given, sure.tolist(), strict=True):
        pictures[each.photo] = pictures.get(each.photo, False) or published
    values = np.array(list(pictures.values()), np.float64)
    (limits,) = mean_limits(values, np.arange(len(values)))
    return {"photos": len(values), "published": _mean(values), "intervals": {"published": limits}}


def _mean(values: ArrayLike) -> float | None:
    known = np.asarray(values, np.float64)
    known = known[np.isfinite(known)]
    return float(known.mean()) if len(known) else None
