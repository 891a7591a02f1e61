"""Dense CLIP features as ClearCLIP takes them, and text features (method.md §1).

In the last block there is no residual and no feed-forward, and attention is query-query:
softmax(q qᵀ / √d) v. Then the out-projection, the final layer norm and the visual projection of every patch.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeGuard, cast

import torch
import torch.nn.functional as F
from timm.layers.pos_embed import resample_abs_pos_embed
from timm.models.vision_transformer import VisionTransformer as TimmVisionTransformer
from torch import Tensor, nn

from selcon_training.encoders import timm_vit
from selcon_training.encoders.attention import attend
from selcon_training.encoders.sizes import check_input_size
from selcon_training.encoders.spec import EncoderSpec
from selcon_training.errors import EncoderError

if TYPE_CHECKING:
    from open_clip.transformer import ResidualAttentionBlock, VisionTransformer

_REMEDY = (
    "dense features come from CLIP's own ViT, such as ViT-B-16-quickgelu, ViT-B-32 or ViT-L-14, or from a "
    "timm VisionTransformer without attention pooling: `selcon encoders list` names them"
)
Tokenizer = Callable[[list[str]], Tensor]


class DenseClip(nn.Module):
    """ClearCLIP patch features of an open_clip model, and its text features.

    `model` is an open_clip model whose image tower is open_clip's VisionTransformer, or a `trunk` that is a
    timm VisionTransformer with a `head`, as open_clip's TimmModel; it is taken over and its image tower
    pruned in place. `name` is its open_clip name, by which the tokenizer is found (or pass `tokenizer`).
    `input_size` is (height, width) in pixels, a multiple of the patch. The text encoder is no part of this
    module's parameters; `drop_text` frees it.
    """

    def __init__(
        self,
        model: nn.Module,
        input_size: tuple[int, int],
        name: str | None = None,
        tokenizer: Tokenizer | None = None,
    ) -> None:
        super().__init__()
        visual = getattr(model, "visual", None)
        self.name = name or type(model).__name__
        self.spec: EncoderSpec | None = None  # known when `load_clip` made it
        self.tower: _OpenClipTower | TimmTower
        if _is_open_clip(visual):
            self.tower = _OpenClipTower(visual, input_size, self.name)
        elif visual is not None and isinstance(getattr(visual, "trunk", None), TimmVisionTransformer):
            self.tower = TimmTower(visual.trunk, visual.head, input_size, self.name)
        else:
            tower = type(getattr(visual, "trunk", visual)).__name__
            raise EncoderError(f"{self.name}: its image tower is a {tower}; {_REMEDY}")
        self.grid = self.tower.grid
        self.input_size = (int(input_size[0]), int(input_size[1]))
        if tokenizer is None and name is not None:
            tokenizer = _tokenizer_of(name)
        self._text = _Text(model, tokenizer)

    def forward(self, images: Tensor) -> Tensor:
        """Return L2-normalised patch features [B, d, h, w] of normalised RGB images [B, 3, H, W]."""
        features = F.normalize(self.tower(images), dim=-1)  # [B, patches, d]
        return features.transpose(1, 2).reshape(images.shape[0], -1, *self.grid)

    def set_input_size(self, size: tuple[int, int]) -> None:
        """Take images of another (height, width); position embeddings are resampled from the present ones."""
        self.tower.set_input_size(size, self.name)
        self.grid, self.input_size = self.tower.grid, size

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        """Return L2-normalised text features [len(texts), d] (float32, on the CPU)."""
        return self._text.encode(list(texts))

    def text_model(self) -> nn.Module:
        """Return the open_clip model that encodes text. Raises EncoderError after `drop_text`."""
        return self._text.loaded()

    def drop_text(self) -> None:
        """Free the text encoder, which is needed once per class list only."""
        self._text = _Text(None, None)


class _Text:
    """Text side of a CLIP model; a plain class, so that the network does not count it among its modules."""

    def __init__(self, model: Any, tokenizer: Tokenizer | None) -> None:
        self.model = model
        self.tokenizer = tokenizer

    def loaded(self) -> nn.Module:
        if self.model is None:
            raise EncoderError(
                "the text encoder of this CLIP model was dropped; load the model again to encode text"
            )
        model: nn.Module = self.model
        return model

    def encode(self, texts: list[str]) -> Tensor:
        self.loaded()
        if self.tokenizer is None:
            raise EncoderError("no tokenizer: give DenseClip the open_clip name of the model, or a tokenizer")
        was_training = self.model.training
        self.model.eval()
        with torch.no_grad():
            features = self.model.encode_text(self.tokenizer(texts))
        self.model.train(was_training)
        return F.normalize(features.float(), dim=-1)


def _is_open_clip(visual: object) -> TypeGuard[VisionTransformer]:
    """Whether it is CLIP's original image tower. Whoever has one has imported open_clip, which is slow."""
    transformer = sys.modules.get("open_clip.transformer")
    return transformer is not None and isinstance(visual, transformer.VisionTransformer)


