"""The numbers and switches of the weakly supervised objective; the defaults are the paper's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from selcon_training.errors import ObjectiveError

Piou = Literal["locate", "corrected"]
PixelVariant = Literal["paper", "official"]
NegativeCam = Literal["relu", "minmax"]
ObjectMaps = Literal["raw", "minmax"]
Level = Literal["part", "object"]
Reliability = Literal["fixed", "class"]
Selection = Literal["maps", "rows"]
EgoDescriptors = Literal["plain", "weighted"]
PartMaps = Literal["cosine", "averaged"]


@dataclass(frozen=True)
class WeakObjectiveConfig:
    """Every number and switch of the objective; the defaults are the paper's. Raises ObjectiveError for a bad
    one.

    `gamma` γ, `alpha` α, `clusters` K, `tau` τ, `tau0` τ₀, `lambda_proto` λ₁, `lambda_pixel` λ₂ (0: that loss
    is not computed). `piou`: "locate" (published numbers) or "corrected". `pixel_variant`: "paper" or
    "official" (released code). `negative_cam`: the CAM in 1 − M ⊙ CAM is rectified only ("relu", as released)
    or also min-maxed and detached ("minmax"). `object_maps`: the cosines of which the object maps A_ego and
    A_exo are made, as they are ("raw", as released) or min-maxed first ("minmax", for a CLIP encoder whose
    cosines are negative off the object: there the product of two would be positive). `warm_up_epochs`:
    epochs of cross-entropy alone before the contrastive losses set in. `prototype_level`, `pixel_level`: the
    paper's selection of parts where they are found ("part"), or object maps and object-level Q⁺ throughout
    ("object", its ablation). `reliability`: α for every class ("fixed"), or the running mean of the class's
    own pIoU, which starts at α ("class"). `selection`, `ego_descriptors`, `part_maps`: part discovery as in
    the paper ("maps", "plain", "cosine") or as released ("rows": a row of another map selects; "weighted":
    egocentric descriptors are multiplied by the affinity; "averaged": see `objectives/released_code.py`).
    """

    gamma: float = 0.6
    alpha: float = 0.6
    clusters: int = 3
    tau: float = 0.5
    tau0: float = 0.07
    lambda_proto: float = 1.0
    lambda_pixel: float = 1.0
    piou: Piou = "locate"
    pixel_variant: PixelVariant = "paper"
    negative_cam: NegativeCam = "relu"
    object_maps: ObjectMaps = "raw"
    warm_up_epochs: int = 0
    prototype_level: Level = "part"
    pixel_level: Level = "part"
    reliability: Reliability = "fixed"
    selection: Selection = "maps"
    ego_descriptors: EgoDescriptors = "plain"
    part_maps: PartMaps = "cosine"

    def __post_init__(self) -> None:
        good = {
            "gamma": 0 <= self.gamma <= 1,
            "alpha": 0 <= self.alpha <= 1,
            "clusters": self.clusters >= 1,
            "tau": self.tau >= 1e-3,
            "tau0": self.tau0 >= 1e-3,
            "lambda_proto": self.lambda_proto >= 0,
            "lambda_pixel": self.lambda_pixel >= 0,
            "piou": self.piou in get_args(Piou),
            "pixel_variant": self.pixel_variant in get_args(PixelVariant),
            "negative_cam": self.negative_cam in get_args(NegativeCam),
            "object_maps": self.object_maps in get_args(ObjectMaps),
            "warm_up_epochs": self.warm_up_epochs >= 0,
            "prototype_level": self.prototype_level in get_args(Level),
            "pixel_level": self.pixel_level in get_args(Level),
            "reliability": self.reliability in get_args(Reliability),
            "selection": self.selection in get_args(Selection),
            "ego_descriptors": self.ego_descriptors in get_args(EgoDescriptors),
            "part_maps": self.part_maps in get_args(PartMaps),
        }
        for name in good:
            if not good[name]:
                raise ObjectiveError(f"weak.{name} cannot be {getattr(self, name)!r}")

    def contrastive(self, epoch: int) -> bool:
        """Return whether the contrastive losses are on in `epoch`, counted from 0."""
        return epoch >= self.warm_up_epochs and self.lambda_proto + self.lambda_pixel > 0


BATCH_NORM_MOMENTUM = 0.19
"""Of the released code: both projections are computed twice a step there, so the running statistics move
twice: 1 − 0.9²."""

OFFICIAL = {
    "piou": "locate",
    "pixel_variant": "official",
    "negative_cam": "relu",
    "selection": "rows",
    "ego_descriptors": "weighted",
    "part_maps": "averaged",
}
"""The objective's switches as in the released code."""
