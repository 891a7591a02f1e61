"""Pixel contrastive loss on egocentric images (method.md §6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from selcon_training.models.map_ops import minmax, unit

if TYPE_CHECKING:
    from selcon_training.config.weak_objective import PixelVariant

PixelLevel = Literal["part", "object"]
_SELF_SIMILARITY = (
    -1e4
)  # added to a pixel's similarity with itself: exp of it is 0, and unlike -inf it survives a product with 0


def pixel_loss(
    features: Tensor,
    ego_affinity: Tensor,
    exo_affinity: Tensor,
    gamma: float = 0.6,
    tau: float = 0.5,
    tau0: float = 0.07,
    variant: PixelVariant = "paper",
    level: PixelLevel = "part",
) -> Tensor:
    """Return L_pix, a scalar; a sample with fewer than two pixels in Q⁺ adds 0.

    `features` F̂ [B, D, h, w]; `ego_affinity` A_ego [B, h, w] and `exo_affinity` cos(P_exo, action text) [B,
    E, h, w], both of the true action. `variant="official"`: anchors from the γ mask whatever Q⁺ is, positives
    on the anchor's side of Q⁺. `level="object"`: Q⁺ is never narrowed to the pixels above ρ.
    """
    object_level = (minmax(ego_affinity) > gamma).flatten(1)
    part_level = positive_set(ego_affinity, exo_affinity, gamma)
    members = part_level if level == "part" else object_level  # Q⁺ [B, N]
    x = unit(features.flatten(2), dim=1)  # [B, D, N]
    itself = torch.eye(x.shape[2], dtype=x.dtype, device=x.device) * _SELF_SIMILARITY
    similarity = torch.baddbmm(itself, x.transpose(1, 2), x, alpha=1 / tau)  # [B, N, N]
    log_total = similarity.logsumexp(dim=2)  # over all other pixels
    inside = members.to(x.dtype)
    mean_similarity, has_positive = _to_own_side(x, inside, tau)
    anchors = members
    if variant == "official":
        outer_similarity, outer_positive = _to_own_side(x, 1 - inside, tau)
        mean_similarity = torch.where(members, mean_similarity, outer_similarity)
        has_positive = torch.where(members, has_positive, outer_positive)
        anchors = object_level
    anchors = anchors & has_positive
    log_share = torch.where(anchors, mean_similarity - log_total, 0.0)
    per_sample = log_share.sum(dim=1) / anchors.sum(dim=1).clamp_min(1)
    return -(tau / tau0) * per_sample.mean()


def part_threshold(exo_affinity: Tensor) -> Tensor:
    """Return ρ [B]: the smallest of the exocentric images' largest cosines."""
    return exo_affinity.amax(dim=(-2, -1)).amin(dim=1)


def positive_set(ego_affinity: Tensor, exo_affinity: Tensor, gamma: float) -> Tensor:
    """Return Q⁺ [B, h*w], boolean: the pixels above ρ (part level), where there are none those above γ
    (object level).
    """
    rho = part_threshold(exo_affinity)
    part_level = (ego_affinity > rho[:, None, None]).flatten(1)
    object_level = (minmax(ego_affinity) > gamma).flatten(1)
    return torch.where(part_level.any(dim=1, keepdim=True), part_level, object_level)


def _to_own_side(x: Tensor, side: Tensor, tau: float) -> tuple[Tensor, Tensor]:
    """Return each pixel's mean similarity [B, N] to the other pixels of `side` [B, N] (0 or 1), and whether
    there are any.

    The mean of dot products is the dot product with the mean: no N×N matrix is needed.
    """
    others = side.sum(dim=1, keepdim=True) - side
    total = torch.einsum("bdn,bn->bd", x, side)
    dot = torch.einsum("bdn,bd->bn", x, total) - side * x.square().sum(dim=1)
    return dot / (tau * others.clamp_min(1)), others > 0
