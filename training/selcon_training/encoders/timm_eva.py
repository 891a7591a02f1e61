"""What the part encoder needs from timm's Eva, the class of DINOv3: its last block, rotation and tokens."""

from __future__ import annotations

from typing import Any

import torch
from timm.layers.pos_embed_sincos import apply_rot_embed_cat
from timm.models.eva import Eva, EvaAttention, EvaBlock
from torch import Tensor, nn

from selcon_training.encoders import timm_vit
from selcon_training.errors import EncoderError


def last_block(trunk: Eva, what: str) -> tuple[EvaBlock, EvaAttention]:
    """Return the last block of `trunk` and its attention; raises EncoderError where they are of another
    kind.
    """
    if len(trunk.blocks) < 1:
        raise EncoderError(f"{what} has no transformer blocks left")
    block = trunk.blocks[-1]
    attention = getattr(block, "attn", None)
    if type(block) is not EvaBlock or type(attention) is not EvaAttention:
        raise EncoderError(
            f"{what}: its last block is a {type(block).__name__}"
            f" with {type(attention).__name__}; "
            "of timm's Eva models those with EvaBlock and EvaAttention are understood, such as DINOv3"
        )
    if getattr(trunk, "rope_mixed", False) or getattr(trunk, "patch_drop", None) is not None:
        raise EncoderError(f"{what}: rotations that differ by block, and dropped patches, are not understood")
    return block, attention


def query_and_key(attention: EvaAttention) -> tuple[nn.Linear, nn.Linear]:
    """Return the linear layers of the queries and of the keys (which have no bias in this class)."""
    joint: Any = attention.qkv  # None, or a layer
    if joint is None:
        assert attention.q_proj is not None and attention.k_proj is not None
        return attention.q_proj, attention.k_proj
    query, key = (timm_vit.rows(joint, (part,)) for part in (0, 1))
    if attention.q_bias is not None:
        query.bias = nn.Parameter(attention.q_bias.detach().clone(), attention.q_bias.requires_grad)
    return query, key


def take_rotation(trunk: Eva, grid: tuple[int, int]) -> Tensor | None:
    """Take the rotary embedding out of `trunk`: the table [h·w, 2 d] (sine, cosine) of the grid, or None.

    The grid is fixed, so the table is a constant: the same as the model computes anew for every batch.
    """
    rope: Any = trunk.rope  # None, or one of several modules
    if rope is None:
        return None
    rope.eval()  # training may shift coordinates
    table: Tensor = rope.get_embed(shape=grid) if trunk.dynamic_img_size else rope.get_embed()
    trunk.rope = None  # type: ignore[assignment]
    return table.detach().clone()


def rotate(x: Tensor, rotation: Tensor, prefix: int, half: bool) -> Tensor:
    """Rotate queries or keys [B, heads, N, d] by their places; the first `prefix` tokens have none."""
    rotated = apply_rot_embed_cat(x[:, :, prefix:], rotation, half=half)
    return torch.cat([x[:, :, :prefix], rotated], dim=2).type_as(x)


def tokens(trunk: Eva, images: Tensor, rotation: Tensor | None) -> Tensor:
    """Embed images [B, 3, h, w] and run every block that `trunk` still has: tokens [B, prefix + patches,
    width].
    """
    x: Tensor = trunk.norm_pre(trunk._pos_embed(trunk.patch_embed(images))[0])
    for block in trunk.blocks:
        x = block(x, rope=rotation)
    return x
