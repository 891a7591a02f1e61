"""How frozen encoders run: in which precision, compiled or not, how many images at once (method.md §1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor, nn

Encoded = tuple[Tensor, Tensor, Tensor | None]

CPU_CHUNK_IMAGES = 8
"""Images that go through a network together on a CPU. The activations of more leave its caches, and the
allocator returns buffers so large to the system after every use: a ViT-B block costs a tenth more at 32."""


@dataclass(frozen=True)
class FrozenPass:
    """One pass of images through both encoders without gradients.

    `dtype`: float32, or bfloat16 or float16 for the matrix products (autocast: the weights stay as they are).
    `compiled`: through torch.compile, once for every batch size. Whatever runs, features are float32.
    """

    dtype: torch.dtype = torch.float32
    compiled: bool = False

    @torch.no_grad()
    def __call__(self, dino: nn.Module, clip: nn.Module, images: Tensor, attention: bool) -> Encoded:
        """Return part descriptors [B, D, h, w], patch features [B, d, h, w] and, if asked for, the class
        token's attention [B, heads, h, w] of normalised RGB images [B, 3, H, W].
        """
        run = _compiled() if self.compiled else encode
        whole = images.is_cuda or torch.onnx.is_in_onnx_export()
        chunks = (images,) if whole else torch.split(images, CPU_CHUNK_IMAGES)
        with torch.autocast(images.device.type, self.dtype, enabled=self.dtype != torch.float32):
            done = [run(dino, clip, chunk, attention) for chunk in chunks]
        parts, patches, weights = zip(*done, strict=True)
        return (
            _joined(parts),
            _joined(patches),
            _joined([w for w in weights if w is not None]) if attention else None,
        )


def encode(dino: nn.Module, clip: nn.Module, images: Tensor, attention: bool) -> Encoded:
    """Run both encoders as they are; see `FrozenPass`."""
    parts, weights = dino(images, attention=attention)
    return parts, clip(images), weights


@lru_cache(maxsize=1)
def _compiled() -> Callable[[nn.Module, nn.Module, Tensor, bool], Encoded]:
    return torch.compile(encode, dynamic=False)


def _joined(pieces: list[Tensor] | tuple[Tensor, ...]) -> Tensor:
    return (pieces[0] if len(pieces) == 1 else torch.cat(list(pieces))).float()
