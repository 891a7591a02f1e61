"""Every map between a sample's pictures and the losses, by training's own functions (method.md §2 to §6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from selcon_ros.core.grounding.heatmap import refine
from selcon_ros.core.grounding.manifest import Calibration
from selcon_ros.core.grounding.placement import Canvas, Fit, Window
from selcon_ros.core.grounding.preprocess import fitted
from selcon_training.config.weak_objective import WeakObjectiveConfig
from selcon_training.data.device import to_input
from selcon_training.data.images import F32, U8, read_picture
from selcon_training.losses.pixel import part_threshold, positive_set
from selcon_training.losses.weak import WeakStep, exo_activation, find_parts, object_maps
from selcon_training.models.map_ops import cosine_of, minmax, saliency_mask
from selcon_training.models.network import evaluating
from selcon_training.models.selcon_net import Features, SelconNet

Mask = NDArray[np.bool_]
T = TypeVar("T", bound=np.generic)


@dataclass(frozen=True)
class TraceSample:
    """An egocentric picture, an action, and the exocentric pictures (none: only the egocentric half)."""

    action: str
    ego: Path
    exo: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Ego:
    """The egocentric half: the picture H x W x 3, and maps [h, w]: A_ego, the saliency S and its mask, the
    CAM, and the heatmap before enlarging.
    """

    image: U8
    affinity: F32
    saliency: F32
    saliency_mask: Mask
    cam: F32
    heatmap: F32


@dataclass(frozen=True)
class Exo:
    """The exocentric half, and what it found on the egocentric picture.

    Of E pictures, [E, h, w]: A_exo, rectified CAM, their product min-maxed, where it exceeds γ. Of K
    candidates, [K, h, w] cosines with the egocentric descriptors, their hard masks, pIoU [K]; the
    winner's number and whether it counts as `reliable` (`score` reached α). `ego_map` [h, w] and
    `exo_maps` [E, h, w] are M of the prototypes: part maps if reliable, else the object maps. `positive`
    [h, w] is Q⁺ of the pixel loss: above ρ at `part_level`, else above γ.
    """

    images: list[U8]
    affinity: F32
    cam: F32
    activation: F32
    selected: Mask
    candidates: F32
    masks: Mask
    scores: list[float]
    winner: int
    score: float
    reliable: bool
    ego_map: F32
    exo_maps: F32
    positive: Mask
    part_level: bool
    rho: float


@dataclass(frozen=True)
class Trace:
    """All of a sample."""

    sample: TraceSample
    ego: Ego
    exo: Exo | None
    weak: WeakObjectiveConfig

    def figures(self) -> dict[str, Any]:
        """The numbers of it, for scripts."""
        figures: dict[str, Any] = {"image": str(self.sample.ego), "action": self.sample.action}
        exo = self.exo
        if exo is None:
            return figures
        return figures | {
            "exocentric": [str(path) for path in self.sample.exo],
            "selected": exo.selected.sum(axis=(1, 2)).tolist(),
            "piou": exo.scores,
            "chosen": exo.winner,
            "score": exo.score,
            "alpha": self.weak.alpha,
            "reliable": exo.reliable,
            "rho": exo.rho,
            "positive_set": "part" if exo.part_level else "object",
            "positive_pixels": int(exo.positive.sum()),
        }


@torch.no_grad()
def trace(
    net: SelconNet,
    sample: TraceSample,
    weak: WeakObjectiveConfig,
    calibration: Calibration,
    gamma: float,
    fit: Fit = "stretch",
) -> Trace:
    """Follow one sample through the network and the objective.

    As in training but for three things: pictures are stretched or padded to the input as at inference, not
    cropped at random; batch norms use their running statistics; K-means always starts from the same draws.
    `calibration`, `gamma` and `fit` are those of inference; of padded pictures, which only training on
    truth maps knows, the egocentric half is shown, without the padding.
    """
    with evaluating(net):
        picture = read_picture(sample.ego)
        canvas = Canvas(net.input_size, net.map_grid, fit)
        cells = canvas.place((picture.shape[0], picture.shape[1])).cells

        def inside(values: NDArray[T]) -> NDArray[T]:
            return _covered(values, canvas, cells)

        ego = _encode(net, [picture], canvas, saliency=True)
        assert ego.saliency is not None
        label = net.actions.index(sample.action)
        cam = net.heads.cam(ego.parts)
        refined = refine(
            inside(_array(cam.sigmoid() if net.cam_activation == "sigmoid" else cam)[0, label]),
            inside(_array(net.affinity(ego))[0, label]),
            calibration,
            gamma,
        )
        view = Ego(
            picture,
            inside(_array(cosine_of(ego.patches, net.text_action[label : label + 1]))[0]),
            inside(_array(ego.saliency)[0]),
            inside(saliency_mask(ego.saliency)[0].cpu().numpy()),
            inside(_array(cam)[0, label]),
            refined,
        )
        return Trace(sample, view, _exo(net, sample, ego, label, weak) if sample.exo else None, weak)


def _exo(net: SelconNet, sample: TraceSample, ego: Features, label: int, weak: WeakObjectiveConfig) -> Exo:
    images = [read_picture(path) for path in sample.exo]
    exo = _encode(net, images, Canvas(net.input_size, net.map_grid), saliency=False)
    labels = torch.tensor([label], device=net.text_action.device)
    step = WeakStep(ego, exo, labels, generator=torch.Generator().manual_seed(0))
    ego_object, exo_object = object_maps(net, step, weak.object_maps)
    cam = net.exo(exo).cam[:, label].relu()
    found = find_parts(step, cam, ego_object, exo_object, weak, weak.alpha)
    reliable = bool(found.parts.reliable[0])
    ego_affinity = cosine_of(ego.patches, net.text_action[labels])
    exo_affinity = cosine_of(exo.patches, net.text_action[labels.expand(len(images))])[None]
    rho = float(part_threshold(exo_affinity)[0])
    return Exo(
        images=images,
        affinity=_array(exo_object),
        cam=_array(cam),
        activation=_array(minmax(exo_activation(cam, exo_object, first_epoch=False))),
        selected=found.selected[0].cpu().numpy(),
        candidates=_array(found.candidates)[0],
        masks=found.masks[0].cpu().numpy(),
        scores=found.scores[0].tolist(),
        winner=int(found.winner[0]),
        score=float(found.parts.score[0]),
        reliable=reliable,
        ego_map=_array(found.parts.ego if reliable else ego_object)[0],
        exo_maps=_array(found.parts.exo[0] if reliable else exo_object),
        positive=positive_set(ego_affinity, exo_affinity, weak.gamma)[0].reshape(net.grid).cpu().numpy(),
        part_level=bool((ego_affinity > rho).any()),
        rho=rho,
    )


def _encode(net: SelconNet, images: Sequence[U8], canvas: Canvas, saliency: bool) -> Features:
    batch = np.stack([fitted(image, canvas) for image in images])
    return net.features(to_input(batch, net.text_action.device), saliency=saliency)


def _covered(values: NDArray[T], canvas: Canvas, cells: Window) -> NDArray[T]:
    """The cells that the picture covers, of a map on the map grid or on that of patches, which is coarser."""
    if canvas.fit == "stretch":
        return values
    for axis, side in enumerate(canvas.map_grid):
        values = values.repeat(side // values.shape[axis], axis)
    return values[cells.slices]


def _array(values: Tensor) -> F32:
    return values.float().cpu().numpy()
