"""Part discovery of a trained network on audited samples, under changed thresholds and changed images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from experiments.audit.degrade import Degradation
from experiments.streams import AuditStream
from selcon_training.config.weak_objective import WeakObjectiveConfig
from selcon_training.data.device import to_input
from selcon_training.data.images import F32, U8
from selcon_training.data.ordering import generator
from selcon_training.losses.weak import WeakStep, find_parts, object_maps, of_label
from selcon_training.models.selcon_net import Features, SelconNet


@dataclass(frozen=True)
class Outcome:
    """Part discovery on one sample: the winner's pIoU (0: nothing selected), and whether the part map and the
    object map, its fallback, peak on the true part."""

    score: float
    part_right: bool
    object_right: bool

    def used_right(self, alpha: float) -> bool:
        """Whether the map that the losses would use at threshold α peaks on the true part."""
        return self.part_right if self.reliable(alpha) else self.object_right

    def reliable(self, alpha: float) -> bool:
        """Whether the part map is used at threshold α."""
        return self.score > 0 and self.score >= alpha


def degraded(exo: U8, degradation: Degradation, how_many: int, seed: int) -> U8:
    """The exocentric images E x h x w x 3 of a sample, the first `how_many` of them degraded."""
    changed: U8 = exo.copy()
    for index in range(how_many):
        changed[index] = degradation(exo[index], generator(seed, AuditStream.DEGRADATION, index))
    return changed


@torch.no_grad()
def encode(net: SelconNet, images: U8, saliency: bool) -> Features:
    """Features of images N x h x w x 3 uint8."""
    return net.features(to_input(images, net.text_action.device), saliency=saliency)


@torch.no_grad()
def outcomes(
    net: SelconNet,
    ego: Features,
    exo: Features,
    labels: Sequence[int],
    parts: Sequence[NDArray[np.bool_]],
    config: WeakObjectiveConfig,
    seed: int,
    first_epoch: bool = False,
) -> list[Outcome]:
    """Part discovery of B samples: `ego` B and `exo` B*E images' features, the true parts' masks.

    The network is in evaluation mode: its running batch statistics, as after training. `first_epoch`: from
    the object maps alone, before the CAM is trusted.
    """
    label = torch.tensor(list(labels), device=ego.parts.device)
    step = WeakStep(ego, exo, label, first_epoch, torch.Generator().manual_seed(seed))
    ego_object, exo_object = object_maps(net, step, config.object_maps)
    cam = of_label(net.exo(exo).cam, step.exo_labels).relu()
    found = find_parts(step, cam, ego_object, exo_object, config, alpha=0.0).parts
    return [
        Outcome(float(score), _peaks_in(part_map, part), _peaks_in(object_map, part))
        for score, part_map, object_map, part in zip(
            found.score.cpu(), _arrays(found.ego), _arrays(ego_object), parts, strict=True
        )
    ]


def with_gamma(config: WeakObjectiveConfig, gamma: float) -> WeakObjectiveConfig:
    """The objective with another selection threshold γ."""
    return config.model_copy(update={"gamma": gamma})


def _arrays(maps: Tensor) -> F32:
    return maps.float().cpu().numpy()


def _peaks_in(values: F32, part: NDArray[np.bool_]) -> bool:
    """Whether the cell of the maximum lies on the part: its centre, looked up in proportion."""
    row, column = np.unravel_index(int(values.argmax()), values.shape)
    at = (
        int((row + 0.5) * part.shape[0] / values.shape[0]),
        int((column + 0.5) * part.shape[1] / values.shape[1]),
    )
    return bool(part[at])
