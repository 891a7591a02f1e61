"""The sections `encoders` and `backbone` of a training configuration."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, PositiveInt, field_validator, model_validator

from selcon_training.config.section import NameOrFile, Section, UserPath


class EncoderConfig(Section):
    """A timm (dino) or open_clip (clip) model: weights are null, "openai"/"pretrained" or a local file."""

    name: str
    weights: NameOrFile | None = None
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
    cache_folder: UserPath | None = None
    """Where stored features lie; null: features/ beside the run."""

    @field_validator("compile", mode="before")
    @classmethod
    def _yaml_says_true_for_on(cls, value: Any) -> Any:
        return {True: "on", False: "off"}.get(value, value) if isinstance(value, bool) else value


class BackboneConfig(EncoderConfig):
    """A convolutional timm model: weights are null, "pretrained", a local file or "package:NAME"."""

    name: str = "tf_efficientnet_lite0"
    train: Literal["none", "upper", "all"] = "none"
    """Beside the decoder: the last half of its stages, or all but its first convolution."""
    frozen_epochs: Annotated[int, Field(ge=0)] = 0
    """So many epochs train the decoder alone, which is faster; then what `train` says learns too."""
    style_mixing: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0
    """So often a training picture gets feature statistics of another one, at strides 4 and 8 (MixStyle)."""
    width: Annotated[int, Field(ge=8, le=1024)] = 96
    """Channels of the decoder."""
    bundle: UserPath | None = None
    """A bundle of such a network for the same actions: backbone and decoder go on from it."""

    @model_validator(mode="after")
    def _one_start(self) -> BackboneConfig:
        if self.bundle is not None and (self.weights is not None or self.sha256 is not None):
            raise ValueError("a bundle brings its own weights: leave out weights and sha256, or the bundle")
        return self
