"""What the released code does in part discovery without the paper saying so (method.md §12), as switches: for
those who compare with the published checkpoints."""

from __future__ import annotations

import torch
from torch import Tensor

from selcon_training import distributed
from selcon_training.errors import ObjectiveError
from selcon_training.losses.part_discovery import PartMaps
from selcon_training.models.map_ops import minmax


def row_selection(activation: Tensor, gamma: float) -> Tensor:
    """Return what the released code selects of activation maps [B, E, h, w]: booleans of that shape.

    It stores the maps as B·E and indexes them by sample and image: for image n of sample b it takes row n of
    map b, min-maxes it, and selects descriptors of the image's first row by it. B is the whole batch, also
    where several processes share it. Raises ObjectiveError for E > h: there is no row n.
    """
    batch, views, height = activation.shape[:3]
    if views > height:
        raise ObjectiveError(
            f"weak.selection 'rows' takes one row a view, but maps of {height} rows have none for "
            f"{views} views; lower data.exocentric"
        )
    first = distributed.rank() * batch
    rows = distributed.all_gather(activation).flatten(0, 1)[first : first + batch, :views]  # [B, E, w]
    selected = torch.zeros_like(activation, dtype=torch.bool)
    selected[:, :, 0] = minmax(rows[:, :, None])[:, :, 0] > gamma
    return selected


def averaged_parts(parts: PartMaps, centroid: Tensor, ego: Tensor, exo: Tensor) -> PartMaps:
    """Return `parts` with maps averaged with softmax(−distance) of descriptors [B, D, h, w] and [B, E, D, h,
    w] to the centroid [B, D]: a second term that sums to 1 over a view's cells, so that it in effect halves
    the maps.
    """
    ego_distance = torch.linalg.vector_norm(ego - centroid[:, :, None, None], dim=1)
    exo_distance = torch.linalg.vector_norm(exo - centroid[:, None, :, None, None], dim=2)
    ego_map, exo_map = (
        (cosines + (-distance).flatten(1).softmax(dim=1).reshape(cosines.shape)) / 2
        for cosines, distance in ((parts.ego, ego_distance), (parts.exo, exo_distance))
    )
    return PartMaps(ego_map, exo_map, parts.reliable, parts.score)
