"""The sections of a training configuration; every default is the paper's (method.md §7, §12)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, PositiveInt, field_validator

from selcon_ros.core.grounding.placement import Fit
from selcon_training.config.section import NameOrFile, Section, UserPath, UserPaths
from selcon_training.data.photometry import Photometry


class JitterConfig(Section):
    """Random colour changes: half-widths, relative for the first three, in turns for hue."""

    brightness: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0
    contrast: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0
    saturation: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0
    hue: Annotated[float, Field(ge=0.0, le=0.5)] = 0.0


Share = Annotated[float, Field(ge=0.0, le=1.0)]


class MixConfig(Section):
    """Another data set with truth maps that has its share of every batch."""

    root: UserPath
    divide: Literal["Seen", "Unseen"] | None = None
    splits: list[str] = Field(default=["trainset"], min_length=1)
    skip: UserPath | None = None
    share: Annotated[float, Field(gt=0.0, lt=1.0)]


class DataConfig(Section):
    """Which data, and how images become network inputs."""

    root: UserPath
    divide: Literal["Seen", "Unseen"] | None = None
    actions: NameOrFile | list[str] | None = None
    """In label order: seen, unseen, hico_iif, a text file (an action a line), a list, or null: dataset.json's
    list, else the training folders' names."""
    skip: UserPath | None = None
    """Text file of images and truth maps to leave out, one a line, named from root: selcon data check --out
    writes one."""
    weak_split: str = "trainset"
    """Where exocentric and egocentric images with action labels lie."""
    dense_splits: list[str] = Field(default=["trainset"], min_length=1)
    """Where egocentric images with truth maps lie."""
    input_size: tuple[PositiveInt, PositiveInt] = (224, 224)
    """Height, width."""
    exocentric: PositiveInt = 3
    """E, exocentric images per sample."""
    zoom: tuple[float, float] = (8 / 7, 8 / 7)
    """Training images are scaled to z times the input, z drawn from this range, then cropped at random; below
    1 (dense) they are smaller than what is seen."""
    fit: Literal["cover", "stretch", "pad"] = "cover"
    """cover and pad keep the aspect ratio. With pad the bundle pads too; else it stretches."""
    flip: bool = True
    turn: Annotated[float, Field(ge=0.0, le=180.0)] = 0.0
    """Training images are turned by up to so many degrees, either way (dense, as all keys down to mix)."""
    shift: Share = 0.0
    """They lie up to this share of a side beyond where they cover what is seen: objects are cut off."""
    stretch: Share = 0.0
    """Their aspect ratio changes by up to this share."""
    shape_share: Share = 0.0
    """fit pad: so often they are shown as a camera of another shape would, from portrait to panorama."""
    jitter: JitterConfig = JitterConfig()
    photometry: Photometry | None = None
    """Changes as of cameras: exposure, colours, blur, noise, compression. {} or true: all, as by default."""
    backgrounds: UserPaths | None = None
    """Folder of real pictures (of `selcon tabletop media`, or any) that are put behind objects, where label
    maps tell those; or a list of such folders, as for textures and negatives."""
    background_share: Share = 0.6
    studio_share: Share = 0.0
    """Of these samples: how often a smooth sweep of paper is put behind instead of a picture."""
    textures: UserPaths | None = None
    """Folder of real textures that are put on parts, where label maps tell those."""
    texture_share: Share = 0.3
    negatives: UserPaths | None = None
    """Folder of real pictures that afford no action."""
    negative_share: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.2
    """Of every batch."""
    mix: list[MixConfig] = Field(default=[])
    """Further data sets with truth maps, each with its share of every batch."""
    balanced: Literal["none", "action", "folder"] = "none"
    """Draw actions (or action/object folders) equally often."""
    cache: bool = False
    """Keep decoded training pictures in memory (dense)."""
    cache_size: tuple[PositiveInt, PositiveInt] | None = None
    """Height, width of cached pictures; null: the input size times the largest zoom."""

    @property
    def fit_in_use(self) -> Fit:
        """How images are brought to the network in validation and by the bundle."""
        return "pad" if self.fit == "pad" else "stretch"

    @field_validator("zoom")
    @classmethod
    def _zoom_is_a_range(cls, zoom: tuple[float, float]) -> tuple[float, float]:
        if not 0.25 <= zoom[0] <= zoom[1] <= 4.0:
            raise ValueError("must be [smallest, largest] with 0.25 <= smallest <= largest <= 4")
        return zoom

    @field_validator("photometry", mode="before")
    @classmethod
    def _true_for_all_of_it(cls, value: Any) -> Any:
        return {True: {}, False: None}[value] if isinstance(value, bool) else value

    @property
    def varied(self) -> list[str]:
        """The keys that ask for more than cropping, mirroring and jitter, which every supervision has."""
        asked = {
            "zoom": self.zoom[0] < 1.0,
            "turn": self.turn > 0.0,
            "shift": self.shift > 0.0,
            "stretch": self.stretch > 0.0,
            "photometry": self.photometry is not None,
            "backgrounds": self.backgrounds is not None,
            "textures": self.textures is not None,
        }
        return [key for key, wanted in asked.items() if wanted]


