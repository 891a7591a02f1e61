"""Image and text encoders: part descriptors (DINO-like) and dense CLIP features."""

from selcon_training.encoders import torchvision_operators

torchvision_operators.ensure()  # before anything here imports timm or open_clip

from selcon_training.encoders.clip import DenseClip  # noqa: E402
from selcon_training.encoders.dino import PartEncoder  # noqa: E402
from selcon_training.encoders.loading import clip_tokenizer, load_clip, load_dino, load_encoders  # noqa: E402
from selcon_training.encoders.spec import EncoderSpec, weights_digest  # noqa: E402

__all__ = [
    "DenseClip",
    "EncoderSpec",
    "PartEncoder",
    "clip_tokenizer",
    "load_clip",
    "load_dino",
    "load_encoders",
    "weights_digest",
]
