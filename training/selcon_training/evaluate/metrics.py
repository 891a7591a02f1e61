"""KLD, SIM and NSS of predicted heatmaps against the ground truth, on any device (method.md §9)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

COMPARED_SIZE = 224
_EPSILON = 1e-12


@dataclass(frozen=True)
class MapComparison:
    """KLD (lower is better), SIM and NSS (higher is better) of a batch of maps, float64 [...]."""

    kld: Tensor
    sim: Tensor
    nss: Tensor


def prepare_prediction(maps: Any, size: int = COMPARED_SIZE) -> Tensor:
    """Return predicted maps [..., h, w], of any scale, at [..., size, size] (bilinear) and min-maxed; a
    constant one is zero. Tensors stay on their device; arrays are taken too.
    """
    return _minmax(_resize(_maps(maps), size))


def prepare_truth(grey: Any, size: int = COMPARED_SIZE) -> Tensor:
    """Return 8-bit ground-truth maps [..., h, w] as 0..1 at [..., size, size] (bilinear)."""
    return _resize(_maps(grey) / 255, size)


def compare_maps(prediction: Any, truth: Any) -> MapComparison:
    """Return KLD, SIM and NSS of prediction and truth, maps [..., h, w] of one size, not negative.

    Leading dimensions broadcast: predictions [N, K, h, w] go with truths [N, 1, h, w]. With p and q the maps
    scaled to the sum 1: KLD = Σ q log(q / (p + ε) + ε), SIM = Σ min(p, q), and NSS is the mean of the
    standardised prediction where the min-maxed truth exceeds 0.1. An all-zero prediction counts as p = 0: a
    very large, finite KLD. A constant prediction has no deviation to count in and gets NSS 0; a constant
    truth counts everywhere. Raises ValueError for other shapes or values and for an all-zero truth, which
    says nothing.
    """
    prediction, truth = _checked(_maps(prediction), _maps(truth))
    p = prediction / prediction.sum(dim=(-2, -1), keepdim=True).clamp_min(_EPSILON)
    q = truth / truth.sum(dim=(-2, -1), keepdim=True)
    kld = (q * torch.log(q / (p + _EPSILON) + _EPSILON)).sum(dim=(-2, -1))
    sim = torch.minimum(p, q).sum(dim=(-2, -1))
    return MapComparison(kld, sim, _nss(prediction, truth))


def _nss(prediction: Tensor, truth: Tensor) -> Tensor:
    scaled = _minmax(truth)
    flat = scaled.amax(dim=(-2, -1), keepdim=True) == 0
    where = ((scaled > 0.1) | flat).to(prediction.dtype)
    centred = prediction - prediction.mean(dim=(-2, -1), keepdim=True)
    deviation = centred.square().mean(dim=(-2, -1)).sqrt()
    inside = (centred * where).sum(dim=(-2, -1)) / where.sum(dim=(-2, -1))
    moving = deviation > _EPSILON
    return torch.where(moving, inside / torch.where(moving, deviation, 1.0), 0.0)


def _checked(prediction: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    if prediction.ndim < 2 or prediction.shape[-2:] != truth.shape[-2:]:
        raise ValueError(
            f"prediction and truth must be maps of one size, got shapes {tuple(prediction.shape)} and "
            f"{tuple(truth.shape)}"
        )
    # The extremes of a map with a NaN are NaN, which is in no range.
    if not all(bool((maps.amin() >= 0) & (maps.amax() < torch.inf)) for maps in (prediction, truth)):
        raise ValueError("prediction and truth must be finite and not negative; min-max the prediction first")
    if bool((truth.sum(dim=(-2, -1)) <= 0).any()):
        raise ValueError("the ground truth is zero everywhere: leave this image out")
    return prediction, truth


def _maps(values: Any) -> Tensor:
    """As float64: sums over 50,000 pixels, and ε far below what float32 resolves."""
    maps = values if isinstance(values, Tensor) else torch.from_numpy(np.ascontiguousarray(values))
    return maps.to(torch.float64)


def _resize(maps: Tensor, size: int) -> Tensor:
    """Bilinear between pixel centres, without smoothing when it shrinks: cv2.INTER_LINEAR."""
    if maps.shape[-2:] == (size, size):
        return maps
    batch = maps.reshape(-1, 1, *maps.shape[-2:])
    scaled = F.interpolate(batch, (size, size), mode="bilinear", align_corners=False)
    return scaled.reshape(*maps.shape[:-2], size, size)


def _minmax(maps: Tensor) -> Tensor:
    low = maps.amin(dim=(-2, -1), keepdim=True)
    span = maps.amax(dim=(-2, -1), keepdim=True) - low
    moving = span > _EPSILON
    return torch.where(moving, (maps - low) / torch.where(moving, span, 1.0), 0.0)
