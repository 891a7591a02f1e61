"""Image and text encoders: part descriptors (DINO-like) and dense CLIP features."""

from selcon_training.encoders.clip import DenseClip
from selcon_training.encoders.dino import PartEncoder
from selcon_training.encoders.loading import clip_tokenizer, load_clip, load_dino, load_encoders
from selcon_training.encoders.spec import EncoderSpec, weights_digest

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
