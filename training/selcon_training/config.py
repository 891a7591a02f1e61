"""The training configuration: a YAML file, checked key by key; every default is the paper's (METHOD sections
7, 12)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveInt,
    ValidationError,
    field_validator,
    model_validator,
)

from selcon_ros.core.errors import SelconError
from selcon_training.data.sampling import usable_threads
from selcon_training.objective import WeakObjectiveConfig
from selcon_training.released import BATCH_NORM_MOMENTUM, OFFICIAL


class ConfigError(SelconError):
    """A configuration is not valid: the message names each key and its value."""


class Section(BaseModel):
    """Base of all sections: unknown keys are errors, values are fixed once read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class JitterConfig(Section):
    """Random colour changes: half-widths, relative for the first three, in turns for hue."""

    brightness: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0
    contrast: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0
    saturation: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0
    hue: Annotated[float, Field(ge=0.0, le=0.5)] = 0.0


class DataConfig(Section):
    """Which data, and how images become network inputs."""

    root: Path
    divide: Literal["Seen", "Unseen"] | None = None
    actions: str | list[str] | None = None
    """In label order: seen, unseen, hico_iif, a text file (an action a line), a list, or null: dataset.json's
    list, else the training folders' names."""
    skip: Path | None = None
    """Text file of images and truth maps to leave out, one a line, named from root: selcon data check --out
    writes one."""
    weak_split: str = "trainset"
    """Where exocentric and egocentric images with action labels lie."""
    dense_splits: Annotated[list[str], Field(min_length=1)] = ["trainset"]
    """Where egocentric images with truth maps lie."""
    input_size: tuple[PositiveInt, PositiveInt] = (224, 224)
    """Height, width."""
    exocentric: PositiveInt = 3
    """E, exocentric images per sample."""
    zoom: tuple[float, float] = (8 / 7, 8 / 7)
    """Training images are scaled to z times the input, z drawn from this range, then cropped at random."""
    fit: Literal["cover", "stretch"] = "cover"
    flip: bool = True
    jitter: JitterConfig = JitterConfig()
    balanced: Literal["none", "action", "folder"] = "none"
    """Draw actions (or action/object folders) equally often."""
    cache: bool = False
    """Keep decoded training pictures in memory (dense)."""
    cache_size: tuple[PositiveInt, PositiveInt] | None = None
    """Height, width of cached pictures; null: the input size times the largest zoom."""

    @field_validator("zoom")
    @classmethod
    def _zoom_is_a_range(cls, zoom: tuple[float, float]) -> tuple[float, float]:
        if not 1.0 <= zoom[0] <= zoom[1] <= 4.0:
            raise ValueError("must be [smallest, largest] with 1 <= smallest <= largest <= 4")
        return zoom


class EncoderConfig(Section):
    """A timm (dino) or open_clip (clip) model: weights are null, "openai"/"pretrained" or a local file."""

    name: str
    weights: str | None = None
    sha256: str | None = None


