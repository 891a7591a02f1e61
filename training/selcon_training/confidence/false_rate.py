"""Fitting the confidence for a stated rate of false answers, on scenes and on real negative pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from selcon_ros.core.bundle import ConfidenceFit
from selcon_training.confidence.evidence import Evidence
from selcon_training.confidence.fitting import Fitted, curves
from selcon_training.data.pictures import PicturePool, Use, find_pictures
from selcon_training.data.transforms import Size
from selcon_training.errors import DataError

ABOVE = 1e-6
"""A threshold lies by so much, relative, above the negative that it just refuses."""


def fit_for_rate(
    scenes: Evidence,
    negatives: NDArray[np.float64],
    actions: Sequence[str],
    rate: float,
    scene_rate: float | None = None,
) -> Fitted | None:
    """Fit confidence = sigmoid(scale_a * evidence + offset_a); 0.5 is passed by `rate` of the negatives.

    `negatives` [pictures, views, actions] is the evidence in real negative pictures. The
    slope is that of the balanced logistic curve over all of them; the offset puts 0.5 at the larger of two
    thresholds (see `threshold`), of the scenes without the action and of the real pictures. Scenes that are
    too few to tell the rate (see `least_pictures`) decide nothing. `scene_rate` is another rate for them.
    Returns None if no action occurs in the scenes.
    """
    scene_rate = rate if scene_rate is None else scene_rate
    count = len(actions)
    pictures, views, _ = negatives.shape
    flat = negatives.reshape(-1, count)
    together = Evidence(
        np.concatenate([scenes.action, np.tile(np.arange(count), len(flat))]),
        np.concatenate([scenes.value, flat.ravel()]),
        np.concatenate([scenes.positive, np.zeros(flat.size, np.bool_)]),
    )
    slopes = curves(together, count)
    if slopes is None:
        return None
    offsets, rows, kept, kept_by_real = [], {}, list[bool](), list[bool]()
    for index, (name, (slope, _)) in enumerate(zip(actions, slopes, strict=True)):
        own = scenes.action == index
        positive = scenes.value[own & scenes.positive]
        negative = scenes.value[own & ~scenes.positive]
        thresholds = {"real": threshold(negatives[:, :, index], rate)}
        if len(negative) >= least_pictures(scene_rate):
            thresholds["scenes"] = threshold(negative[:, None], scene_rate)
        strictest = max(thresholds, key=thresholds.__getitem__)
        least = thresholds[strictest]
        offsets.append(-slope * least)
        kept += (positive >= least).tolist()
        kept_by_real += (positive >= thresholds["real"]).tolist()
        rows[name] = {
            "positives": len(positive),
            "kept": _share(positive >= least),
            "kept_by_real_alone": _share(positive >= thresholds["real"]),
            "negative_scenes": len(negative),
            "scenes_passed": _share(negative >= least),
            "real_passed": _share(negatives[:, :, index] >= least),
            "decided_by": strictest,
        }
    passed = negatives[:, 0] >= [-offset / slope for offset, (slope, _) in zip(offsets, slopes, strict=True)]
    record = {
        "false_rate": rate,
        "scene_false_rate": scene_rate,
        "real_pictures": pictures,
        "views_of_each": views,
        "positives": len(kept),
        "kept": _share(np.asarray(kept)),
        "kept_by_real_alone": _share(np.asarray(kept_by_real)),
        "real_passed": _share(passed),
        "real_pictures_with_any": _share(np.any(passed, axis=1)),
        "per_action": rows,
    }
    fit = ConfidenceFit(tuple(slope for slope, _ in slopes), tuple(offsets))
    return Fitted(fit, record)


def threshold(negatives: NDArray[np.float64], rate: float) -> float:
    """The least threshold that a new picture's view reaches with a probability of at most `rate`.

    `negatives` [pictures, views] is the evidence in pictures of the same kind. The views of one picture
    resemble each other, so they count as one together, and one more picture is supposed to pass with all of
    its views: with m pictures, rate * (m + 1) - 1 of them may pass (Lee, Barber and Willett 2023,
    "Distribution-free inference with hierarchical data"). Of fewer than `least_pictures` none may.
    """
    pictures, views = negatives.shape
    ranked = np.sort(negatives, axis=None)[::-1]
    room = math.floor(views * (rate * (pictures + 1) - 1) + 1e-9)
    refused = float(ranked[min(max(room, 0), len(ranked) - 1)])
    return refused + ABOVE * max(1.0, abs(refused))


def least_pictures(rate: float) -> int:
    """With fewer pictures than this, a rate cannot be told from 0."""
    return math.ceil(1 / rate - 1 - 1e-9)


def open_negatives(
    folder: Path, rate: float, input_size: Size, threads: int, learned: Sequence[tuple[str, Path]] = ()
) -> PicturePool:
    """The negative pictures that a confidence is fitted on: of a media folder those for calibration.

    `learned` names other folders of pictures, which training sees. Raises DataError for too few, and for
    pictures that training sees.
    """
    files = find_pictures(folder, "calibration", "confidence.negatives")
    needed = least_pictures(rate)
    if len(files) < needed:
        raise DataError(
            f"confidence.negatives = {folder} has {len(files)} pictures; a false_rate of {rate:g} needs at "
            f"least {needed}: add pictures, or state a rate of at least {1 / (len(files) + 1):.2g}"
        )
    own = {file.path.resolve() for file in files}
    for key, other in learned:
        use: Use = "negative" if key == "data.negatives" else "background"
        if common := own & {file.path.resolve() for file in find_pictures(other, use, key)}:
            raise DataError(
                f"confidence.negatives = {folder} and {key} share {len(common)} pictures, such as "
                f"{min(common)}: confidence must be fitted on pictures that training has not seen"
            )
    size = (2 * input_size[0], 2 * input_size[1])
    return PicturePool(files, size, "confidence.negatives", threads)


def _share(passed: NDArray[np.bool_]) -> float | None:
    return round(float(passed.mean()), 4) if passed.size else None
