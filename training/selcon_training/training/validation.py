"""Validation during training: on valset's truth maps where there are some, else on held-out egocentric
images.

Never the test set.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from selcon_ros.core.grounding.confidence import evidence
from selcon_ros.core.grounding.heatmap import refine, upsample
from selcon_ros.core.grounding.manifest import Calibration
from selcon_ros.core.grounding.placement import Canvas, Placement
from selcon_ros.core.grounding.preprocess import fitted
from selcon_training import distributed
from selcon_training.confidence.evidence import (
    Evidence,
    EvidencePicture,
    of_negatives,
    possible,
    sibling_scenes,
)
from selcon_training.data.agd20k import DataSet
from selcon_training.data.dense import DenseItem, dense_items
from selcon_training.data.device import to_input
from selcon_training.data.images import F32, U8, read_picture
from selcon_training.data.listing import Item
from selcon_training.data.ordering import spread
from selcon_training.data.pairs import read_truth
from selcon_training.data.pictures import PicturePool
from selcon_training.data.transforms import resize
from selcon_training.evaluate.measures import part_of, peaks_on
from selcon_training.evaluate.metrics import compare_maps, prepare_prediction, prepare_truth
from selcon_training.models.network import Network, evaluating
from selcon_training.models.test_time_averaging import NO_AVERAGING, Averaging, averaged

QUERIES_AT_ONCE = 64
"""Queries whose maps are compared at once: 64 of them and their truths take 50 MB."""


@dataclass(frozen=True)
class Inference:
    """How maps are made from the network's outputs, as the bundle will say."""

    calibration: Calibration
    gamma: float
    batch_size: int
    averaging: Averaging = NO_AVERAGING


class Validator(Protocol):
    """Measures a network during training, on what it does not learn from."""

    def run(self, net: Network) -> dict[str, float]:
        """Figures by name."""


