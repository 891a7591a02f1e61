"""Part descriptors: the keys of the last attention block of a DINO-like vision transformer (method.md §1).

Paper: "Selective Contrastive Learning for Weakly Supervised Affordance Grounding", the F and S of its section
on features. The last block's queries, values, projection and feed-forward are never computed, except for the
class token's query where the attention map is asked for.
"""

from __future__ import annotations

import torch
from timm.layers.attention import Attention
from timm.models import create_model
from timm.models.eva import Eva, EvaAttention, EvaBlock
from timm.models.vision_transformer import Block, VisionTransformer
from torch import Tensor, nn

from selcon_training.encoders import timm_eva, timm_vit
from selcon_training.encoders.spec import EncoderSpec
from selcon_training.errors import EncoderError


class PartEncoder(nn.Module):
    """Keys and class attention of the last block of a timm VisionTransformer or Eva: DINO, DINOv2, DINOv3.

    `model` is a timm model name (built with random weights; see `load_dino` for pretrained ones) or such a
    module, which is taken over and pruned in place to what is needed. `input_size` is (height, width) in
    pixels, a multiple of the patch; position embeddings are resampled to it as timm does it (bicubic,
    antialiased). `name` is what messages and manifests call it; default: the model's own.

    Rotary embeddings (DINOv3) turn keys by their place in the image. Descriptors are the keys before that
    turn, since the same part must look the same wherever it lies; the class attention is the model's own,
    with it.
    """

    rotation: Tensor | None

    def __init__(self, model: str | nn.Module, input_size: tuple[int, int], name: str | None = None) -> None:
        super().__init__()
        trunk = create_model(model, num_classes=0) if isinstance(model, str) else model
        self.name = name or (model if isinstance(model, str) else type(model).__name__)
        if not isinstance(trunk, VisionTransformer | Eva):
            raise EncoderError(
                f"{self.name} is a {type(trunk).__name__}; part descriptors come from timm's "
                "VisionTransformer or Eva (DINO, DINOv2, DINOv3): `selcon encoders list` names them"
            )
        self.spec: EncoderSpec | None = None  # known when `load_dino` made it
        rotation: Tensor | None = None
        last: Block | EvaBlock
        attention: Attention | EvaAttention
        if isinstance(trunk, Eva):
            last, attention = timm_eva.last_block(trunk, self.name)
            self.grid = timm_vit.set_input_size(trunk, input_size, self.name)
            rotation = timm_eva.take_rotation(trunk, self.grid)
            query, key = timm_eva.query_and_key(attention)
        else:
            last, attention = timm_vit.last_block(trunk, self.name)
            self.grid = timm_vit.set_input_size(trunk, input_size, self.name)
            query, key = (timm_vit.rows(attention.qkv, (part,)) for part in (0, 1))
        self.input_size = (int(input_size[0]), int(input_size[1]))
        self.heads: int = attention.num_heads
        self.width: int = key.out_features
        self.prefix_tokens: int = trunk.num_prefix_tokens
        self.has_class_token: bool = trunk.cls_token is not None
        # DINO's own architecture: those after it have registers or scaled residuals, and heads of their own.
        self.is_first_dino = trunk.reg_token is None and not _scales_residuals(last)
        self.rotates_halves: bool = getattr(attention, "rotate_half", False)
        self.scale: float = attention.scale
        self.last_norm = last.norm1
        self.query = query
        self.key = key
        self.query_norm = attention.q_norm
        self.key_norm = attention.k_norm
        self.register_buffer("rotation", rotation, persistent=False)
        del trunk.blocks[-1]
        trunk.norm = trunk.fc_norm = trunk.head = nn.Identity()
        trunk.attn_pool = None  # type: ignore[assignment]
        self.trunk = trunk

    def set_input_size(self, size: tuple[int, int]) -> None:
        """Take images of another (height, width); position embeddings are resampled from the present ones.

        Raises EncoderError for an encoder with rotary embeddings: its table is made for one grid.
        """
        if self.rotation is not None:
            raise EncoderError(
                f"{self.name} has rotary position embeddings made for {self.input_size}: it cannot be asked "
                "at other sizes; leave averaging scales at 1.0, and export it at the size it was trained at"
            )
        self.grid = timm_vit.set_input_size(self.trunk, size, self.name)
        self.input_size = size

    def forward(self, images: Tensor, attention: bool = False) -> tuple[Tensor, Tensor | None]:
        """Return keys and, if asked for, the class token's attention.

        `images` [B, 3, H, W] normalised RGB. Keys [B, D, h, w]: heads concatenated with channels interleaved
        (channel = dim * heads + head), prefix tokens dropped. Attention [B, heads, h, w]: the softmax over
        all tokens, its patch part.
        """
        x = self.last_norm(self._tokens(images))
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
        if self.rotation is not None:  # the class token has no place, its query stays as it is
            turned = keys.transpose(1, 2)
            turned = timm_eva.rotate(turned, self.rotation, self.prefix_tokens, self.rotates_halves)
            keys = turned.transpose(1, 2)
        weights = torch.einsum("bqhd,bnhd->bhqn", query * self.scale, keys).softmax(dim=-1)
        return descriptors, weights[:, :, 0, self.prefix_tokens :].reshape(batch, self.heads, *self.grid)

    def _tokens(self, images: Tensor) -> Tensor:
        if isinstance(self.trunk, Eva):
            return timm_eva.tokens(self.trunk, images, self.rotation)
        return timm_vit.tokens(self.trunk, images)


def _scales_residuals(block: nn.Module) -> bool:
    """Whether a last block has LayerScale, under either of timm's names."""
    return getattr(block, "gamma_1", None) is not None or not isinstance(
        getattr(block, "ls1", nn.Identity()), nn.Identity
    )
