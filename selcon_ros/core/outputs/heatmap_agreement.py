"""How far one engine's answers are from another's, as a user would see it: heatmaps and grasp points."""

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from selcon_ros.core.errors import SelconError
from selcon_ros.core.grasps.grasp import GraspParameters, find_grasps
from selcon_ros.core.grounding.grounder import Grounder, Grounding
from selcon_ros.core.grounding.heatmap import minmax

MAX_KLD = 0.01
"""Mean KLD of an engine's heatmaps from those of fp32 above which it is not used."""
COMPARED_SIZE = 224
_EPSILON = 1e-12


def is_within(kld_mean: float, tolerance: float) -> bool:
    """Whether a mean KLD is at most `tolerance`; NaN is not."""
    return kld_mean <= tolerance


@dataclass(frozen=True)
class Agreement:
    """How far heatmaps are from those of a reference, over all actions in `images` pictures.

    kld_*: KLD with the reference as the truth (method.md §9: at 224×224, min-max scaled), over heatmaps that
        are not constant; `worst` is the action and the number of the picture with the largest.
    shift_*: how far the best grasp pixel moves, in camera pixels, over the `grasped` heatmaps where both have
        one; `changed`: share of heatmaps where only one of the two has one. No confidence is asked for.
    """

    images: int
    kld_mean: float
    kld_p95: float
    kld_max: float
    worst: tuple[str, int]
    grasped: int
    shift_median: float
    shift_p95: float
    changed: float

    def within(self, tolerance: float) -> bool:
        """Whether the mean KLD is at most `tolerance`; NaN is not."""
        return is_within(self.kld_mean, tolerance)

    def too_far(self, name: str, tolerance: float) -> str:
        """Say that what is called `name` is not within the tolerance."""
        return f"{name} is farther from fp32 than the tolerance {tolerance:g}: {self}"

    def __str__(self) -> str:
        return (
            f"heatmaps: KLD {self.kld_mean:.5f} (95 % below {self.kld_p95:.5f}, worst {self.kld_max:.5f}, "
            f"{self.worst[0]} in picture {self.worst[1] + 1} of {self.images}); grasp points: moved by "
            f"{self.shift_median:.1f} px (95 % below {self.shift_p95:.1f} px), "
            f"{100 * self.changed:.1f} % come or go"
        )


def agreement(reference: Grounder, other: Grounder, images: Iterable[NDArray[np.uint8]]) -> Agreement:
    """Ground all actions in every RGB image [H, W, 3] uint8 with both and compare.

    Raises SelconError where nothing can be compared, BackendError where an engine fails.
    """
    klds: list[tuple[float, str, int]] = []
    shifts: list[float] = []
    changed = count = 0
    for count, image in enumerate(images, start=1):
        exact, given = reference.ground(image), other.ground(image)
        for action, truth, prediction in zip(reference.actions, _scaled(exact), _scaled(given), strict=True):
            if truth.any():
                klds.append((kld(prediction, truth), action, count - 1))
            points = [_grasp_pixel(each, action) for each in (exact, given)]
            if points[0] is not None and points[1] is not None:
                shifts.append(float(np.hypot(*np.subtract(points[0], points[1]))))
            else:
                changed += (points[0] is None) is not (points[1] is None)
    if not klds:
        raise SelconError(f"nothing to compare: every heatmap of the {count} pictures is constant")
    values = np.array([each[0] for each in klds])
    return Agreement(
        count,
        float(values.mean()),
        float(np.percentile(values, 95)),
        float(values.max()),
        max(klds)[1:],
        len(shifts),
        float(np.median(shifts)) if shifts else 0.0,
        float(np.percentile(shifts, 95)) if shifts else 0.0,
        changed / (count * len(reference.actions)),
    )


def kld(prediction: NDArray[np.float64], truth: NDArray[np.float64]) -> float:
    """Return Σ q log(q / (p + ε) + ε) of maps [h, w] that are not negative, p and q scaled to the sum 1.

    The truth must not be zero everywhere; a prediction that is counts as p = 0.
    """
    p = prediction / max(float(prediction.sum()), _EPSILON)
    q = truth / truth.sum()
    return float((q * np.log(q / (p + _EPSILON) + _EPSILON)).sum())


def _scaled(grounding: Grounding) -> list[NDArray[np.float64]]:
    """Every action's map as evaluation sees it: [224, 224], 0..1."""
    maps = grounding.refined.astype(np.float64)
    return [
        minmax(cv2.resize(each, (COMPARED_SIZE, COMPARED_SIZE), interpolation=cv2.INTER_LINEAR))
        for each in maps
    ]


def _grasp_pixel(grounding: Grounding, action: str) -> tuple[float, float] | None:
    parameters = GraspParameters(min_confidence=0.0)
    points = find_grasps(grounding.heatmap(action), parameters=parameters).points
    return points[0].pixel if points else None
