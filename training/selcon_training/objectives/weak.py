"""The weakly supervised objective L = L_ce + λ₁ L_proto + λ₂ L_pix (method.md §4 to §7)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from selcon_training import distributed
from selcon_training.config.weak_objective import NegativeCam, ObjectMaps, WeakObjectiveConfig
from selcon_training.errors import ObjectiveError
from selcon_training.models.heads import View
from selcon_training.models.map_ops import cosine_of, local_mean, minmax
from selcon_training.models.selcon_net import Features, SelconNet
from selcon_training.objectives.part_discovery import Discovery, discover
from selcon_training.objectives.pixel import pixel_loss
from selcon_training.objectives.prototypical import prototypical_loss
from selcon_training.objectives.released_code import averaged_parts, row_selection


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
    ego: Features,
    exo: Features,
    labels: Tensor,
    config: WeakObjectiveConfig,
    first_epoch: bool,
    generator: torch.Generator | None = None,
    contrastive: bool = True,
    class_scores: ClassScores | None = None,
) -> dict[str, Tensor]:
    """Return the scalars "loss", "cross_entropy", "prototypical", "pixel" and "reliable" (the fraction of
    reliable samples).

    `ego` holds B images (with saliency), `exo` their B*E exocentric ones, sample by sample; `labels` [B]
    int64. `first_epoch`: no CAM is trusted yet, neither in part discovery nor in the negative prototypes.
    `generator` seeds K-means. `contrastive=False` leaves cross-entropy alone (see
    `WeakObjectiveConfig.contrastive`). `class_scores` are read and updated where `reliability` is "class".
    Only "loss" carries gradients.
    """
    batch = len(labels)
    if batch < 1 or len(ego.parts) != batch or len(exo.parts) == 0 or len(exo.parts) % batch:
        raise ObjectiveError(
            f"{batch} labels need as many egocentric images, got {len(ego.parts)}, and a multiple of "
            f"exocentric ones, got {len(exo.parts)}"
        )
    views = len(exo.parts) // batch
    exo_labels = labels.repeat_interleave(views)
    ego_view, exo_view = net.ego(ego), net.exo(exo)
    # All samples have equally many exocentric images, so one mean over them is the mean of the per-image
    # ones.
    cross_entropy = F.cross_entropy(ego_view.cam.mean(dim=(-2, -1)), labels) + F.cross_entropy(
        exo_view.cam.mean(dim=(-2, -1)), exo_labels
    )
    zero = cross_entropy.new_zeros(())
    proto, pixel, reliable = zero, zero, zero
    if contrastive and config.lambda_proto > 0:
        proto, reliable = _prototypical(
            net, ego, exo, ego_view, exo_view, labels, config, first_epoch, generator, class_scores
        )
    if contrastive and config.lambda_pixel > 0:
        assert ego_view.pixel is not None
        ego_affinity = cosine_of(ego.patches, net.text_action[labels])
        exo_affinity = cosine_of(exo.patches, net.text_action[exo_labels]).unflatten(0, (batch, views))
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
    ego: Features,
    exo: Features,
    ego_view: View,
    exo_view: View,
    labels: Tensor,
    config: WeakObjectiveConfig,
    first_epoch: bool,
    generator: torch.Generator | None,
    class_scores: ClassScores | None,
) -> tuple[Tensor, Tensor]:
    assert ego_view.prototype is not None and exo_view.prototype is not None
    batch, views = len(labels), len(exo.parts) // len(labels)
    exo_labels = labels.repeat_interleave(views)
    ego_object, exo_object = object_maps(net, ego, exo, labels, config.object_maps)
    ego_cam = of_label(ego_view.cam, labels).relu()
    exo_cam = of_label(exo_view.cam, exo_labels).relu()
    ego_mask, exo_mask = ego_object, exo_object
    reliable = torch.zeros(batch, dtype=torch.bool, device=labels.device)
    if config.prototype_level == "part":
        thresholds = class_scores if config.reliability == "class" else None
        parts = find_parts(
            ego,
            exo,
            exo_cam,
            ego_object,
            exo_object,
            config,
            first_epoch,
            alpha=config.alpha if thresholds is None else thresholds.mean[labels],
            generator=generator,
        ).parts
        if thresholds is not None:
            thresholds.update(labels, parts.score)
        reliable = parts.reliable
        ego_mask = torch.where(reliable[:, None, None], parts.ego, ego_object)
        exo_reliable = reliable.repeat_interleave(views)[:, None, None]
        exo_mask = torch.where(exo_reliable, parts.exo.flatten(0, 1), exo_object)
    loss = prototypical_loss(
        ego_view.prototype,
        exo_view.prototype,
        labels,
        reliable,
        anchor_map=ego_object,
        ego_positive=ego_mask,
        exo_positive=exo_mask,
        ego_negative=_negative(ego_mask, ego_cam, config.negative_cam, first_epoch),
        exo_negative=_negative(exo_mask, exo_cam, config.negative_cam, first_epoch),
        tau=config.tau,
        tau0=config.tau0,
    )
    return loss, reliable.float().mean()


def find_parts(
    ego: Features,
    exo: Features,
    exo_cam: Tensor,
    ego_object: Tensor,
    exo_object: Tensor,
    config: WeakObjectiveConfig,
    first_epoch: bool,
    alpha: float | Tensor,
    generator: torch.Generator | None,
) -> Discovery:
    """Discover the parts of B samples (method.md §4): `ego` with saliency, `exo` their B*E exocentric images,
    of these the CAM [B*E, h, w], and the object maps [B, h, w] and [B*E, h, w], of the true actions.
    """
    batch = len(ego.parts)
    if ego.saliency is None:
        raise ObjectiveError(
            "part discovery needs the saliency of the egocentric images: features(..., saliency=True)"
        )
    activation = exo_activation(exo_cam, exo_object, first_epoch)
    ego_parts, exo_parts = ego.parts.detach(), exo.parts.detach().unflatten(0, (batch, -1))
    weighted = config.ego_descriptors == "weighted"
    found = discover(
        activation.detach().unflatten(0, (batch, -1)),
        ego_parts * ego_object.detach()[:, None] if weighted else ego_parts,
        exo_parts,
        ego.saliency,
        clusters=config.clusters,
        gamma=config.gamma,
        alpha=alpha,
        piou=config.piou,
        generator=generator,
        select=row_selection if config.selection == "rows" else None,
    )
    if config.part_maps == "averaged":
        found.parts = averaged_parts(found.parts, found.centroid, ego_parts, exo_parts)
    return found


def object_maps(
    net: SelconNet, ego: Features, exo: Features, labels: Tensor, kind: ObjectMaps = "raw"
) -> tuple[Tensor, Tensor]:
    """Return the object affinity maps A_ego [B, h, w] and A_exo [B*E, h, w] of the true actions (method.md
    §2); `kind` as in `WeakObjectiveConfig.object_maps`.
    """
    exo_labels = labels.repeat_interleave(len(exo.parts) // len(labels))
    cosines = (
        cosine_of(ego.patches, net.text_action[labels]),
        cosine_of(exo.patches, net.text_action[exo_labels]),
        cosine_of(exo.patches, net.text_person[exo_labels]),
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
