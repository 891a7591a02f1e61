"""K-means over a batch of point sets of different sizes, all at once."""

from __future__ import annotations

import torch
from torch import Tensor

_ITERATIONS = 30
_RESTARTS = 3


@torch.no_grad()
def kmeans(points: Tensor, chosen: Tensor, clusters: int, generator: torch.Generator | None = None) -> Tensor:
    """Return centroids [B, K, D] of the chosen points of each set.

    `points` [B, N, D], `chosen` [B, N] booleans, `clusters` K. Seeded by K-means++ from `generator` (a CPU one), best of
    three starts by the sum of squared distances, at most 30 iterations each: the same generator state gives the same centroids. A set
    with no chosen point gives zeros; one with fewer than K distinct points has repeated centroids.
    """
    sets, count, width = points.shape
    many = points.repeat_interleave(_RESTARTS, dim=0)
    weight = chosen.repeat_interleave(_RESTARTS, dim=0).to(points.dtype)
    squares = many.square().sum(dim=2)
    centroids = _seed(many, weight, squares, clusters, generator)
    assigned = torch.full(weight.shape, -1, dtype=torch.long, device=points.device)
    for _ in range(_ITERATIONS):
        distance = _distances(many, squares, centroids)
        nearest = distance.argmin(dim=2)
        if torch.equal(nearest, assigned):
            break
        assigned = nearest
        member = torch.nn.functional.one_hot(assigned, clusters).to(points.dtype) * weight[:, :, None]  # [B, N, K]
        size = member.sum(dim=1)[:, :, None]
        mean = member.transpose(1, 2) @ many / size.clamp_min(1)
        centroids = torch.where(size > 0, mean, centroids)  # an empty cluster keeps its centroid
    inertia = (_distances(many, squares, centroids).amin(dim=2) * weight).sum(dim=1).reshape(sets, _RESTARTS)
    best = inertia.argmin(dim=1)
    return centroids.reshape(sets, _RESTARTS, clusters, width)[torch.arange(sets, device=points.device), best]


def _distances(points: Tensor, squares: Tensor, centroids: Tensor) -> Tensor:
    """Return squared distances [B, N, K]."""
    cross = points @ centroids.transpose(1, 2)
    return (squares[:, :, None] - 2 * cross + centroids.square().sum(dim=2)[:, None, :]).clamp_min(0)


def _seed(
    points: Tensor, weight: Tensor, squares: Tensor, clusters: int, generator: torch.Generator | None
) -> Tensor:
    """K-means++: each further centroid is drawn with a probability proportional to its squared distance to those before."""
    sets = len(points)
    draws = torch.rand((sets, clusters), generator=generator).to(points.device)
    chance = weight
    picked: list[Tensor] = []
    for step in range(clusters):
        index = _draw(chance, weight, draws[:, step])
        picked.append(points[torch.arange(sets, device=points.device), index] * weight.amax(dim=1)[:, None])
        nearest = _distances(points, squares, torch.stack(picked, dim=1)).amin(dim=2)
        chance = nearest * weight
    return torch.stack(picked, dim=1)


def _draw(chance: Tensor, weight: Tensor, uniform: Tensor) -> Tensor:
    """Return one index per row, drawn by `chance` [B, N]; by `weight` where every chance is zero (all points equal)."""
    chance = torch.where(chance.sum(dim=1, keepdim=True) > 0, chance, weight).double()
    cumulative = chance.cumsum(dim=1)
    index = torch.searchsorted(cumulative, uniform.double()[:, None] * cumulative[:, -1:], right=True)
    last = chance.shape[1] - 1 - (chance.flip(1) > 0).int().argmax(dim=1)  # rounding must not lead past the last one
    return torch.minimum(index[:, 0], last)
