"""What one prediction is worth: KLD, SIM, NSS and whether it peaks on the right part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from selcon_training.data.images import F32, U8
from selcon_training.evaluate.metrics import compare_maps, prepare_prediction, prepare_truth

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


def peaks_on(part: NDArray[np.bool_], heatmap: F32) -> bool:
    """Whether a heatmap [H, W] has its maximum on the part.

    Where the part's mask has another size (a truth map may), the peak is looked up in proportion.
    """
    row, column = np.unravel_index(int(heatmap.argmax()), heatmap.shape)
    at = (
        int((row + 0.5) * part.shape[0] / heatmap.shape[0]),
        int((column + 0.5) * part.shape[1] / heatmap.shape[1]),
    )
    return bool(part[at])


def score(
    predictions: Sequence[F32], heatmaps: Sequence[F32], truth: U8, part: NDArray[np.bool_]
) -> list[Scores]:
    """Score several predictions for one truth map that is not all zero.

    `predictions` are maps of one resolution (any), `heatmaps` [H, W] what was made of them; `part` is
    the part's mask.
    """
    found = compare_maps(prepare_prediction(np.stack(predictions)), prepare_truth(truth))
    return [
        Scores(kld, sim, nss, peaks_on(part, heatmap))
        for kld, sim, nss, heatmap in zip(
            found.kld.tolist(), found.sim.tolist(), found.nss.tolist(), heatmaps, strict=True
        )
    ]