class EncodersConfig(Section):
    """Both encoders, and whether they learn."""

    clip: EncoderConfig = EncoderConfig(name="ViT-B-16-quickgelu", weights="openai")
    dino: EncoderConfig = EncoderConfig(name="vit_small_patch16_224.dino", weights="pretrained")
    train: tuple[Literal["clip", "dino"], ...] = ()
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Of frozen encoders: auto is bf16 on CUDA devices that have it, else fp16 there, and fp32 on a CPU."""
    compile: Literal["auto", "on", "off"] = "auto"
    """torch.compile for frozen encoders: auto on CUDA with Triton and a C compiler, off on a CPU."""
    cache_features: bool = False
    """Encode cache_views views of every image once, and train the heads on the stored features (weak)."""
    cache_views: PositiveInt = 2
    """K: views are drawn by data.zoom, data.fit and data.jitter; with data.flip every second is mirrored."""
    cache_folder: Path | None = None
    """Where stored features lie; null: features/ beside the run."""

    @field_validator("compile", mode="before")
    @classmethod
    def _yaml_says_true_for_on(cls, value: Any) -> Any:
        return {True: "on", False: "off"}.get(value, value) if isinstance(value, bool) else value


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


class TrainConfig(Section):
    """Everything that one training run is made of."""

    name: str = Field(min_length=1)
    description: str = ""
    """Printed by the node at start-up; say what the model was trained on."""
    licence: str = "Apache-2.0"
    supervision: Literal["weak", "dense", "mixed"] = "weak"
    output: Path
    """Folder of the run: checkpoints, logs, the configuration used."""
    seed: Annotated[int, Field(ge=0)] = 0
    device: str = "auto"
    threads: PositiveInt | None = None
    data_threads: PositiveInt = Field(default_factory=usable_threads)
    """Threads that decode and augment; auto: one less than the cores this process may use."""
    precision: Literal["fp32", "bf16"] = "fp32"
    channels_last: bool = False
    deterministic: bool = False
    """Only algorithms that give the same bits every time; slower on a GPU, and some operations have none."""
    calibration: Literal["continuous", "binarized", "none"] = "continuous"
    gamma: Annotated[float, Field(ge=0.0, le=1.0)] = 0.6
    upscale: Annotated[int, Field(ge=1, le=4)] = 1
    """Maps have this multiple of the patch grid (supervision: dense): thin parts are finer than patches."""
    variant: Literal["paper", "official"] = "paper"
    """official: switches left unnamed are as in the released code, else as in the paper."""
    shared_projection: bool = False
    """One projection for egocentric and exocentric images, where the paper has two."""
    batch_norm_momentum: Annotated[float, Field(gt=0.0, le=1.0)] = 0.1
    classifier: Literal["linear", "text"] = "linear"
    """text: class weights are made of the actions' text features, so that other actions can be asked too."""
    data: DataConfig
    encoders: EncodersConfig = EncodersConfig()
    optimiser: OptimiserConfig = OptimiserConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    ema: EmaConfig | None = None
    """null: the weights as they are."""
    weak: WeakObjectiveConfig = WeakObjectiveConfig()
    """The paper's objective and its switches."""
    dense: DenseConfig = DenseConfig()
    mixed: MixedConfig = MixedConfig()
    inference: InferenceConfig = InferenceConfig()
    validation: ValidationConfig = ValidationConfig()
    checkpoint: CheckpointConfig = CheckpointConfig()
    logging: LoggingConfig = LoggingConfig()

    @model_validator(mode="before")
    @classmethod
    def _fill_in_the_variant(cls, values: Any) -> Any:
        if not isinstance(values, dict) or values.get("variant") != "official":
            return values
        weak = values.get("weak") or {}
        if not isinstance(weak, dict):
            return values
        filled = {"batch_norm_momentum": BATCH_NORM_MOMENTUM} | values
        return filled | {"weak": OFFICIAL | weak}

    @field_validator("data_threads", mode="before")
    @classmethod
    def _as_many_as_there_are(cls, value: Any) -> Any:
        return usable_threads() if value == "auto" else value

    @field_validator("weak", mode="before")
    @classmethod
    def _only_known_keys(cls, values: Any) -> Any:
        known = {field.name for field in fields(WeakObjectiveConfig)}
        unknown = sorted(set(values) - known) if isinstance(values, dict) else []
        if unknown:
            raise ValueError(f"no such key as {', '.join(unknown)}; there are {', '.join(sorted(known))}")
        return values

    @model_validator(mode="after")
    def _consistent(self) -> TrainConfig:
        if self.upscale > 1 and self.supervision != "dense":
            raise ValueError(
                f"upscale = {self.upscale}: the paper's losses compare the CAM with patches; "
                "use it with supervision: dense, or set it to 1"
            )
        if self.encoders.cache_features:
            if self.supervision != "weak":
                raise ValueError(
                    "encoders.cache_features is for supervision: weak; use data.cache for truth maps"
                )
            if self.encoders.train:
                raise ValueError("encoders.cache_features needs frozen encoders: leave encoders.train empty")
        return self


def load_config(path: Path | str, overrides: Sequence[str] = ()) -> TrainConfig:
    """Read a YAML configuration and apply ``key.sub=value`` overrides (values are YAML too).

    Relative paths stay relative to the working folder. Raises ConfigError naming every bad key and its value.
    """
    path = Path(path)
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read configuration {path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: expected keys and values, found {type(values).__name__}")
    for override in overrides:
        _apply(values, override)
    return parse_config(values, str(path))


def parse_config(values: dict[str, Any], source: str = "configuration") -> TrainConfig:
    """Validate plain values. Raises ConfigError naming every bad key and its value."""
    try:
        return TrainConfig.model_validate(values)
    except ValidationError as error:
        lines = [_explain(entry) for entry in error.errors()]
        raise ConfigError(f"{source}: " + "; ".join(lines)) from error


def _explain(entry: Any) -> str:
    key = ".".join(str(part) for part in entry["loc"]) or "the combination"
    if entry["type"] == "extra_forbidden":
        return f"{key}: no such key (value {entry['input']!r})"
    if entry["type"] == "missing":
        return f"{key}: required, but not given"
    message = str(entry["msg"]).removeprefix("Value error, ")
    if not entry["loc"]:
        return message
    return f"{key} = {entry['input']!r}: {message}"


def _apply(values: dict[str, Any], override: str) -> None:
    key, separator, text = override.partition("=")
    if not separator or not key:
        raise ConfigError(f"--set {override!r}: expected key=value, for example schedule.epochs=3")
    *parents, last = key.strip().split(".")
    section: Any = values
    for parent in parents:
        if section.get(parent) is None:
            section[parent] = {}
        section = section[parent]
        if not isinstance(section, dict):
            raise ConfigError(f"--set {override!r}: {parent} is not a section")
    try:
        section[last] = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {override!r}: the value is not valid YAML: {error}") from error
