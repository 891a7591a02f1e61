"""Losses against truth maps, for dense and mixed supervision (beyond the paper, for users who have masks)."""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from selcon_training import distributed
from selcon_training.config.sections import DenseConfig
from selcon_training.models.map_ops import EPSILON, minmax

UNKNOWN_KIND = 255
"""Kind of part of a cell that nobody has labelled."""


class AffinityReadout(nn.Module):
    """Learnable scale (> 0) and offset that turn cosines into logits: scale * affinity + offset."""

    def __init__(self, prior: float) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(math.log(10.0)))
        self.offset = nn.Parameter(torch.tensor(math.log(prior / (1.0 - prior))))

    def forward(self, affinity: Tensor) -> Tensor:
        return affinity * self.log_scale.exp() + self.offset


class PartReadout(nn.Module):
    """A head for training only: which of `kinds` kinds of parts a cell shows, 0 for none."""

    def __init__(self, width: int, kinds: int) -> None:
        super().__init__()
        self.classifier = nn.Conv2d(width, kinds, 1)

    def forward(self, cells: Tensor) -> Tensor:
        logits: Tensor = self.classifier(cells)
        return logits


def part_loss(logits: Tensor, parts: Tensor) -> Tensor:
    """Cross-entropy of logits B x K x h x w against kinds of parts B x h x w, mean over the cells that are
    known (not 255); with several processes over those of all, as in `dense_losses`."""
    known = distributed.all_reduce_mean((parts != UNKNOWN_KIND).sum().float()).clamp(min=1.0)
    return F.cross_entropy(logits, parts, ignore_index=UNKNOWN_KIND, reduction="sum") / known


def dense_losses(
    cam: Tensor,
    affinity: Tensor | None,
    truth: Tensor,
    known: Tensor,
    config: DenseConfig,
    calibration: Literal["continuous", "binarized", "none"],
    gamma: float,
    readout: AffinityReadout | None,
) -> dict[str, Tensor]:
    """Losses of CAM logits and affinities B x C x h x w against truth (same shape, 0..1), where `known` (B
    x C).

    Returns the weighted sum as "loss" and the terms that have a weight. Cross-entropies are divided by the
    truth's mass, not by the number of cells: most cells are empty, and the loss should not depend on how
    many; with several processes by that of all, so that the mean of their losses is that of the whole batch.
    `readout` is None while the affinity does not learn; then, with calibration "none", `affinity`
    may be None as well.
    """
    mask = known[..., None, None].to(cam.dtype)
    target = truth * mask
    # A picture without any truth still teaches where nothing is; the floor keeps its weight moderate.
    mass = distributed.all_reduce_mean(target.sum()).clamp(min=float(len(cam)))
    losses: dict[str, Tensor] = {}
    total = cam.new_zeros(())
    if config.cam:
        losses["cam"] = _cross_entropy(cam, target, mask, config) / mass
        total = total + config.cam * losses["cam"]
    present = known & (truth.amax(dim=(-2, -1)) > 0)
    if config.dice:
        losses["dice"] = _mean_where(_dice(cam.sigmoid(), target), present)
        total = total + config.dice * losses["dice"]
    if config.refined:
        refined = refine(cam.sigmoid(), affinity, calibration, gamma)
        losses["refined"] = _mean_where(_divergence(refined, target), present)
        total = total + config.refined * losses["refined"]
    if config.affinity and readout is not None and affinity is not None:
        losses["affinity"] = _cross_entropy(readout(affinity), target, mask, config) / mass
        total = total + config.affinity * losses["affinity"]
    return {"loss": total, **losses}


def refine(
    cam: Tensor,
    affinity: Tensor | None,
    calibration: Literal["continuous", "binarized", "none"],
    gamma: float,
) -> Tensor:
    """The heatmap of method.md §8 on the grid, differentiable; as selcon_ros.core.grounding.heatmap.refine.

    `affinity` may be None for calibration "none".
    """
    if calibration == "none":
        return cam
    assert affinity is not None
    weight = minmax(affinity)
    return cam * (weight if calibration == "continuous" else (weight > gamma).to(cam.dtype))


def _cross_entropy(logits: Tensor, target: Tensor, mask: Tensor, config: DenseConfig) -> Tensor:
    weight = logits.new_tensor(config.pos_weight) if config.pos_weight != 1.0 else None
    values = F.binary_cross_entropy_with_logits(logits, target, pos_weight=weight, reduction="none")
    if config.focal_gamma:
        values = values * (logits.sigmoid() - target).abs().pow(config.focal_gamma)
    return (values * mask).sum()


def _dice(prediction: Tensor, target: Tensor) -> Tensor:
    overlap = (prediction * target).sum(dim=(-2, -1))
    size = (prediction.square() + target.square()).sum(dim=(-2, -1))
    return 1.0 - 2.0 * overlap / size.clamp(min=EPSILON)


def _divergence(prediction: Tensor, target: Tensor) -> Tensor:
    """KLD of method.md §9 on the grid, with an epsilon that keeps gradients moderate."""
    epsilon = 1e-4
    p = prediction / prediction.sum(dim=(-2, -1), keepdim=True).clamp(min=1e-6)
    q = target / target.sum(dim=(-2, -1), keepdim=True).clamp(min=EPSILON)
    return (q * (q / (p + epsilon) + EPSILON).log()).sum(dim=(-2, -1))


def _mean_where(values: Tensor, where: Tensor) -> Tensor:
    count = distributed.all_reduce_sum(where.sum()).clamp(min=1) / distributed.world_size()
    return torch.where(where, values, torch.zeros_like(values)).sum() / count
