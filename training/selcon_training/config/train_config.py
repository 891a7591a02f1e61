"""The training configuration: a YAML file, checked key by key; every default is the paper's (method.md §7,
§12)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    PositiveInt,
    ValidationError,
    field_validator,
    model_validator,
)

from selcon_ros.core.errors import SelconError
from selcon_ros.core.files.plain_file import read_bytes
from selcon_ros.core.files.user_path import user_path
from selcon_ros.core.text import quoted
from selcon_training.config.encoders import BackboneConfig, EncodersConfig
from selcon_training.config.section import Section, UserPath
from selcon_training.config.sections import (
    CheckpointConfig,
    ConfidenceConfig,
    DataConfig,
    DenseConfig,
    EmaConfig,
    InferenceConfig,
    LoggingConfig,
    MixedConfig,
    OptimiserConfig,
    ScheduleConfig,
    ValidationConfig,
)
from selcon_training.config.weak_objective import BATCH_NORM_MOMENTUM, OFFICIAL_SWITCHES, WeakObjectiveConfig
from selcon_training.config.yaml_files import MAX_FILE_BYTES, parse_yaml
from selcon_training.data.ordering import usable_threads

_MAX_FAULTS_SHOWN, _MAX_VALUE_LENGTH = 10, 100
"""Faults that a message lists, and characters of a value in it."""


class ConfigError(SelconError):
    """A configuration is not valid: the message names each key and its value."""


class TrainConfig(Section):
    """Everything that one training run is made of."""

    name: str = Field(min_length=1)
    description: str = ""
    """Printed by the node at start-up; say what the model was trained on."""
    licence: str = "Apache-2.0"
    supervision: Literal["weak", "dense", "mixed"] = "weak"
    output: UserPath
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
    """γ of the binarized calibration alone; γ of training is `weak.gamma`."""
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
    backbone: BackboneConfig | None = None
    """A convolutional network takes the place of the paper's (supervision: dense, calibration: none)."""
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
    confidence: ConfidenceConfig | None = None
    """null: fitted on the valset alone, 0.5 where an action is as likely there as not."""
    checkpoint: CheckpointConfig = CheckpointConfig()
    logging: LoggingConfig = LoggingConfig()

    @property
    def reads_labels(self) -> bool:
        """Whether training makes anything of label maps (of rendered data sets)."""
        composes = self.data.backgrounds is not None or self.data.textures is not None
        dense = self.supervision != "weak"
        return dense and (composes or self.dense.parts > 0.0 or self.dense.truth == "part")

    @model_validator(mode="before")
    @classmethod
    def _fill_in_the_variant(cls, values: Any) -> Any:
        if not isinstance(values, dict) or values.get("variant") != "official":
            return values
        weak = values.get("weak") or {}
        if not isinstance(weak, dict):
            raise ValueError("variant: official fills in a weak section of plain keys and values")
        filled = {"batch_norm_momentum": BATCH_NORM_MOMENTUM} | values
        return filled | {"weak": OFFICIAL_SWITCHES | weak}

    @field_validator("data_threads", mode="before")
    @classmethod
    def _as_many_as_there_are(cls, value: Any) -> Any:
        return usable_threads() if value == "auto" else value

    @model_validator(mode="after")
    def _consistent(self) -> TrainConfig:
        if self.upscale > 1 and self.supervision != "dense":
            raise ValueError(
                f"upscale = {self.upscale}: the paper's losses compare the CAM with patches; "
                "use it with supervision: dense, or set it to 1"
            )
        if self.backbone is not None:
            self._fits_a_backbone()
        elif self.dense.parts:
            raise ValueError(f"dense.parts = {self.dense.parts} needs a backbone: set it to 0")
        if self.data.studio_share and self.data.backgrounds is None:
            raise ValueError(
                f"data.studio_share = {self.data.studio_share} is a share of the replaced backgrounds: "
                "give data.backgrounds, or leave it out"
            )
        varied = [*self.data.varied, *(key for key in ("negatives", "mix") if getattr(self.data, key))]
        if varied and self.supervision != "dense":
            setting = "data.zoom below 1" if varied[0] == "zoom" else f"data.{varied[0]}"
            raise ValueError(f"{setting} is for supervision: dense, not for {self.supervision}")
        if self.data.fit == "pad" and self.supervision != "dense":
            raise ValueError(
                f"data.fit = 'pad' with supervision: {self.supervision}: the paper's losses average over the "
                "whole map, padding too; use it with supervision: dense, or set data.fit to cover or stretch"
            )
        if self.encoders.cache_features:
            if self.supervision != "weak":
                raise ValueError(
                    "encoders.cache_features is for supervision: weak; use data.cache for truth maps"
                )
            if self.encoders.train:
                raise ValueError("encoders.cache_features needs frozen encoders: leave encoders.train empty")
        return self

    @property
    def trained(self) -> tuple[str, ...]:
        """What of the encoders trains: clip, dino; of a backbone upper or all."""
        if self.backbone is None:
            return self.encoders.train
        return () if self.backbone.train == "none" else (self.backbone.train,)

    def _fits_a_backbone(self) -> None:
        wanted = {"supervision": "dense", "calibration": "none"}
        wanted |= {
            name: TrainConfig.model_fields[name].default
            for name in ("encoders", "upscale", "classifier", "shared_projection", "variant")
        }
        for name, value in wanted.items():
            if getattr(self, name) != value:
                asked = "leave it out" if name == "encoders" else f"set {name}: {value}"
                raise ValueError(
                    f"{name} is for the paper's network, but backbone asks for a convolutional one: {asked}"
                )


