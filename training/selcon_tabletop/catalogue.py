"""What a world is made of: kinds of objects, things that afford nothing, furniture and pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from selcon_tabletop.objects import TRAINED, TRAINING_ONLY, UNSEEN
from selcon_tabletop.parts import ObjectModel, Rng
from selcon_tabletop.room import Things
from selcon_tabletop.surfaces import ScenePictures, Texture


class Pool(Protocol):
    """Pictures to draw from."""

    def draw(self, rng: Rng) -> Texture:
        """Return any of them, H×W×3 uint8 RGB."""
        ...


Maker = Callable[[Rng], ObjectModel]
MESH_SHARE = 0.5
"""Share of the objects made of a mesh of a file, where the kind has one."""


@dataclass(frozen=True)
class Catalogue:
    """Makers of objects by kind, trained on and held out, procedural and of meshes; things and furniture."""

    made: tuple[Mapping[str, Maker], Mapping[str, Maker]] = (TRAINED, UNSEEN)
    meshes: tuple[Mapping[str, Maker], Mapping[str, Maker]] = ({}, {})
    things: Sequence[Things] = ()
    furniture: Sequence[Things] = ()
    textures: Pool | None = None
    backdrops: Pool | None = None
    _actions: dict[str, list[str]] = field(default_factory=dict)

    @property
    def held_out_meshes(self) -> Catalogue:
        """Return the catalogue of nothing but the meshes of kinds held out of training."""
        return Catalogue(made=({}, {}), meshes=({}, self.meshes[True]), things=self.things)

    @property
    def for_training(self) -> Catalogue:
        """Return the catalogue with the kinds that are trained on and not measured."""
        return replace(self, made=({**self.made[False], **TRAINING_ONLY}, self.made[True]))

    def pictures(self, rng: Rng) -> ScenePictures:
        """Return the pictures for one scene: three textures and two backdrops."""
        textures = [self.textures.draw(rng) for _ in range(3)] if self.textures else []
        return ScenePictures(textures, [self.backdrops.draw(rng) for _ in range(2)] if self.backdrops else [])

    def kinds(self, unseen: bool) -> list[str]:
        """Return the kinds of objects for training, or those held out of it."""
        return list(dict.fromkeys([*self.made[unseen], *self.meshes[unseen]]))

    def make(self, kind: str, unseen: bool, rng: Rng) -> ObjectModel:
        """Return an object of a kind."""
        made, mesh = self.made[unseen].get(kind), self.meshes[unseen].get(kind)
        if made is None or (mesh is not None and rng.random() < MESH_SHARE):
            assert mesh is not None
            return mesh(rng)
        return made(rng)

    def without(self, action: str) -> list[tuple[str, bool]]:
        """Return the kinds, with whether they are held out, that do not afford an action."""
        return [
            (kind, unseen)
            for unseen in (False, True)
            for kind in self.kinds(unseen)
            if action not in self._afforded(kind, unseen)
        ]

    def _afforded(self, kind: str, unseen: bool) -> list[str]:
        if kind not in self._actions:
            makers = [each[unseen][kind] for each in (self.made, self.meshes) if kind in each[unseen]]
            models = [make(np.random.default_rng(0)) for make in makers]
            self._actions[kind] = sorted({action for model in models for action in model.actions})
        return self._actions[kind]
