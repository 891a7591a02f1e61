"""The weakly supervised objective's section of a configuration; the defaults are the paper's."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from selcon_training.config.section import Section
from selcon_training.config.sections import Share

Piou = Literal["locate", "corrected"]
PixelVariant = Literal["paper", "official"]
NegativeCam = Literal["relu", "minmax"]
ObjectMaps = Literal["raw", "minmax"]
MapLevel = Literal["part", "object"]


class WeakObjectiveConfig(Section):
    """Every number and switch of the objective."""

    gamma: Share = 0.6
    """γ of training, above which cells of a min-maxed map are taken; that of inference is the top level's."""
    alpha: Share = 0.6
    """α, the least pIoU of a reliable part."""
    clusters: PositiveInt = 3
    """K, of K-means."""
    tau: Annotated[float, Field(ge=1e-3)] = 0.5
    """τ, temperature of the contrastive losses."""
    tau0: Annotated[float, Field(ge=1e-3)] = 0.07
    """τ₀, by which τ is divided to scale them."""
    lambda_proto: Annotated[float, Field(ge=0.0)] = 1.0
    """λ₁, weight of the prototypical loss; at 0 it is not computed."""
    lambda_pixel: Annotated[float, Field(ge=0.0)] = 1.0
    """λ₂, weight of the pixel loss; at 0 it is not computed."""
    piou: Piou = "locate"
    """How a candidate is scored against the saliency: locate is that of the published numbers."""
    pixel_variant: PixelVariant = "paper"
    """official: as in the released code."""
    negative_cam: NegativeCam = "relu"
    """The CAM in 1 − M ⊙ CAM: relu rectifies it, as released; minmax also min-maxes and detaches it."""
    object_maps: ObjectMaps = "raw"
    """The cosines of which A_ego and A_exo are made: raw as released, or min-maxed first, for a CLIP encoder
    whose cosines are negative off the object (there the product of two would be positive)."""
    warm_up_epochs: Annotated[int, Field(ge=0)] = 0
    """Epochs of cross-entropy alone before the contrastive losses set in."""
    prototype_level: MapLevel = "part"
    """part: parts where they are found; object: object maps throughout (ablation)."""
    pixel_level: MapLevel = "part"
    """part: part-level Q⁺ where it is found; object: object-level Q⁺ throughout (ablation)."""
    reliability: Literal["fixed", "class"] = "fixed"
    """fixed: α for every class; class: the running mean of the class's own pIoU, which starts at α."""
    selection: Literal["maps", "rows"] = "maps"
    """rows: as in the released code, a row of another map selects descriptors."""
    ego_descriptors: Literal["plain", "weighted"] = "plain"
    """weighted: as in the released code, egocentric descriptors are multiplied by the affinity."""
    part_maps: Literal["cosine", "averaged"] = "cosine"
    """averaged: as in the released code (see `losses/released_code.py`)."""

    def contrastive(self, epoch: int) -> bool:
        """Return whether the contrastive losses are on in `epoch`, counted from 0."""
        return epoch >= self.warm_up_epochs and self.lambda_proto + self.lambda_pixel > 0


BATCH_NORM_MOMENTUM = 0.19
"""Of the released code: both projections are computed twice a step there, so the running statistics move
twice: 1 − 0.9²."""

OFFICIAL_SWITCHES = {
    "piou": "locate",
    "pixel_variant": "official",
    "negative_cam": "relu",
    "selection": "rows",
    "ego_descriptors": "weighted",
    "part_maps": "averaged",
}
"""The objective's switches as in the released code."""
