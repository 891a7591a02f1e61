"""What one prediction is worth: KLD, SIM, NSS and whether it peaks on the right part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from selcon_training.data.images import F32, U8
from selcon_training.metrics import kld, nss, prepare_prediction, sim

TRUTH_PEAK = 0.5
"""Without a part mask, the part is where the truth map exceeds this fraction of its maximum."""


@dataclass(frozen=True)
class Scores:
    """KLD (lower is better), SIM, NSS, and whether the peak lies on the part."""

    kld: float
    sim: float
    nss: float
    right: bool


def part_of(truth: U8, mask: U8 | None) -> NDArray[np.bool_]:
    """Where the part is, H x W: its mask, or else where the truth map is above half of its maximum."""
    if mask is not None:
        return mask > 127
    return truth > TRUTH_PEAK * float(truth.max())


def score(prediction: F32, heatmap: F32, truth: NDArray[np.float64], part: NDArray[np.bool_]) -> Scores:
    """Score a prediction, given as a map of any resolution and as the heatmap [H, W] made of it.

    ``truth`` is prepared (metrics.prepare_truth) and not all zero. ``part`` is the part's mask; where it has
    another size than the heatmap (a truth map may), the heatmap's peak is looked up in proportion.
    """
    compared = prepare_prediction(prediction)
    row, column = np.unravel_index(int(heatmap.argmax()), heatmap.shape)
    at = (
        int((row + 0.5) * part.shape[0] / heatmap.shape[0]),
        int((column + 0.5) * part.shape[1] / heatmap.shape[1]),
    )
    return Scores(
        kld=kld(compared, truth),
        sim=sim(compared, truth),
        nss=nss(compared, truth),
        right=bool(part[at]),
    )
