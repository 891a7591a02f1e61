"""The network: two encoders, text features as constants, trainable heads (method.md §1 to §3 and §8)."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from selcon_training.encoders import DenseClip, PartEncoder
from selcon_training.encoders.clip import action_prompt, person_prompt
from selcon_training.encoders.frozen import FrozenPass, encode
from selcon_training.encoders.sizes import check_input_size
from selcon_training.encoders.spec import EncoderSpec
from selcon_training.errors import CheckpointError, EncoderError
from selcon_training.models.heads import Heads, HeadView
from selcon_training.models.map_ops import cosine_maps, onto_grid, saliency_map
from selcon_training.models.network import Network, Size, TruthView, class_list

CamActivation = Literal["none", "sigmoid"]
Classifier = Literal["linear", "text"]


@dataclass
class Features:
    """What the encoders give for a batch of images; nothing in it depends on an action.

    `parts` [B, D, h, w] part descriptors, `patches` [B, d, h, w] L2-normalised CLIP features, `saliency` [B,
    h, w] 0..1 or None where it was not asked for.
    """

    parts: Tensor
    patches: Tensor
    saliency: Tensor | None = None

    def each(self, change: Callable[[Tensor], Tensor]) -> Features:
        """Return features with every tensor changed."""
        kept = self.saliency
        return Features(change(self.parts), change(self.patches), None if kept is None else change(kept))


@dataclass
class TextFeatures:
    """L2-normalised text features [C, d] of the two prompts of every action."""

    action: Tensor
    person: Tensor


def encode_actions(clip: DenseClip, actions: Sequence[str]) -> TextFeatures:
    """Return the text features of `actions`: once per class list, never per step."""
    return TextFeatures(
        clip.encode_text([action_prompt(action) for action in actions]),
        clip.encode_text([person_prompt(action) for action in actions]),
    )


class SelconNet(Network):
    """The paper's network over any part encoder and any dense CLIP encoder that see the same image.

    Its patch `grid` is the part encoder's; CLIP features of another grid are interpolated to it.
    `actions` is the class list in label order. `text` defaults to the features that `clip` gives its prompts.
    `cam_activation="sigmoid"` (for heads trained on truth maps) is applied by `forward` only: losses see
    logits. `upscale`, `shared_projection`: see Heads; with `upscale` both maps have the size `map_grid`, that
    multiple of the patch `grid`. With `classifier="text"` (see TextClassifier) any action can be asked by its
    text features.
    Encoders are frozen until `train_encoders(True)`; frozen ones stay in evaluation mode, build no graph and
    run as `frozen_pass` says.
    """

    text_action: Tensor
    text_person: Tensor

    def __init__(
        self,
        clip: DenseClip,
        dino: PartEncoder,
        actions: Sequence[str],
        text: TextFeatures | None = None,
        cam_activation: CamActivation = "none",
        upscale: int = 1,
        shared_projection: bool = False,
        classifier: Classifier = "linear",
    ) -> None:
        super().__init__()
        self.actions = class_list(actions)
        if cam_activation not in ("none", "sigmoid"):
            raise ValueError(f"cam_activation must be 'none' or 'sigmoid', got {cam_activation!r}")
        if classifier not in ("linear", "text"):
            raise ValueError(f"classifier must be 'linear' or 'text', got {classifier!r}")
        if clip.input_size != dino.input_size:
            raise EncoderError(
                f"{clip.name} is made for images of {clip.input_size}, {dino.name} for {dino.input_size} "
                "(height, width); both must see the same image"
            )
        self.clip, self.dino = clip, dino
        self.grid, self.input_size = dino.grid, dino.input_size
        self.map_grid = (self.grid[0] * upscale, self.grid[1] * upscale)
        self.cam_activation = cam_activation
        text = text or encode_actions(clip, self.actions)
        self.classifier = classifier
        conditioned_on = text.action if classifier == "text" else None
        self.heads = Heads(dino.width, len(self.actions), upscale, shared_projection, conditioned_on)
        self.register_buffer("text_action", text.action.clone())
        self.register_buffer("text_person", text.person.clone())
        self.frozen_pass = FrozenPass()
        self.train_encoders(False)

    @property
    def device(self) -> torch.device:
        return self.text_action.device

    @property
    def encoders(self) -> dict[str, tuple[str, EncoderSpec | None]]:
        return {"dino": (self.dino.name, self.dino.spec), "clip": (self.clip.name, self.clip.spec)}

    @property
    def step(self) -> Size:
        patches = [_patch(encoder) for encoder in (self.clip, self.dino)]
        return math.lcm(*(height for height, _ in patches)), math.lcm(*(width for _, width in patches))

    def learn(self, encoders: Sequence[str]) -> None:
        """Freeze both encoders, or let the named ones learn."""
        self.train_encoders(bool(encoders))
        for name, encoder in (("clip", self.clip), ("dino", self.dino)):
            encoder.requires_grad_(name in encoders)

    def learning_parts(self, encoders: Sequence[str]) -> list[str]:
        return ["heads", *encoders]

    def training_mode(self, encoders: Sequence[str]) -> None:
        """Put the network in training mode, a frozen encoder beside a learning one excepted (batch norms
        would drift)."""
        self.train()
        for name, encoder in (("clip", self.clip), ("dino", self.dino)):
            encoder.train(name in encoders)

    def to_channels_last(self) -> None:
        self.heads.to(memory_format=torch.channels_last)

    def train_encoders(self, trainable: bool) -> None:
        """Freeze both encoders or let them train."""
        self.encoders_trainable = trainable
        self.clip.requires_grad_(trainable)
        self.dino.requires_grad_(trainable)
        self.train(self.training)

    def train(self, mode: bool = True) -> SelconNet:
        """Set the mode of the heads, and of the encoders only where they train."""
        super().train(mode)
        if not self.encoders_trainable:
            self.clip.eval()
            self.dino.eval()
        return self

    def features(self, images: Tensor, saliency: bool = False) -> Features:
        """Encode normalised RGB images [B, 3, H, W]; gradients flow only if the encoders train."""
        run = encode if self.encoders_trainable else self.frozen_pass
        parts, patches, attention = run(self.dino, self.clip, images, saliency)
        patches = onto_grid(patches, self.grid)
        if attention is None:
            return Features(parts, patches)
        return Features(parts, patches, saliency_map(attention, not self.dino.is_first_dino))

    def parts(self, images: Tensor) -> Tensor:
        """Return the part descriptors [B, D, h, w] alone."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.encoders_trainable):
            descriptors: Tensor = self.dino(images, attention=False)[0]
            return descriptors

    def patches(self, images: Tensor) -> Tensor:
        """Return the L2-normalised CLIP features [B, d, h, w] alone, on the network's grid."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.encoders_trainable):
            return onto_grid(self.clip(images), self.grid)

    def ego(self, features: Features) -> HeadView:
        """Return CAM logits [B, C, h, w], F̃ and F̂ [B, D, h, w] of egocentric images."""
        view: HeadView = self.heads.ego(features.parts)
        return view

    def exo(self, features: Features) -> HeadView:
        """Return CAM logits [B, C, h, w] and F̃ [B, D, h, w] of exocentric images."""
        view: HeadView = self.heads.exo(features.parts)
        return view

    def affinity(self, features: Features) -> Tensor:
        """Return A_ego of every action: the cosine [B, C, h, w] of patches and action text, on `map_grid`."""
        return self.affinity_to(features, self.text_action)

    def affinity_to(self, features: Features, text: Tensor) -> Tensor:
        """Return the cosine [B, N, h, w] of patches and text features [N, d], on `map_grid`."""
        cosines = cosine_maps(features.patches, text)
        if self.map_grid == self.grid:
            return cosines
        return F.interpolate(cosines, self.map_grid, mode="bilinear", align_corners=False)

    def forward(self, images: Tensor, text: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return CAM and affinity [B, C, h, w] of egocentric images [B, 3, H, W], for all actions in one
        pass.

        With `text` [N, d], L2-normalised features of action prompts, the actions are those N instead (needs
        a text classifier).
        """
        features = self.features(images)
        if text is None:
            cam, affinity = self.heads.cam(features.parts), self.affinity(features)
        else:
            cam, affinity = self.heads.cam_of(features.parts, text), self.affinity_to(features, text)
        return (cam.sigmoid() if self.cam_activation == "sigmoid" else cam), affinity

    def logits(self, images: Tensor) -> Tensor:
        logits: Tensor = self.heads.cam(self.features(images).parts)
        return logits

    def truth_view(self, images: Tensor, affinity: bool, frozen: bool = False) -> TruthView:
        if frozen:
            raise ValueError("encoders of this network are opened or frozen for a whole run")
        if not affinity:
            return TruthView(self.heads.cam(self.parts(images)))
        features = self.features(images)
        maps = self.affinity(features).float()
        return TruthView(self.heads.cam(features.parts), maps)

    def at_size(self, size: Size) -> SelconNet:
        """Return this network for images of another (height, width), all weights but the position embeddings
        shared.

        Raises EncoderError for a size that is not in whole patches of both encoders, and as `PartEncoder`
        does.
        """
        check_input_size(size, {encoder.name: _patch(encoder) for encoder in (self.clip, self.dino)})
        shared = {id(tensor): tensor for tensor in itertools.chain(self.parameters(), self.buffers())}
        other = copy.deepcopy(self, shared)
        upscale = other.heads.upscale
        for encoder in (other.clip, other.dino):
            encoder.set_input_size(size)
        other.grid, other.input_size = other.dino.grid, size
        other.map_grid = (other.grid[0] * upscale, other.grid[1] * upscale)
        return other

    def description(self) -> dict[str, Any]:
        clip, dino = self._named()
        return {
            "actions": self.actions,
            "input_size": list(self.input_size),
            "cam_activation": self.cam_activation,
            "upscale": self.heads.upscale,
            "shared_projection": self.heads.exo_projection is None,
            "classifier": self.classifier,
            "encoders": {"clip": clip.as_dict(), "dino": dino.as_dict()},
            "encoders_stored": self._whole(),
            "encoders_trainable": self.encoders_trainable,
        }

    def stored(self) -> Mapping[str, Tensor]:
        """Return all tensors, or those of the heads alone: frozen encoders are kept by name and digest."""
        whole = self._whole()
        return {key: value for key, value in self.state_dict().items() if whole or not of_encoder(key)}

    @contextmanager
    def at_rest(self) -> Iterator[None]:
        """As `Network.at_rest`; frozen encoders run in full precision too."""
        frozen_pass = self.frozen_pass
        try:
            with super().at_rest():
                self.frozen_pass = FrozenPass()
                yield
        finally:
            self.frozen_pass = frozen_pass

    def _named(self) -> tuple[EncoderSpec, EncoderSpec]:
        if self.clip.spec is None or self.dino.spec is None:
            raise CheckpointError(
                "encoders must be made by load_clip and load_dino for a checkpoint to name them"
            )
        return self.clip.spec, self.dino.spec

    def _whole(self) -> bool:
        """Whether a checkpoint holds the encoders: nobody could load random ones again."""
        return self.encoders_trainable or any(spec.weights is None for spec in self._named())


def of_encoder(key: str) -> bool:
    """Whether a tensor of `SelconNet` belongs to an encoder."""
    return key.startswith(("clip.", "dino."))


def _patch(encoder: DenseClip | PartEncoder) -> Size:
    return encoder.input_size[0] // encoder.grid[0], encoder.input_size[1] // encoder.grid[1]
