"""Fitting the confidence for a stated rate of false answers, on scenes and on real negative pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from selcon_ros.core.grounding.bundle import ConfidenceFit
from selcon_training.confidence.evidence import Evidence
from selcon_training.confidence.fitting import Fitted, curves
from selcon_training.confidence.other_actions import weights_with_others
from selcon_training.data.pictures import PicturePool, Use, find_pictures
from selcon_training.data.transforms import Size
from selcon_training.errors import DataError

F64 = NDArray[np.float64]
THRESHOLD_MARGIN = 1e-6
"""A threshold lies by so much, relative, above the negative that it just refuses."""


@dataclass(frozen=True)
class FalseRates:
    """How often an action that is not possible may pass a confidence of 0.5.

    In real pictures, in scenes among other objects (by default as often) and in scenes of clutter (by default
    as in the other scenes).
    """

    real: float
    other_scenes: float | None = None
    other_clutter: float | None = None

    @property
    def scenes(self) -> float:
        """In scenes without the action."""
        return self.real if self.other_scenes is None else self.other_scenes

    @property
    def clutter(self) -> float:
        """In scenes of clutter."""
        return self.scenes if self.other_clutter is None else self.other_clutter


def fit_for_rate(
    scenes: Evidence, negatives: F64, actions: Sequence[str], rates: FalseRates
) -> Fitted | None:
    """Fit the confidence so that 0.5 is passed by as many of the negatives as `rates` says.

    `negatives` [pictures, views, actions] is the evidence in real negative pictures. The slope is that of the
    balanced logistic curve over all negatives; where the evidence of other actions helps, there are several:
    `weights_with_others`. The offset puts 0.5 at the largest of three thresholds (see `threshold`): of the
    scenes without the action, of those of clutter, and of the real pictures. Scenes that are too few to tell
    the rate (see `least_pictures`) decide nothing. Returns None if no action occurs in the scenes.
    """
    slopes = _slopes(scenes, negatives)
    if slopes is None:
        return None
    found = [_fit_action(index, slope, scenes, negatives, rates) for index, slope in enumerate(slopes)]
    weights = np.array([each.weights for each in found])
    others = weights * ~np.eye(len(actions), dtype=np.bool_)
    fit = ConfidenceFit(
        scale=tuple(np.diag(weights).tolist()),
        offset=tuple(-each.least for each in found),
        others=tuple(map(tuple, others.tolist())) if others.any() else (),
    )
    passed = fit.confidences(negatives[:, 0]) >= 0.5
    record = {
        "false_rate": rates.real,
        "scene_false_rate": rates.scenes,
        "clutter_false_rate": rates.clutter,
        "real_pictures": len(negatives),
        "views_of_each": negatives.shape[1],
        "positives": sum(len(each.kept) for each in found),
        "kept": _share(np.concatenate([each.kept for each in found])),
        "kept_by_real_alone": _share(np.concatenate([each.kept_by_real for each in found])),
        "real_passed": _share(passed),
        "real_pictures_with_any": _share(np.any(passed, axis=1)),
        "per_action": {name: each.row for name, each in zip(actions, found, strict=True)},
    }
    return Fitted(fit, record)


@dataclass(frozen=True)
class _Action:
    """What is fitted for one action: the weights [C] of the evidence, the least sum of it that counts, which
    positives are kept by that and by the real pictures' threshold, and what the manifest says of it."""

    weights: F64
    least: float
    kept: NDArray[np.bool_]
    kept_by_real: NDArray[np.bool_]
    row: dict[str, Any]


def _fit_action(index: int, slope: float, scenes: Evidence, negatives: F64, rates: FalseRates) -> _Action:
    absent, clutter = scenes.negative[:, index], scenes.clutter
    sources = {
        "scenes": scenes.values[absent & ~clutter][:, None],
        "clutter": scenes.values[absent & clutter][:, None],
        "real": negatives,
    }
    allowed = {"scenes": rates.scenes, "clutter": rates.clutter, "real": rates.real}
    enough = [key for key in sources if key == "real" or len(sources[key]) >= least_pictures(allowed[key])]
    positive = scenes.values[scenes.positive[:, index]]
    weights = weights_with_others(positive, [sources[key] for key in enough], index)
    helped = weights is not None
    if weights is None:
        weights = np.where(np.arange(negatives.shape[2]) == index, slope, 0.0)
    thresholds = {key: threshold(sources[key] @ weights, allowed[key]) for key in enough}
    strictest = max(thresholds, key=thresholds.__getitem__)
    least, scores = thresholds[strictest], positive @ weights
    kept, kept_by_real = scores >= least, scores >= thresholds["real"]
    row = {
        "positives": len(positive),
        "kept": _share(kept),
        "kept_by_real_alone": _share(kept_by_real),
        "negative_scenes": len(sources["scenes"]),
        "scenes_passed": _share(sources["scenes"] @ weights >= least),
        "clutter_scenes": len(sources["clutter"]),
        "clutter_passed": _share(sources["clutter"] @ weights >= least),
        "real_passed": _share(negatives @ weights >= least),
        "decided_by": strictest,
        "others_count": helped,
    }
    return _Action(weights, least, kept, kept_by_real, row)


def _slopes(scenes: Evidence, negatives: F64) -> list[float] | None:
    """The slope of each action's curve over its scenes and the real negative pictures."""
    flat = negatives.reshape(-1, negatives.shape[2])
    none, all_ = np.zeros(flat.shape, np.bool_), np.ones(flat.shape, np.bool_)
    found = curves(
        Evidence(
            np.concatenate([scenes.values, flat]),
            np.concatenate([scenes.possible, none]),
            np.concatenate([scenes.known, all_]),
            np.concatenate([scenes.clutter, none[:, 0]]),
        )
    )
    return None if found is None else [slope for slope, _ in found]


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
    return refused + THRESHOLD_MARGIN * max(1.0, abs(refused))


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