@lru_cache(maxsize=2)  # its merges take a tenth of a second to read
def _tokenizer_of(name: str) -> Tokenizer:
    try:
        import open_clip

        return cast(Tokenizer, open_clip.get_tokenizer(name))
    except ImportError as error:
        raise EncoderError(f"{name}: its tokenizer needs {error.name}; {_REMEDY}") from error


def _query_query(qv: Tensor, query_norm: nn.Module, heads: int, scale: float) -> Tensor:
    """ClearCLIP's attention: softmax(q qᵀ · scale) v over joint [B, N, 2D] queries and values, giving [B, N,
    D].
    """
    # Each tensor's own sizes: engines fold those away.
    q, v = qv.reshape(*qv.shape[:2], 2, heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
    q = query_norm(q)
    attended = attend(q, q, v, scale).transpose(1, 2)
    return attended.reshape(*attended.shape[:2], -1)


class _OpenClipTower(nn.Module):
    """Image tower of the original CLIP architecture."""

    def __init__(self, visual: VisionTransformer, input_size: tuple[int, int], name: str) -> None:
        super().__init__()
        from open_clip.transformer import ResidualAttentionBlock

        blocks = list(visual.transformer.resblocks)
        if visual.attn_pool is not None or any(type(block) is not ResidualAttentionBlock for block in blocks):
            raise EncoderError(f"{name}: attentional pooling or custom blocks; {_REMEDY}")
        patch = int(visual.patch_size[0]), int(visual.patch_size[1])
        check_input_size(input_size, {name: patch})
        self.grid = (input_size[0] // patch[0], input_size[1] // patch[1])
        self.conv = visual.conv1
        self.class_embedding = visual.class_embedding
        self.positions = nn.Parameter(
            resample_abs_pos_embed(
                visual.positional_embedding.detach()[None], self.grid, visual.grid_size, num_prefix_tokens=1
            )[0].clone(),
            requires_grad=visual.positional_embedding.requires_grad,
        )
        self.norm_pre = visual.ln_pre
        self.blocks = nn.ModuleList(_OpenClipBlock(block) for block in blocks[:-1])
        last = blocks[-1]
        self.heads: int = last.attn.num_heads
        self.scale = float(last.attn.head_dim) ** -0.5
        self.last_norm = last.ln_1
        joint = nn.Linear(last.attn.embed_dim, 3 * last.attn.embed_dim)
        joint.weight, joint.bias = last.attn.in_proj_weight, last.attn.in_proj_bias
        self.query_value = timm_vit.rows(joint, (0, 2))
        self.projection = last.attn.out_proj
        self.layer_scale = last.ls_1
        self.norm = visual.ln_post
        self.output = visual.proj

    def set_input_size(self, size: tuple[int, int], name: str) -> None:
        """Resample the position embeddings to images of (height, width)."""
        patch = (int(self.conv.kernel_size[0]), int(self.conv.kernel_size[1]))
        check_input_size(size, {name: patch})
        grid = (size[0] // patch[0], size[1] // patch[1])
        resampled = resample_abs_pos_embed(
            self.positions.detach()[None], list(grid), list(self.grid), num_prefix_tokens=1
        )
        self.positions = nn.Parameter(resampled[0].clone(), requires_grad=self.positions.requires_grad)
        self.grid = grid

    def forward(self, images: Tensor) -> Tensor:
        """Return features [B, patches, d], not normalised."""
        x = self.conv(images).flatten(2).transpose(1, 2)
        x = torch.cat([self.class_embedding.expand(x.shape[0], 1, -1), x], dim=1) + self.positions
        x = self.norm_pre(x)
        for block in self.blocks:
            x = block(x)
        qv = self.query_value(self.last_norm(x))
        x = _query_query(qv, nn.Identity(), self.heads, self.scale)
        x = self.norm(self.layer_scale(self.projection(x[:, 1:])))
        features: Tensor = x if self.output is None else x @ self.output
        return features


class _OpenClipBlock(nn.Module):
    """One residual attention block of the original CLIP, spelled out.

    torch's MultiheadAttention takes other code paths in training, in evaluation and when a graph is exported;
    this is one.
    """

    def __init__(self, block: ResidualAttentionBlock) -> None:
        super().__init__()
        self.norm1, self.norm2 = block.ln_1, block.ln_2
        self.scale1, self.scale2 = block.ls_1, block.ls_2
        self.heads: int = block.attn.num_heads
        self.scale = float(block.attn.head_dim) ** -0.5
        self.in_weight, self.in_bias = block.attn.in_proj_weight, block.attn.in_proj_bias
        self.projection = block.attn.out_proj
        self.mlp = block.mlp

    def forward(self, x: Tensor) -> Tensor:
        qkv = F.linear(self.norm1(x), self.in_weight, self.in_bias)
        # Each tensor's own sizes, and a scale that is a number: engines fold those away.
        q, k, v = qkv.reshape(*qkv.shape[:2], 3, self.heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
        attended = attend(q, k, v, self.scale).transpose(1, 2)
        attended = attended.reshape(*attended.shape[:2], -1)
        x = x + self.scale1(self.projection(attended))
        x = x + self.scale2(self.mlp(self.norm2(x)))
        return x


class TimmTower(nn.Module):
    """Image tower that is a timm VisionTransformer with token or average pooling."""

    def __init__(
        self, trunk: TimmVisionTransformer, head: nn.Module, input_size: tuple[int, int], name: str
    ) -> None:
        super().__init__()
        last, attention = timm_vit.last_block(trunk, name)
        pooled = getattr(trunk, "attn_pool", None)  # timm's code says it is never None
        if pooled is not None or "pool" in dict(head.named_children()):
            raise EncoderError(f"{name}: attention pooling gives no dense features; {_REMEDY}")
        self.grid = timm_vit.set_input_size(trunk, input_size, name)
        self.heads: int = attention.num_heads
        self.scale: float = attention.scale
        self.prefix_tokens: int = trunk.num_prefix_tokens
        self.last_norm = last.norm1
        self.query_value = timm_vit.rows(attention.qkv, (0, 2))
        self.query_norm = attention.q_norm
        self.projection = attention.proj
        self.layer_scale = last.ls1
        self.head = nn.Sequential(trunk.norm, trunk.fc_norm, trunk.head, head)
        del trunk.blocks[-1]
        trunk.norm = trunk.fc_norm = trunk.head = nn.Identity()
        self.trunk = trunk

    def set_input_size(self, size: tuple[int, int], name: str) -> None:
        """Resample the position embeddings to images of (height, width)."""
        self.grid = timm_vit.set_input_size(self.trunk, size, name)

    def forward(self, images: Tensor) -> Tensor:
        """Return features [B, patches, d], not normalised."""
        x = timm_vit.tokens(self.trunk, images)
        qv = self.query_value(self.last_norm(x))
        x = _query_query(qv, self.query_norm, self.heads, self.scale)[:, self.prefix_tokens :]
        features: Tensor = self.head(self.layer_scale(self.projection(x)))
        return features


def action_prompt(action: str) -> str:
    """Return "an item to {action} with"; nothing is added where the label itself contains "with"."""
    return f"an item to {action}" if "with" in action else f"an item to {action} with"


def person_prompt(action: str) -> str:
    """Return "a person {action} an item"."""
    return f"a person {action} an item"
