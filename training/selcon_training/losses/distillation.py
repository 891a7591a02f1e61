"""What a student is asked for: the teacher's maps, how hot they are, and how sure the teacher is."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from selcon_training.models.map_ops import EPSILON, minmax

HEAT_WEIGHT, PEAK_WEIGHT = 1.0, 0.5
"""Weights of the terms beside the maps' divergence."""
FLOOR = 1e-6
"""Added to the student's shares of heat, so that gradients stay moderate where it sees nothing."""


def distillation_losses(logits: Tensor, target: Tensor) -> dict[str, Tensor]:
    """Losses of CAM logits B x C x h x w against the teacher's heat, 0..1, of the same shape.

    A target is the teacher's map, scaled to 0..1, times its confidence, so its maximum is how sure the
    teacher is of what the view shows. `kld` is the divergence of the min-maxed maps as distributions
    (method.md §9), each weighed with the target's maximum; `heat` the divergence of every cell's activation,
    relative to the targets' mass; `peak` that of the maps' maxima. All are 0 for a student that answers as
    its teacher does. Returns their weighted sum as "loss" too.
    """
    peak = target.amax(dim=(-2, -1))
    weight = peak.sum().clamp(min=EPSILON)
    kld = (peak * _map_divergence(minmax(logits.sigmoid()), minmax(target))).sum() / weight
    # Pictures of nothing teach where nothing is; the floor keeps their weight moderate.
    mass = target.sum().clamp(min=float(len(target)))
    heat = _divergence(logits, target).sum() / mass
    at_peak = _divergence(logits.amax(dim=(-2, -1)), peak).mean()
    return {
        "loss": kld + HEAT_WEIGHT * heat + PEAK_WEIGHT * at_peak,
        "kld": kld,
        "heat": heat,
        "peak": at_peak,
    }


def _map_divergence(prediction: Tensor, target: Tensor) -> Tensor:
    p = prediction / prediction.sum(dim=(-2, -1), keepdim=True).clamp(min=EPSILON)
    q = target / target.sum(dim=(-2, -1), keepdim=True).clamp(min=EPSILON)
    return (q * ((q + FLOOR) / (p + FLOOR)).log()).sum(dim=(-2, -1))


def _divergence(logits: Tensor, target: Tensor) -> Tensor:
    """The Kullback-Leibler divergence of yes-or-no probabilities from those that `logits` stand for."""
    entropy = -(torch.xlogy(target, target) + torch.xlogy(1 - target, 1 - target))
    return F.binary_cross_entropy_with_logits(logits, target, reduction="none") - entropy
