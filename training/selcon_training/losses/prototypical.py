"""Prototypical contrastive loss (method.md §5)."""

from __future__ import annotations

import torch
from torch import Tensor

from selcon_training import distributed
from selcon_training.models.map_ops import unit


def prototype(features: Tensor, weight: Tensor) -> Tensor:
    """Return norm(Pool(Z ⊙ M)) [N, D] of features [N, D, h, w] and weights [N, h, w]."""
    return unit((features * weight[:, None]).mean(dim=(-2, -1)), dim=1)


def prototypical_loss(
    ego: Tensor,
    exo: Tensor,
    labels: Tensor,
    reliable: Tensor,
    anchor_map: Tensor,
    ego_positive: Tensor,
    exo_positive: Tensor,
    ego_negative: Tensor,
    exo_negative: Tensor,
    tau: float = 0.5,
    tau0: float = 0.07,
) -> Tensor:
    """Return L_proto, a scalar.

    `ego` [B, D, h, w] and `exo` [B*E, D, h, w] (sample by sample) are the projected features; `labels` [B]
    integers; `reliable` [B] booleans. Weights of the prototypes, [B, h, w] and [B*E, h, w]: `*_positive` M,
    `*_negative` 1 − M ⊙ CAM; `anchor_map` [B, h, w] is A_ego, used where reliable. An anchor without a
    positive adds 0. With several processes each has its own anchors and the prototypes of all: the mean of
    their losses is that of the whole batch.
    """
    batch = len(ego)
    everywhere = torch.ones_like(anchor_map)
    anchors = prototype(ego, torch.where(reliable[:, None, None], anchor_map, everywhere))
    positives = distributed.all_gather(
        torch.cat([prototype(ego, ego_positive), prototype(exo, exo_positive)])
    )
    negatives = distributed.all_gather(
        torch.cat([prototype(ego, ego_negative), prototype(exo, exo_negative)])
    )
    owners = distributed.all_gather(torch.cat([labels, labels.repeat_interleave(len(exo) // batch)]))
    same = labels[:, None] == owners  # [B, B + B*E], times the number of processes
    own = torch.eye(*same.shape, dtype=torch.bool, device=ego.device)  # an anchor's own egocentric prototype
    own = own.roll(distributed.rank() * (batch + len(exo)), dims=1)
    with_positives = (anchors @ positives.T / tau).masked_fill(own, -torch.inf)
    with_negatives = (anchors @ negatives.T / tau).masked_fill(~same, -torch.inf)
    # The anchor's own negative prototype is always there, so no row is all -inf.
    log_total = torch.cat([with_positives, with_negatives], dim=1).logsumexp(dim=1, keepdim=True)
    counted = same & ~own
    log_share = (with_positives - log_total).masked_fill(~counted, 0.0)
    per_anchor = log_share.sum(dim=1) / counted.sum(dim=1).clamp_min(1)
    return -(tau / tau0) * per_anchor.mean()
