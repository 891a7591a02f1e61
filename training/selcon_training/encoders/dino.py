"""Part descriptors: the keys of the last attention block of a DINO-like vision transformer (METHOD §1).

Paper: "Selective Contrastive Learning for Weakly Supervised Affordance Grounding", the F and S of its section
on features. The last block's queries, values, projection and feed-forward are never computed, except for the
class token's query where the attention map is asked for.
"""

from __future__ import annotations

import torch
from timm.models import create_model
from torch import Tensor, nn

from selcon_training.encoders import timm_vit
from selcon_training.encoders.spec import EncoderSpec
from selcon_training.errors import EncoderError


class PartEncoder(nn.Module):
    """Keys and class attention of the last block of a timm VisionTransformer.

    `model` is a timm model name (built with random weights; see `load_dino` for pretrained ones) or such a
    module, which is taken over and pruned in place to what is needed. `input_size` is (height, width) in
    pixels, a multiple of the patch; position embeddings are resampled to it as timm does it (bicubic,
    antialiased).
    """

    def __init__(self, model: str | nn.Module, input_size: tuple[int, int]) -> None:
        super().__init__()
        trunk = create_model(model, num_classes=0) if isinstance(model, str) else model
        self.name = model if isinstance(model, str) else type(model).__name__
        last = timm_vit.last_block(trunk, self.name)
        self.spec: EncoderSpec | None = None  # known when `load_dino` made it
        self.grid = timm_vit.set_input_size(trunk, input_size, self.name)
        self.input_size = (int(input_size[0]), int(input_size[1]))
        self.heads: int = last.attn.num_heads
        self.width: int = last.attn.attn_dim
        self.prefix_tokens: int = trunk.num_prefix_tokens
        self.has_class_token: bool = trunk.has_class_token
        self.scale: float = last.attn.scale
        self.last_norm = last.norm1
        self.query = timm_vit.rows(last.attn.qkv, (0,))
        self.key = timm_vit.rows(last.attn.qkv, (1,))
        self.query_norm = last.attn.q_norm
        self.key_norm = last.attn.k_norm
        trunk.blocks = trunk.blocks[:-1]
        trunk.norm = trunk.fc_norm = trunk.head = nn.Identity()
        trunk.attn_pool = None
        self.trunk = trunk

    def forward(self, images: Tensor, attention: bool = False) -> tuple[Tensor, Tensor | None]:
        """Return keys and, if asked for, the class token's attention.

        `images` [B, 3, H, W] normalised RGB. Keys [B, D, h, w]: heads concatenated with channels interleaved
        (channel = dim * heads + head), prefix tokens dropped. Attention [B, heads, h, w]: the softmax over
        all tokens, its patch part.
        """
        x = self.last_norm(timm_vit.tokens(self.trunk, images))
        batch, count, _ = x.shape
        keys = self.key_norm(self.key(x).reshape(batch, count, self.heads, -1))  # [B, N, heads, d]
        patches = keys[:, self.prefix_tokens :]
        descriptors = patches.permute(0, 3, 2, 1).reshape(batch, self.width, *self.grid)
        if not attention:
            return descriptors, None
        if not self.has_class_token:
            raise EncoderError(
                f"{self.name} has no class token, so it gives no saliency; choose a model that has one"
            )
        query = self.query_norm(self.query(x[:, :1]).reshape(batch, 1, self.heads, -1))
        weights = torch.einsum("bqhd,bnhd->bhqn", query * self.scale, keys).softmax(dim=-1)
        return descriptors, weights[:, :, 0, self.prefix_tokens :].reshape(batch, self.heads, *self.grid)