class OptimiserConfig(Section):
    """Optimiser and its parameter groups."""

    kind: Literal["sgd", "adamw"] = "sgd"
    lr: Annotated[float, Field(gt=0.0)] = 1e-3
    encoder_lr: Annotated[float, Field(gt=0.0)] = 1e-4
    momentum: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.9
    nesterov: bool = True
    weight_decay: Annotated[float, Field(ge=0.0)] = 5e-4
    bias_factor: Annotated[float, Field(gt=0.0)] = 2.0
    """Learning rate of biases, relative (SGD)."""
    mlp_factor: Annotated[float, Field(gt=0.0)] = 10.0
    """Learning rate of the MLP's two linear layers, relative (SGD)."""
    clip_norm: Annotated[float | None, Field(gt=0.0)] = None


class ScheduleConfig(Section):
    """How long, how many at once, and how the rate runs."""

    epochs: PositiveInt = 15
    batch_size: PositiveInt = 8
    rate: Literal["constant", "cosine"] = "constant"
    warmup_steps: Annotated[int, Field(ge=0)] = 0
    final_rate: Annotated[float, Field(ge=0.0, le=1.0)] = 0.01
    """Where the cosine ends, relative to its start."""


class EmaConfig(Section):
    """Exponential moving average of the weights; it is what is validated and exported."""

    decay: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.999
    """Share of the former average at each step: 0.999 averages over about the last 1,000 steps."""
    warm_up: bool = False
    """After n steps the share is at most (1 + n) / (10 + n): what was there before training soon is gone."""


class DenseConfig(Section):
    """Losses against truth maps; a weight of 0 leaves a term out."""

    cam: Annotated[float, Field(ge=0.0)] = 1.0
    """Binary cross-entropy of the CAM logits."""
    pos_weight: Annotated[float, Field(gt=0.0)] = 1.0
    focal_gamma: Annotated[float, Field(ge=0.0)] = 0.0
    dice: Annotated[float, Field(ge=0.0)] = 0.0
    refined: Annotated[float, Field(ge=0.0)] = 0.5
    """Kullback-Leibler divergence of the heatmap as it is used: calibrated with the affinity."""
    affinity: Annotated[float, Field(ge=0.0)] = 0.5
    """Binary cross-entropy of scale * affinity + offset; no effect while the CLIP encoder is frozen."""
    parts: Annotated[float, Field(ge=0.0)] = 0.0
    """Cross-entropy of the kinds of parts that label maps show, from a head for training only (backbone)."""
    truth: Literal["blurred", "part"] = "blurred"
    """part: masks, else the parts that label maps show, else where a map exceeds half its peak; sharper."""
    prior: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.02
    """The sigmoid of an untrained CAM: starts the classifier's bias there."""


class MixedConfig(Section):
    """Weights of the two halves of mixed supervision."""

    dense: Annotated[float, Field(ge=0.0)] = 1.0
    weak: Annotated[float, Field(ge=0.0)] = 1.0


class ValidationConfig(Section):
    """On valset where there is one, else on egocentric images held out of the training folders."""

    every_epochs: PositiveInt = 1
    held_out: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.05
    batch_size: PositiveInt = 16
    limit: PositiveInt | None = None
    """At most this many pictures, spread evenly."""


class ConfidenceConfig(Section):
    """Fits the confidence at the end for a stated false rate, on real pictures too."""

    negatives: UserPath
    """Folder of real pictures that afford no action; of `selcon tabletop media` those for calibration."""
    false_rate: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.03
    """So often may an action that is not possible pass a confidence of 0.5."""
    scene_false_rate: Annotated[float | None, Field(gt=0.0, lt=1.0)] = None
    """The same in the valset's scenes, among other objects; null: false_rate."""
    clutter_false_rate: Annotated[float | None, Field(gt=0.0, lt=1.0)] = None
    """The same in scenes of clutter, with which no action is possible; null: scene_false_rate."""


class InferenceConfig(Section):
    """Test-time averaging, in validation and in the exported graph."""

    flip: bool = False
    """Average the maps of the picture and of its mirror image: twice the time."""
    scales: Annotated[tuple[Annotated[float, Field(ge=0.25, le=4.0)], ...], Field(min_length=1)] = (1.0,)
    """Average the maps of the picture at these factors of the input size, in whole patches."""


class CheckpointConfig(Section):
    """When the state of training is written (always at the end)."""

    every_epochs: PositiveInt = 1
    every_steps: PositiveInt | None = None


class LoggingConfig(Section):
    """TensorBoard."""

    every_steps: PositiveInt = 20
    overlays: Annotated[int, Field(ge=0)] = 6