def load_config(path: Path | str, overrides: Sequence[str] = ()) -> TrainConfig:
    """Read a YAML configuration and apply `key.sub=value` overrides (values are YAML too).

    Relative paths stay relative to the working folder, and ~ in any path is the home folder. Raises
    ConfigError naming every bad key and its value.
    """
    path = user_path(path, ConfigError)
    values = read_yaml(path)
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: expected keys and values, found {type(values).__name__}")
    return parse_config(changed(values, overrides), str(path))


def changed(values: dict[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Apply `key.sub=value` overrides to plain values, in place. Raises ConfigError."""
    for override in overrides:
        _apply(values, override)
    return values


def read_yaml(path: Path) -> Any:
    """Return the values in a YAML file. Raises ConfigError."""
    return parse_yaml(read_bytes(path, ConfigError, MAX_FILE_BYTES), path, ConfigError)


def parse_config(values: dict[str, Any], source: str = "configuration") -> TrainConfig:
    """Validate plain values. Raises ConfigError naming every bad key and its value."""
    try:
        return TrainConfig.model_validate(values)
    except ValidationError as error:
        lines = [_explain(entry) for entry in error.errors()]
        more = f"; and {len(lines) - _MAX_FAULTS_SHOWN} more" if len(lines) > _MAX_FAULTS_SHOWN else ""
        raise ConfigError(f"{source}: " + "; ".join(lines[:_MAX_FAULTS_SHOWN]) + more) from error


def _explain(entry: Any) -> str:
    key = ".".join(str(part) for part in entry["loc"]) or "the combination"
    if entry["type"] == "extra_forbidden":
        return f"{key[:_MAX_VALUE_LENGTH]}: no such key (value {quoted(entry['input'], _MAX_VALUE_LENGTH)})"
    if entry["type"] == "missing":
        return f"{key}: required, but not given"
    message = str(entry["msg"]).removeprefix("Value error, ")
    if not entry["loc"]:
        return message
    return f"{key} = {quoted(entry['input'], _MAX_VALUE_LENGTH)}: {message}"


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
    section[last] = parse_yaml(
        os.fsencode(text), f"the value of --set {key[:_MAX_VALUE_LENGTH]}", ConfigError
    )
