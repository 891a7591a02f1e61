"""Part discovery: from what people's hands are on to the same part on the object alone (method.md §4)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from selcon_training.losses.kmeans import kmeans
from selcon_training.models.map_ops import minmax, saliency_mask, unit

if TYPE_CHECKING:
    from selcon_training.config.weak_objective import Piou

Select = Callable[[Tensor, float], Tensor]
"""From activation maps [B, E, h, w] and γ to the descriptors taken, [B, E, h, w] boolean."""


@dataclass
class PartMaps:
    """Part maps A_part (cosines) of the winning centroid, [B, h, w] and [B, E, h, w]; valid where `reliable`
    [B].

    `score` [B] is the winner's pIoU, 0 where fewer than K descriptors were selected.
    """

    ego: Tensor
    exo: Tensor
    reliable: Tensor
    score: Tensor


@dataclass
class Discovery:
    """The way to the part maps: `selected` [B, E, h, w] boolean, the K `candidates` (cosines) and their hard
    `masks` [B, K, h, w], the `saliency` mask [B, h, w], pIoU `scores` [B, K], the `winner` [B], its
    `centroid` [B, D] of length 1, and `parts`.
    """

    selected: Tensor
    candidates: Tensor
    masks: Tensor
    saliency: Tensor
    scores: Tensor
    winner: Tensor
    centroid: Tensor
    parts: PartMaps


@torch.no_grad()
def discover(
    activation: Tensor,
    ego: Tensor,
    exo: Tensor,
    saliency: Tensor,
    *,
    clusters: int = 3,
    gamma: float = 0.6,
    alpha: float | Tensor = 0.6,
    piou: Piou = "locate",
    generator: torch.Generator | None = None,
    select: Select | None = None,
) -> Discovery:
    """Find, for every sample, the part of the egocentric object that the exocentric activation singles out.

    `activation` [B, E, h, w] of the true action (min-maxed here, per image), part descriptors `ego` [B, D, h,
    w] and `exo` [B, E, D, h, w], `saliency` [B, h, w] of the egocentric image. `clusters` K, thresholds γ and
    α as in the paper (α may be one per sample, [B]). `select` stands in for `selection`. All maps are
    constants for the losses: no gradient flows.
    """
    selected = (select or selection)(activation, gamma)
    points = exo.permute(0, 1, 3, 4, 2).flatten(1, 3)  # [B, E*h*w, D]
    centroids = unit(kmeans(points, selected.flatten(1), clusters, generator), dim=2)
    candidates = _cosines(centroids, ego)  # [B, K, h, w]
    masks, object_mask = hard_masks(candidates), saliency_mask(saliency)
    scores = piou_scores(masks, object_mask, piou)
    score, winner = scores.max(dim=1)
    enough = selected.flatten(1).sum(dim=1) >= clusters
    rows = torch.arange(len(ego), device=ego.device)
    best = centroids[rows, winner]  # [B, D]
    exo_maps = torch.einsum("bd,bedhw->behw", best, unit(exo, dim=2))
    parts = PartMaps(candidates[rows, winner], exo_maps, enough & (score >= alpha), score * enough)
    return Discovery(selected, candidates, masks, object_mask, scores, winner, best, parts)


def selection(activation: Tensor, gamma: float) -> Tensor:
    """Return where each activation map [B, E, h, w], min-maxed, exceeds γ."""
    return minmax(activation) > gamma


def hard_masks(candidates: Tensor) -> Tensor:
    """Return where each candidate map [B, K, h, w], min-maxed, is above its own mean."""
    scaled = minmax(candidates)
    return scaled > scaled.mean(dim=(-2, -1), keepdim=True)


def piou_scores(parts: Tensor, saliency: Tensor, piou: Piou) -> Tensor:
    """Return the pIoU [B, K] of boolean part masks [B, K, h, w] with saliency masks [B, h, w]; an empty part
    scores 0.

    "locate": ½(|part ∩ sal| / |part| + |sal| / |part ∪ sal|). "corrected": the second term is |part ∩ sal| /
    |part ∪ sal|.
    """
    saliency = saliency[:, None]
    common = (parts & saliency).sum(dim=(-2, -1)).float()
    union = (parts | saliency).sum(dim=(-2, -1)).clamp_min(1)
    size = parts.sum(dim=(-2, -1))
    numerator = saliency.sum(dim=(-2, -1)).float() if piou == "locate" else common
    return 0.5 * (common / size.clamp_min(1) + numerator / union) * (size > 0)


def _cosines(centroids: Tensor, descriptors: Tensor) -> Tensor:
    return torch.einsum("bkd,bdhw->bkhw", centroids, unit(descriptors, dim=1))