class MapValidator:
    """KLD, SIM, NSS and right-part rate on a split that has truth maps."""

    def __init__(
        self,
        data: DataSet,
        split: str,
        actions: Sequence[str],
        canvas: Canvas,
        inference: Inference,
        limit: int | None,
    ) -> None:
        self.data, self.split, self.actions = data, split, list(actions)
        self.canvas, self.inference = canvas, inference
        items = [item for item in dense_items(data, split, actions) if item.truths or item.known is None]
        self.items = spread(items, limit)
        self._own = distributed.shard(self.items)
        self._pictures: NetworkPictures | None = None

    def run(self, net: Network) -> dict[str, float]:
        return self.figures(net, (self.inference.calibration,))[self.inference.calibration]

    def figures(
        self, net: Network, calibrations: Sequence[Calibration]
    ) -> dict[Calibration, dict[str, float]]:
        """Measure heatmaps made with each of these calibrations from one pass of the network."""
        asked = [
            (item, action, [self._refined(cam, affinity, action, one) for one in calibrations])
            for item, cam, affinity in self._predictions(net)
            for action in item.truths
        ]
        rows: list[list[list[float]]] = []
        for start in range(0, len(asked), QUERIES_AT_ONCE):
            rows += self._rows(asked[start : start + QUERIES_AT_ONCE], net.device)
        return {
            calibration: self._means([row[place] for row in rows])
            for place, calibration in enumerate(calibrations)
        }

    def _means(self, rows: Sequence[Sequence[float]]) -> dict[str, float]:
        rows = distributed.all_gather_objects(rows)
        if not rows:
            return {}
        table = np.asarray(rows)
        figures = dict(
            zip(("kld", "sim", "nss", "right_part"), table[:, 1:].mean(axis=0).tolist(), strict=True)
        )
        for action in sorted(set(table[:, 0].astype(int).tolist())):
            of_action = table[table[:, 0] == action]
            figures[f"right_part/{self.actions[action]}"] = float(of_action[:, 4].mean())
        return figures

    def _rows(
        self, asked: Sequence[tuple[DenseItem, int, Sequence[F32]]], device: torch.device
    ) -> list[list[list[float]]]:
        """Action, KLD, SIM, NSS and right part of every query whose truth is not all zero, for each of its
        maps: queries x maps x 5."""
        actions, maps, truths, rights = [], [], [], []
        for item, action, refined in asked:
            truth = read_truth(item.truths[action], item.path)
            if not truth.any():
                continue
            part = part_of(truth, self._mask(item, action))
            actions.append(action)
            # Each on its own: what padded pictures cover of the map differs.
            maps.append(prepare_prediction(torch.from_numpy(np.stack(refined)).to(device)))
            truths.append(prepare_truth(torch.from_numpy(truth).to(device))[None])
            rights.append([peaks_on(part, upsample(one, *part.shape)) for one in refined])
        if not actions:
            return []
        found = compare_maps(torch.stack(maps), torch.stack(truths))
        columns = torch.stack([found.kld, found.sim, found.nss], dim=2).tolist()
        return [
            [[action, *three, float(right)] for three, right in zip(of_maps, on_part, strict=True)]
            for action, of_maps, on_part in zip(actions, columns, rights, strict=True)
        ]

    def evidence(self, net: Network) -> Evidence:
        """Evidence here, and on the siblings without the action and of clutter."""
        rows = distributed.all_gather_objects(
            [
                (EvidencePicture(item.path, possible(item, len(self.actions))), self._at_peaks(cam, affinity))
                for item, cam, affinity in self._predictions(net)
            ]
        )
        own = distributed.shard(sibling_scenes(self.data, "valset", self.actions))
        outputs = self._outputs(net, pictures([scene.path for scene in own], self.canvas))
        rows += distributed.all_gather_objects(
            [(scene, self._at_peaks(*maps)) for scene, maps in zip(own, outputs, strict=True)]
        )
        return Evidence.of(rows)

    def evidence_of_negatives(self, net: Network, pool: PicturePool) -> NDArray[np.float64]:
        """Evidence [pictures, VIEWS, actions] in real negative pictures, which afford none of the actions."""

        def ask(images: Sequence[U8]) -> list[list[float]]:
            outputs = self._outputs(net, shown(images, len(images), self.canvas))
            return [self._at_peaks(cam, affinity) for cam, affinity in outputs]

        own = ((number, pool[number]) for number in distributed.shard(range(len(pool))))
        return np.asarray(distributed.all_gather_objects(of_negatives(own, ask)))

    def overlays(self, net: Network, count: int) -> list[tuple[str, U8, F32, F32]]:
        """(caption, image h x w x 3 without padding, refined map, truth on the image's size) of a few
        queries, always the same."""
        chosen = spread([item for item in self.items if item.truths], count)
        seen = pictures([item.path for item in chosen], self.canvas)
        made = []
        for number, (cam, affinity) in enumerate(self._outputs(net, seen)):
            item, pixels = chosen[number], seen.places[number].pixels
            action = min(item.truths)
            refined = self._refined(cam, affinity, action)
            whole = read_truth(item.truths[action], item.path)
            truth = resize(whole, pixels.size).astype(np.float32) / 255.0
            image = seen.images[number][pixels.slices]
            made.append((f"{self.actions[action]} in {item.name}", image, refined, truth))
        return made

    def _predictions(self, net: Network) -> Iterator[tuple[DenseItem, F32, F32 | None]]:
        if self._pictures is None:
            self._pictures = pictures([item.path for item in self._own], self.canvas)
        outputs = self._outputs(net, self._pictures)
        for item, (cam, affinity) in zip(self._own, outputs, strict=True):
            yield item, cam, affinity

    def _refined(
        self, cam: F32, affinity: F32 | None, action: int, calibration: Calibration | None = None
    ) -> F32:
        chosen = calibration or self.inference.calibration
        own = None if affinity is None else affinity[action]
        return refine(cam[action], own, chosen, self.inference.gamma)

    def _outputs(self, net: Network, seen: NetworkPictures) -> Iterator[tuple[F32, F32 | None]]:
        """CAM and affinity on the cells that each picture covers."""
        outputs = predict(net, seen.images, self.inference.batch_size, self.inference.averaging)
        for (cam, affinity), place in zip(outputs, seen.places, strict=True):
            rows, columns = place.cells.slices
            yield cam[:, rows, columns], None if affinity is None else affinity[:, rows, columns]

    def _at_peaks(self, cam: F32, affinity: F32 | None) -> list[float]:
        refined = [self._refined(cam, affinity, action) for action in range(len(self.actions))]
        peaks: list[float] = evidence(cam, np.stack(refined)).tolist()
        return peaks

    def _mask(self, item: DenseItem, action: int) -> U8 | None:
        """The part's mask beside the truth maps, where every one of them has one."""
        places = [Item(path.parts[-3], path.parts[-2], path.stem, item.path) for path in item.truths[action]]
        masks = [self.data.extra(self.split, "mask", place) for place in places]
        found = [mask for mask in masks if mask is not None]
        return read_truth(found, item.path) if len(found) == len(masks) else None


