"""Which encoder with which weights, and a fingerprint of what was loaded."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass

from torch import nn

from selcon_ros.core.text import quoted


@dataclass(frozen=True)
class EncoderSpec:
    """Which encoder, with which weights.

    `name`: a timm model name (parts) or an open_clip one (CLIP). `weights`: None for random ones, a local
    file (see `weight_files`: .safetensors, .pt, .pth, .bin, .ckpt, or any path with a slash), "pretrained"
    for the hub weights that a timm name stands for, or an open_clip tag such as "openai". `sha256`: if given,
    `weights_digest` of the loaded model must equal it.
    """

    name: str
    weights: str | None = None
    sha256: str | None = None

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not isinstance(value, str) and (value is not None or name == "name"):
                raise TypeError(f"{name} of an encoder is {quoted(value)}, not a text")

    def as_dict(self) -> dict[str, str | None]:
        """Return the plain dict that `EncoderSpec(**dict)` takes back."""
        return asdict(self)


def weights_digest(model: nn.Module) -> str:
    """Return the SHA-256 of all parameters and buffers by name, shape and value, whatever file they came
    from.
    """
    digest = hashlib.sha256()
    for key, value in sorted(model.state_dict().items()):
        array = value.detach().cpu().contiguous().numpy()
        digest.update(f"{key} {array.dtype} {array.shape}\n".encode())
        digest.update(array.data)
    return digest.hexdigest()
