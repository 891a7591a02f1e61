"""The two small encoders with the throw-away layers and losses that train them on the renderer's labels."""

from __future__ import annotations

import math
from typing import Protocol

from selcon_tabletop import encoders  # isort: skip  (first: it makes torchvision importable)

import open_clip
import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from selcon_tabletop.objects import TRAINED, TRAINING_ONLY, actions_of
from selcon_tabletop.parts import PART_KINDS
from selcon_tabletop.views import NAMED_KINDS, PART_CELL_PIXELS, PATCH_PIXELS, Batch
from selcon_training.encoders import DenseClip, PartEncoder
from selcon_training.encoders.clip import TimmTower, action_prompt, person_prompt

BACKGROUND_WEIGHT = 0.3  # most tokens are table: they count less


class Pretraining(Protocol):
    """An encoder in training: `losses` of a batch by name, and the `encoder_state` that loads as its
    pretrained weights."""

    def losses(self, batch: Batch) -> dict[str, Tensor]: ...

    def encoder_state(self) -> dict[str, Tensor]: ...


def _share_loss(logits: Tensor, shares: Tensor) -> Tensor:
    """Cross-entropy of every cell [B, K, h, w] against its shares of the kinds, of which index 0 is the
    background."""
    weight = torch.ones(shares.shape[1], device=shares.device)
    weight[0] = BACKGROUND_WEIGHT
    return -(shares * weight[:, None, None] * logits.log_softmax(1)).sum(1).mean() / BACKGROUND_WEIGHT


class PartPretraining(nn.Module):
    """The part encoder: its keys learn part kinds and where in the patch they are, its class attention the
    foreground."""

    def __init__(self) -> None:
        super().__init__()
        model = timm.create_model(encoders.DINO_NAME)
        self.first = {key: value.clone() for key, value in model.state_dict().items()}
        self.encoder = PartEncoder(model, encoders.INPUT_SIZE)
        self.classifier = nn.Conv2d(
            self.encoder.width, len(PART_KINDS) * (PATCH_PIXELS // PART_CELL_PIXELS) ** 2, 1
        )

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Return the losses of the keys and of the class attention."""
        keys, attention = self.encoder(batch.images, attention=True)
        assert attention is not None
        foreground = batch.objects[:, 1:-1].sum(1)  # without table, clutter and hand
        return {
            "parts": _share_loss(
                F.pixel_shuffle(self.classifier(keys), PATCH_PIXELS // PART_CELL_PIXELS), batch.parts
            ),
            "attention": 0.2 * _attention_loss(attention, foreground),
        }

    def encoder_state(self) -> dict[str, Tensor]:
        """Return the timm state dict; what is never computed keeps its first values."""
        last = f"blocks.{len(self.encoder.trunk.blocks)}."
        state = dict(self.encoder.trunk.state_dict())
        state |= {f"{last}norm1.{k}": v for k, v in self.encoder.last_norm.state_dict().items()}
        return _completed(
            self.first, state, f"{last}attn.qkv.", {0: (self.encoder.query, 0), 1: (self.encoder.key, 0)}
        )


def _attention_loss(attention: Tensor, foreground: Tensor) -> Tensor:
    """Return how far the heads, which together make the saliency map, are from looking at the foreground
    evenly."""
    wanted = foreground.flatten(1)
    wanted = wanted / wanted.sum(1, keepdim=True).clamp_min(1e-6)
    looked = attention.mean(1).flatten(1).clamp_min(1e-8)
    return -(wanted * looked.log()).sum(1).mean()


class ClipPretraining(nn.Module):
    """The CLIP encoder: patches learn their object's name and, for whole objects, what one does with it."""

    tokens: Tensor
    affords: Tensor

    def __init__(self, actions: list[str]) -> None:
        super().__init__()
        self.model = open_clip.create_model(encoders.CLIP_NAME)
        self.first = {key: value.clone() for key, value in self.model.state_dict().items()}
        self.encoder = DenseClip(self.model, encoders.INPUT_SIZE, name=encoders.CLIP_NAME)
        self.name_scale = nn.Parameter(torch.tensor(math.log(10.0)))
        self.action_scale = nn.Parameter(torch.tensor(math.log(10.0)))
        self.action_bias = nn.Parameter(torch.tensor(-2.0))
        names = ["a photo of a table"] + [
            f"a photo of a {kind.replace('_', ' ')}" for kind in NAMED_KINDS[1:]
        ]
        prompts = (
            names
            + [action_prompt(action) for action in actions]
            + [person_prompt(action) for action in actions]
        )
        self.register_buffer("tokens", open_clip.get_tokenizer(encoders.CLIP_NAME)(prompts), persistent=False)
        affords = torch.zeros(len(NAMED_KINDS), len(actions))
        for kind in (*TRAINED, *TRAINING_ONLY):
            for action in actions_of(kind):
                affords[NAMED_KINDS.index(kind), actions.index(action)] = 1
        self.register_buffer("affords", affords, persistent=False)

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Return the losses of the object names and of the action and person prompts."""
        text = F.normalize(self.model.encode_text(self.tokens), dim=-1)
        kinds, actions = self.affords.shape
        similarity = torch.einsum("bdhw,td->bthw", self.encoder(batch.images), text)
        names = _share_loss(self.name_scale.exp() * similarity[:, :kinds], batch.objects)
        afforded = torch.einsum("bkhw,ka->bahw", batch.objects, self.affords)
        shown = F.one_hot(batch.shown.clamp_min(0), actions) * (batch.shown >= 0)[:, None]
        using = shown[:, :, None, None] * (batch.objects[:, -1:] + afforded)
        logits = self.action_scale.exp() * similarity[:, kinds:] + self.action_bias
        target = torch.cat([afforded, using], dim=1).clamp_max(1)
        return {"names": names, "actions": 6 * F.binary_cross_entropy_with_logits(logits, target)}

    def encoder_state(self) -> dict[str, Tensor]:
        """Return the open_clip state dict; what ClearCLIP never computes keeps its first values."""
        tower = self.encoder.tower
        assert isinstance(tower, TimmTower)
        last = f"visual.trunk.blocks.{len(tower.trunk.blocks)}."
        state = {
            key: value for key, value in self.model.state_dict().items() if not key.startswith("visual.")
        }
        for prefix, module in (
            ("visual.trunk.", tower.trunk),
            (f"{last}norm1.", tower.last_norm),
            (f"{last}attn.proj.", tower.projection),
            ("visual.trunk.norm.", tower.head[0]),
            ("visual.head.", tower.head[3]),
        ):
            state |= {f"{prefix}{key}": value for key, value in module.state_dict().items()}
        return _completed(
            self.first, state, f"{last}attn.qkv.", {0: (tower.query_value, 0), 2: (tower.query_value, 1)}
        )


def _completed(
    first: dict[str, Tensor], trained: dict[str, Tensor], joint: str, thirds: dict[int, tuple[nn.Linear, int]]
) -> dict[str, Tensor]:
    """Return `first` with the trained tensors, and the trained thirds of the last block's joint
    query-key-value layer."""
    result = {key: trained.get(key, value).detach().clone().contiguous() for key, value in first.items()}
    for third, (layer, place) in thirds.items():
        width = result[f"{joint}bias"].shape[0] // 3
        for name in ("weight", "bias"):
            piece = getattr(layer, name).detach()[place * width : (place + 1) * width]
            result[f"{joint}{name}"][third * width : (third + 1) * width] = piece
    return result