class LabelValidator:
    """Classification of held-out egocentric images: for data without truth maps outside the test set."""

    def __init__(
        self,
        items: Sequence[Item],
        actions: Sequence[str],
        canvas: Canvas,
        batch_size: int,
        limit: int | None,
    ) -> None:
        label = {action: index for index, action in enumerate(actions)}
        self.items = spread(list(items), limit)
        self.labels = torch.tensor([label[item.action] for item in self.items])
        self.canvas, self.batch_size = canvas, batch_size

    def run(self, net: Network) -> dict[str, float]:
        own = distributed.shard(self.items)
        logits: list[list[float]] = []
        with torch.no_grad(), evaluating(net):
            for start in range(0, len(own), self.batch_size):
                seen = pictures([item.path for item in own[start : start + self.batch_size]], self.canvas)
                images = to_input(seen.images, net.device, normalisation=net.normalisation)
                for cam, place in zip(net.logits(images).float(), seen.places, strict=True):
                    rows, columns = place.cells.slices
                    logits.append(cam[:, rows, columns].mean(dim=(-2, -1)).tolist())
        scores = torch.tensor(distributed.all_gather_objects(logits))
        return {
            "cross_entropy": float(torch.nn.functional.cross_entropy(scores, self.labels)),
            "accuracy": float((scores.argmax(dim=1) == self.labels).float().mean()),
        }


def predict(
    net: Network, images: U8, batch_size: int, averaging: Averaging = NO_AVERAGING
) -> Iterator[tuple[F32, F32 | None]]:
    """Yield (cam, affinity) [C, gh, gw] of every image N x h x w x 3 uint8, as an exported bundle would give
    them; no affinity (None) of a network that has none."""
    seen = averaged(net, averaging)
    for start in range(0, len(images), batch_size):
        with torch.no_grad(), evaluating(seen):
            some = images[start : start + batch_size]
            maps = seen(to_input(some, net.device, normalisation=net.normalisation))
        cam, *affinity = (each.float().cpu().numpy() for each in maps)
        yield from zip(cam, affinity[0] if affinity else itertools.repeat(None, len(cam)), strict=True)


@dataclass(frozen=True)
class NetworkPictures:
    """Pictures as the robot would bring them to the network, N x h x w x 3 uint8, and what each covers."""

    images: U8
    places: list[Placement]


def pictures(paths: Sequence[Path], canvas: Canvas) -> NetworkPictures:
    """Decode pictures and stretch or pad them."""
    return shown(map(read_picture, paths), len(paths), canvas)


def shown(seen: Iterable[U8], count: int, canvas: Canvas) -> NetworkPictures:
    """Stretch or pad `count` pictures of any sizes, each h x w x 3."""
    images = np.empty((count, *canvas.input_size, 3), np.uint8)
    places = []
    for index, picture in enumerate(seen):
        images[index] = fitted(picture, canvas)
        places.append(canvas.place((picture.shape[0], picture.shape[1])))
    return NetworkPictures(images, places)
