"""K-means over a batch of point sets of different sizes, all at once."""

from __future__ import annotations

import torch
from torch import Tensor

from selcon_training import distributed

ITERATIONS = 30
RESTARTS = 3


@torch.no_grad()
def kmeans(points: Tensor, chosen: Tensor, clusters: int, generator: torch.Generator | None = None) -> Tensor:
    """Return centroids [B, K, D] of the chosen points of each set.

    `points` [B, N, D], `chosen` [B, N] booleans, `clusters` K. Three starts are seeded by K-means++ from
    `generator` (a CPU one, whatever the device: both draw alike), run at most 30 iterations each, and the one
    with the smallest sum of squared distances is returned: the same generator state gives the same centroids.
    A set with no chosen point gives zeros; one with fewer than K distinct points has repeated centroids.

    A CPU leaves out what a look at the values shows to be needless: points that are not chosen, iterations
    that change nothing. On an accelerator such a look would wait for all the work before it; nothing here
    does.
    """
    looks = _may_look(points.device)
    points, weight = _compact(points, chosen) if looks else (points, chosen.to(points.dtype))
    sets, count, width = points.shape
    squares = points.square().sum(dim=2)
    centroids = _seed(points, weight, squares, clusters, generator)  # [B, S*K, D]
    assigned = torch.full((sets, count, RESTARTS), -1, device=points.device)
    numbers = torch.arange(clusters, device=points.device)
    for _ in range(ITERATIONS):
        nearest = _distances(points, squares, centroids).argmin(dim=3)  # [B, N, S]
        if looks and torch.equal(nearest, assigned):
            break
        assigned = nearest
        member = (assigned[..., None] == numbers).flatten(2) * weight[:, :, None]  # [B, N, S*K]
        size = member.sum(dim=1)[:, :, None]
        mean = member.transpose(1, 2) @ points / size.clamp_min(1)
        centroids = torch.where(size > 0, mean, centroids)  # an empty cluster keeps its centroid
    nearest_distance = _distances(points, squares, centroids).amin(dim=3)
    best = (nearest_distance * weight[:, :, None]).sum(dim=1).argmin(dim=1)  # [B]
    rows = torch.arange(sets, device=points.device)
    return centroids.reshape(sets, RESTARTS, clusters, width)[rows, best]


def _may_look(device: torch.device) -> bool:
    return device.type == "cpu"


def _compact(points: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor]:
    """Keep as many points per set as the fullest set has, the chosen ones first; return them and their
    weights, 0 or 1.
    """
    most = max(int(chosen.sum(dim=1).max()), 1)
    order = chosen.int().argsort(dim=1, descending=True, stable=True)[:, :most]
    weight = chosen.gather(1, order).to(points.dtype)
    return points.gather(1, order[:, :, None].expand(-1, -1, points.shape[2])), weight


def _distances(points: Tensor, squares: Tensor, centroids: Tensor) -> Tensor:
    """Return squared distances [B, N, S, K] to centroids [B, S*K, D]."""
    cross = points @ centroids.transpose(1, 2)
    distance = squares[:, :, None] - 2 * cross + centroids.square().sum(dim=2)[:, None, :]
    return torch.unflatten(distance.clamp_min(0), 2, (RESTARTS, -1))


def _seed(
    points: Tensor, weight: Tensor, squares: Tensor, clusters: int, generator: torch.Generator | None
) -> Tensor:
    """K-means++: each further centroid is drawn by its squared distance to those before. Returns [B, S*K,
    D].
    """
    sets, _, width = points.shape
    # A sample is seeded by its place in the whole batch, whichever process has it.
    draws = torch.rand(
        (sets * distributed.world_size(), clusters, RESTARTS), generator=generator, pin_memory=points.is_cuda
    )
    draws = draws[distributed.local_rows(len(draws))].to(points.device, non_blocking=True)
    weights = weight[:, :, None].expand(-1, -1, RESTARTS)
    chance = weights
    centroids = points.new_zeros((sets, RESTARTS, 0, width))
    for step in range(clusters):
        index = _draw(chance, weights, draws[:, step])  # [B, S]
        picked = points.gather(1, index[:, :, None].expand(-1, -1, width)) * weight.amax(dim=1)[:, None, None]
        centroids = torch.cat([centroids, picked[:, :, None]], dim=2)
        chance = _distances(points, squares, centroids.flatten(1, 2)).amin(dim=3) * weights
    return centroids.flatten(1, 2)


def _draw(chance: Tensor, weights: Tensor, uniform: Tensor) -> Tensor:
    """Return one index per set and start [B, S], drawn by `chance` [B, N, S], or by `weights` where all
    chances are zero.
    """
    chance = torch.where(chance.sum(dim=1, keepdim=True) > 0, chance, weights).double()
    # A running sum as a product: CUDA's own has no deterministic algorithm.
    up_to = torch.ones((chance.shape[1],) * 2, dtype=chance.dtype, device=chance.device).triu()
    cumulative = chance.transpose(1, 2) @ up_to  # [B, S, N]
    threshold = uniform.double()[:, :, None] * cumulative[:, :, -1:]
    index = torch.searchsorted(cumulative, threshold, right=True)[:, :, 0]
    last = (
        chance.shape[1] - 1 - (chance.flip(1) > 0).int().argmax(dim=1)
    )  # rounding must not lead past the last one
    return torch.minimum(index, last)
