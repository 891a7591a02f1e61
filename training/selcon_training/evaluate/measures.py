"""What one prediction is worth: KLD, SIM, NSS and whether it peaks on the right part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from selcon_ros.core.heatmap import upsample

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


def peak(refined: F32, height: int, width: int) -> tuple[int, int]:
    """(row, column) of the maximum of a grid map at camera resolution."""
    values = upsample(np.ascontiguousarray(refined, np.float32), height, width)
    row, column = np.unravel_index(int(values.argmax()), values.shape)
    return int(row), int(column)


def score(refined: F32, truth: NDArray[np.float64], part: NDArray[np.bool_]) -> Scores:
    """Score a refined map [gh, gw] against the prepared truth (not all zero) and the part's mask [H, W]."""
    prediction = prepare_prediction(refined)
    row, column = peak(refined, *part.shape)
    return Scores(
        kld=kld(prediction, truth),
        sim=sim(prediction, truth),
        nss=nss(prediction, truth),
        right=bool(part[row, column]),
    )
