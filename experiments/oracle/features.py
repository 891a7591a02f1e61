"""Oracle features: what the renderer knows, in the place of what encoders see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from experiments.streams import OracleStream
from selcon_ros.core.files.json_file import read_object
from selcon_training.data.agd20k import DataSet
from selcon_training.data.images import F32, read_labels
from selcon_training.data.listing import Item
from selcon_training.data.ordering import generator
from selcon_training.errors import DataError
from selcon_training.models.heads import Heads, HeadView
from selcon_training.models.selcon_net import Features

NOT_AN_OBJECT = ("background", "clutter", "hand")


@dataclass(frozen=True)
class OracleOptions:
    """How features are made: `width` of the descriptors, standard deviation of the `noise` on the one-hots,
    `grid` (h, w) of tokens; and the share of scenes `held_out` for measuring.
    """

    width: int = 64
    noise: float = 0.3
    grid: tuple[int, int] = (18, 24)
    held_out: float = 0.15


class OracleNet(nn.Module):
    """What the objective needs of a network, without encoders: heads and text features.

    Text space: one axis per action, one for hands, one for everything else.
    """

    text_action: Tensor
    text_person: Tensor

    def __init__(self, actions: Sequence[str], options: OracleOptions) -> None:
        super().__init__()
        self.actions, self.grid, self.input_size = list(actions), options.grid, (0, 0)
        self.heads = Heads(options.width, len(actions))
        count = len(actions)
        self.register_buffer("text_action", torch.eye(count, count + 2))
        self.register_buffer("text_person", torch.eye(count + 2)[count].repeat(count, 1))

    def ego(self, features: Features) -> HeadView:
        return self.heads.ego(features.parts)

    def exo(self, features: Features) -> HeadView:
        return self.heads.exo(features.parts)


class OracleStore:
    """Oracle features of images, in the place of a feature store: new noise at every visit."""

    def __init__(
        self,
        data: DataSet,
        split: str,
        view: str,
        items: Sequence[Item],
        actions: Sequence[str],
        options: OracleOptions,
        seed: int,
        flip: bool = True,
    ) -> None:
        self.options, self.views = options, 2 if flip else 1
        names = _names(data)
        self.kinds = len(names["parts"])
        # A fixed random rotation: no channel is a part by itself.
        rotation = np.linalg.qr(
            generator(seed, OracleStream.ROTATION).standard_normal((options.width, options.width))
        )[0]
        self.basis = rotation[: self.kinds].astype(np.float32)
        if self.kinds > options.width:
            raise DataError(f"{self.kinds} kinds of parts need a width of at least that, got {options.width}")
        affords = _affordances(data.items(split), names["objects"], actions)
        thing = np.array([name not in NOT_AN_OBJECT for name in names["objects"]])
        hand = names["objects"].index("hand") if "hand" in names["objects"] else None
        self.shares = np.empty((len(items), self.kinds, *options.grid), np.float32)
        self.patches = np.zeros((len(items), len(actions) + 2, *options.grid), np.float32)
        self.saliency = np.empty((len(items), *options.grid), np.float32)
        for index, item in enumerate(tqdm(items, desc=f"oracle {view}", unit="image", leave=False)):
            parts, objects = (
                read_labels(_label_map(data, split, f"{view}_{kind}", item)) for kind in ("parts", "objects")
            )
            self.shares[index] = token_shares(parts, self.kinds, options.grid)
            seen = token_shares(objects, len(names["objects"]), options.grid)
            self.patches[index, : len(actions)] = np.einsum("ohw,oa->ahw", seen, affords)
            if hand is not None:
                self.patches[index, -2] = seen[hand]
            self.patches[index, -1] = 0.3  # something is everywhere: keeps cosines finite and below 1
            self.saliency[index] = seen[thing].sum(axis=0)
        norm = np.linalg.norm(self.patches, axis=1, keepdims=True)
        self.patches /= norm
        self._visits = generator(seed, OracleStream.VISITS)

    def features(self, numbers: NDArray[np.int64], views: NDArray[np.int64]) -> Features:
        """Features of these images, each as it is (view 0) or mirrored (1)."""
        mirrored = views == 1
        parts = np.einsum("nkhw,kd->ndhw", self.shares[numbers], self.basis)
        parts = parts + self.options.noise * self._visits.standard_normal(parts.shape, np.float32)
        made = [parts, self.patches[numbers], self.saliency[numbers]]
        for values in made:
            values[mirrored] = values[mirrored][..., ::-1].copy()
        return Features(*(torch.from_numpy(np.ascontiguousarray(values)) for values in made))


def token_shares(labels: NDArray[np.uint8], kinds: int, grid: tuple[int, int]) -> F32:
    """The share of every token each kind covers: kinds x gh x gw float32, summing to 1. Raises DataError."""
    if int(labels.max()) >= kinds:
        raise DataError(f"a label map holds id {int(labels.max())}, but parts.json names {kinds} kinds")
    return np.stack(
        [
            cv2.resize((labels == kind).astype(np.float32), (grid[1], grid[0]), interpolation=cv2.INTER_AREA)
            for kind in range(kinds)
        ]
    )


def _names(data: DataSet) -> dict[str, list[str]]:
    path = data.root / "parts.json"
    names = read_object(path, DataError)
    try:
        return {kind: [str(name) for name in names[kind]] for kind in ("parts", "objects")}
    except (KeyError, TypeError) as error:
        raise DataError(
            f'{path} must hold {{"parts": [names], "objects": [names]}}, by id: {error!r}'
        ) from error


def _affordances(items: Sequence[Item], objects: Sequence[str], actions: Sequence[str]) -> F32:
    """Which object affords which action, objects x actions, 0 or 1: what the training folders say."""
    affords = np.zeros((len(objects), len(actions)), np.float32)
    for item in items:
        if item.object in objects:
            affords[objects.index(item.object), actions.index(item.action)] = 1.0
    return affords


def _label_map(data: DataSet, split: str, kind: str, item: Item) -> Path:
    path = data.extra(split, kind, item)
    if path is None:
        raise DataError(f"label map {data.base / split / kind / item.name}.png is missing")
    return path
