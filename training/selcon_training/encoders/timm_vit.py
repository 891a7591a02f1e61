"""What both encoders need from a timm VisionTransformer: checks, input size, tokens before the last block."""

from __future__ import annotations

from typing import cast

import torch
from timm.layers.attention import Attention
from timm.models.eva import Eva
from timm.models.vision_transformer import Block, VisionTransformer
from torch import Tensor, nn

from selcon_training.encoders.sizes import Size, check_input_size, patch_size
from selcon_training.errors import EncoderError


def last_block(trunk: nn.Module, what: str) -> tuple[Block, Attention]:
    """Return the last block of `trunk`, a plain timm VisionTransformer (any patch embedding), and its
    attention, or raise EncoderError.
    """
    if not isinstance(trunk, VisionTransformer):
        raise EncoderError(f"{what} is a {type(trunk).__name__}; needed is a timm VisionTransformer")
    if len(trunk.blocks) < 1:
        raise EncoderError(f"{what} has no transformer blocks left")
    block = trunk.blocks[-1]
    attention = getattr(block, "attn", None)
    if type(block) is not Block or type(attention) is not Attention:
        raise EncoderError(
            f"{what}: its last block is a {type(block).__name__}"
            f" with {type(attention).__name__}; "
            "only timm's standard Block with Attention is understood"
        )
    # Attention of timm before 1.0.25 knows no gate.
    if getattr(attention, "gate", None) is not None or not isinstance(attention.norm, nn.Identity):
        raise EncoderError(f"{what}: gated or normed attention is not understood in the last block")
    return block, attention


def set_input_size(trunk: VisionTransformer | Eva, input_size: Size, what: str) -> Size:
    """Fit the position embedding of `trunk` to images of (height, width) pixels; return the patch grid (h,
    w).
    """
    check_input_size(input_size, {what: patch_size(trunk)})
    if tuple(trunk.patch_embed.img_size) != tuple(input_size):
        trunk.set_input_size(img_size=input_size)
    height, width = trunk.patch_embed.grid_size
    return int(height), int(width)


def tokens(trunk: VisionTransformer, images: Tensor) -> Tensor:
    """Embed images [B, 3, h, w] and run every block that `trunk` still has: tokens [B, prefix + patches,
    width].
    """
    x = trunk.patch_embed(images)
    x = trunk._pos_embed(x)
    x = trunk.patch_drop(x)
    x = trunk.norm_pre(x)
    return cast(Tensor, trunk.blocks(x))


def rows(linear: nn.Linear, parts: tuple[int, ...]) -> nn.Linear:
    """Return the linear layer that gives only some of the query (0), key (1) and value (2) thirds of a joint
    one.
    """
    width = linear.out_features // 3
    index = torch.cat([torch.arange(part * width, (part + 1) * width) for part in parts])
    piece = nn.Linear(linear.in_features, len(index), bias=linear.bias is not None)
    with torch.no_grad():
        piece.weight.copy_(linear.weight[index])
        if linear.bias is not None:
            piece.bias.copy_(linear.bias[index])
    return piece.to(linear.weight)
