"""Scaled dot-product attention that exports to a lean graph."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from timm.layers.attention import Attention
from timm.models.eva import EvaAttention
from torch import Tensor, nn


def attend(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
    """Return softmax(q kᵀ · scale) v for [B, heads, N, d] tensors.

    While a graph is exported it is spelled out: torch's own translation of the fused operator computes the
    scale from tensor shapes inside the graph, which inference engines do not fuse away.
    """
    if torch.onnx.is_in_onnx_export():
        return ((q * scale) @ k.transpose(-2, -1)).softmax(dim=-1) @ v
    return F.scaled_dot_product_attention(q, k, v, scale=scale)


@contextmanager
def spelled_out(model: nn.Module) -> Iterator[None]:
    """Let the timm attention layers in `model` do the same while the context lasts."""
    layers = [module for module in model.modules() if isinstance(module, Attention | EvaAttention)]
    fused = [layer.fused_attn for layer in layers]
    try:
        for layer in layers:
            layer.fused_attn = False  # type: ignore[misc,unused-ignore]
        yield
    finally:
        for layer, value in zip(layers, fused, strict=True):
            layer.fused_attn = value  # type: ignore[misc,unused-ignore]
