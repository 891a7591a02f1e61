"""The weakly supervised objective L = L_ce + λ₁ L_proto + λ₂ L_pix (method.md §4 to §7)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from selcon_training import distributed
from selcon_training.errors import ObjectiveError
from selcon_training.losses.part_discovery import Discovery, discover
from selcon_training.losses.pixel import pixel_loss
from selcon_training.losses.prototypical import prototypical_loss
from selcon_training.losses.released_code import averaged_parts, row_selection
from selcon_training.models.heads import HeadView
from selcon_training.models.map_ops import cosine_of, local_mean, minmax
from selcon_training.models.selcon_net import Features, SelconNet

if TYPE_CHECKING:
    from selcon_training.config.weak_objective import NegativeCam, ObjectMaps, WeakObjectiveConfig


@dataclass(frozen=True)
class WeakStep:
    """What one step of the objective looks at.

    `ego` holds B images (with saliency), `exo` their B*E exocentric ones, sample by sample; `labels` [B]
    int64 are the true actions. `first_epoch`: no CAM is trusted yet, neither in part discovery nor in the
    negative prototypes. `generator` seeds K-means.
    """

    ego: Features
    exo: Features
    labels: Tensor
    first_epoch: bool = False
    generator: torch.Generator | None = None

    @property
    def views(self) -> int:
        """E, the number of exocentric images of a sample."""
        return len(self.exo.parts) // len(self.labels)

    @property
    def exo_labels(self) -> Tensor:
        """The true actions of the exocentric images, [B*E]."""
        return self.labels.repeat_interleave(self.views)

    def check(self) -> None:
        """Raise ObjectiveError for numbers of images that do not fit the labels."""
        batch, ego, exo = len(self.labels), len(self.ego.parts), len(self.exo.parts)
        if batch < 1 or ego != batch or exo == 0 or exo % batch:
            raise ObjectiveError(
                f"{batch} labels need as many egocentric images, got {ego}, and a multiple of exocentric "
                f"ones, got {exo}"
            )


class ClassScores(nn.Module):
    """The running mean of part discovery's pIoU of every class, `mean` [C], from which `reliability: class`
    takes its thresholds: an open question of the paper, whose α is one for all.
    """

    mean: Tensor

    def __init__(self, classes: int, start: float, momentum: float = 0.98) -> None:
        super().__init__()
        self.momentum = momentum
        self.register_buffer("mean", torch.full((classes,), start))

    @torch.no_grad()
    def update(self, labels: Tensor, scores: Tensor) -> None:
        """Let the scores [B] of samples with labels [B] move the means of their classes; 0 is no score."""
        counts = distributed.all_reduce_sum(
            torch.zeros_like(self.mean).index_add_(0, labels, (scores > 0).to(scores.dtype))
        )
        sums = distributed.all_reduce_sum(torch.zeros_like(self.mean).index_add_(0, labels, scores))
        keep = self.momentum**counts
        self.mean.copy_(keep * self.mean + (1 - keep) * sums / counts.clamp_min(1))


def weak_losses(
    net: SelconNet,
    step: WeakStep,
    config: WeakObjectiveConfig,
    contrastive: bool = True,
    class_scores: ClassScores | None = None,
) -> dict[str, Tensor]:
    """Return the scalars "loss", "cross_entropy", "prototypical", "pixel" and "reliable" (the fraction of
    reliable samples).

    `contrastive=False` leaves cross-entropy alone (see `WeakObjectiveConfig.contrastive`). `class_scores` are
    read and updated where `reliability` is "class". Only "loss" carries gradients. Raises ObjectiveError for
    a step whose images do not fit its labels.
    """
    step.check()
    ego_view, exo_view = net.ego(step.ego), net.exo(step.exo)
    # All samples have equally many exocentric images, so one mean over them is the mean of the per-image
    # ones.
    cross_entropy = F.cross_entropy(ego_view.cam.mean(dim=(-2, -1)), step.labels) + F.cross_entropy(
        exo_view.cam.mean(dim=(-2, -1)), step.exo_labels
    )
    zero = cross_entropy.new_zeros(())
    proto, pixel, reliable = zero, zero, zero
    if contrastive and config.lambda_proto > 0:
        proto, reliable = _prototypical(net, step, ego_view, exo_view, config, class_scores)
    if contrastive and config.lambda_pixel > 0:
        assert ego_view.pixel is not None
        ego_affinity = cosine_of(step.ego.patches, net.text_action[step.labels])
        exo_affinity = cosine_of(step.exo.patches, net.text_action[step.exo_labels])
        exo_affinity = torch.unflatten(exo_affinity, 0, (len(step.labels), step.views))
        pixel = pixel_loss(
            ego_view.pixel,
            ego_affinity,
            exo_affinity,
            config.gamma,
            config.tau,
            config.tau0,
            config.pixel_variant,
            config.pixel_level,
        )
    loss = cross_entropy + config.lambda_proto * proto + config.lambda_pixel * pixel
    return {
        "loss": loss,
        "cross_entropy": cross_entropy.detach(),
        "prototypical": proto.detach(),
        "pixel": pixel.detach(),
        "reliable": reliable.detach(),
    }


def _prototypical(
    net: SelconNet,
    step: WeakStep,
    ego_view: HeadView,
    exo_view: HeadView,
    config: WeakObjectiveConfig,
    class_scores: ClassScores | None,
) -> tuple[Tensor, Tensor]:
    assert ego_view.prototype is not None and exo_view.prototype is not None
    labels = step.labels
    ego_object, exo_object = object_maps(net, step, config.object_maps)
    ego_cam = of_label(ego_view.cam, labels).relu()
    exo_cam = of_label(exo_view.cam, step.exo_labels).relu()
    ego_mask, exo_mask = ego_object, exo_object
    reliable = torch.zeros(len(labels), dtype=torch.bool, device=labels.device)
    if config.prototype_level == "part":
        thresholds = class_scores if config.reliability == "class" else None
        alpha = config.alpha if thresholds is None else thresholds.mean[labels]
        parts = find_parts(step, exo_cam, ego_object, exo_object, config, alpha).parts
        if thresholds is not None:
            thresholds.update(labels, parts.score)
        reliable = parts.reliable
        ego_mask = torch.where(reliable[:, None, None], parts.ego, ego_object)
        exo_reliable = reliable.repeat_interleave(step.views)[:, None, None]
        exo_mask = torch.where(exo_reliable, parts.exo.flatten(0, 1), exo_object)
    loss = prototypical_loss(
        ego_view.prototype,
        exo_view.prototype,
        labels,
        reliable,
        anchor_map=ego_object,
        ego_positive=ego_mask,
        exo_positive=exo_mask,
        ego_negative=_negative(ego_mask, ego_cam, config.negative_cam, step.first_epoch),
        exo_negative=_negative(exo_mask, exo_cam, config.negative_cam, step.first_epoch),
        tau=config.tau,
        tau0=config.tau0,
    )
    return loss, reliable.float().mean()


def find_parts(
    step: WeakStep,
    exo_cam: Tensor,
    ego_object: Tensor,
    exo_object: Tensor,
    config: WeakObjectiveConfig,
    alpha: float | Tensor,
) -> Discovery:
    """Discover the parts of a step's B samples (method.md §4), from the CAM [B*E, h, w] of their exocentric
    images and the object maps [B, h, w] and [B*E, h, w], of the true actions. `alpha`: one threshold α, or
    one per sample, [B].
    """
    batch = len(step.labels)
    if step.ego.saliency is None:
        raise ObjectiveError(
            "part discovery needs the saliency of the egocentric images: features(..., saliency=True)"
        )
    activation = exo_activation(exo_cam, exo_object, step.first_epoch)
    ego_parts, exo_parts = step.ego.parts.detach(), torch.unflatten(step.exo.parts.detach(), 0, (batch, -1))
    weighted = config.ego_descriptors == "weighted"
    found = discover(
        torch.unflatten(activation.detach(), 0, (batch, -1)),
        ego_parts * ego_object.detach()[:, None] if weighted else ego_parts,
        exo_parts,
        step.ego.saliency,
        clusters=config.clusters,
        gamma=config.gamma,
        alpha=alpha,
        piou=config.piou,
        generator=step.generator,
        select=row_selection if config.selection == "rows" else None,
    )
    if config.part_maps == "averaged":
        found.parts = averaged_parts(found.parts, found.centroid, ego_parts, exo_parts)
    return found


def object_maps(net: SelconNet, step: WeakStep, kind: ObjectMaps = "raw") -> tuple[Tensor, Tensor]:
    """Return the object affinity maps A_ego [B, h, w] and A_exo [B*E, h, w] of the true actions (method.md
    §2); `kind` as in `WeakObjectiveConfig.object_maps`.
    """
    exo_labels = step.exo_labels
    cosines = (
        cosine_of(step.ego.patches, net.text_action[step.labels]),
        cosine_of(step.exo.patches, net.text_action[exo_labels]),
        cosine_of(step.exo.patches, net.text_person[exo_labels]),
    )
    ego_action, exo_action, person = (minmax(c) for c in cosines) if kind == "minmax" else cosines
    return ego_action, local_mean(person) * exo_action


def exo_activation(cam: Tensor, exo_object: Tensor, first_epoch: bool) -> Tensor:
    """Return what singles out the part in exocentric images, relu(CAM) · relu(A_exo) of the true action; in
    the first epoch A_exo alone (method.md §4).
    """
    return exo_object if first_epoch else cam.detach().relu() * exo_object.relu()


def of_label(cam: Tensor, labels: Tensor) -> Tensor:
    """Return each image's CAM of its own action, [B, h, w] of [B, C, h, w]."""
    return cam[torch.arange(len(labels), device=cam.device), labels]


def _negative(mask: Tensor, cam: Tensor, kind: NegativeCam, first_epoch: bool) -> Tensor:
    """Return the weight 1 − M ⊙ CAM of a negative prototype; the first epoch's is 1 − M."""
    if first_epoch:
        return 1 - mask
    return 1 - mask * (minmax(cam).detach() if kind == "minmax" else cam)
