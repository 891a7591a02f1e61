"""What is measured: the model as the robot runs it, or a baseline that needs no training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

import cv2
import numpy as np

from selcon_ros.core.grounding.grounder import Grounder, Grounding
from selcon_ros.core.grounding.heatmap import Heatmap, minmax, upsample
from selcon_ros.core.grounding.manifest import Calibration, Manifest
from selcon_ros.core.grounding.placement import Canvas
from selcon_training.data.images import F32, U8
from selcon_training.errors import DataError
from selcon_training.evaluate.queries import Query, QueryFiles

CALIBRATIONS: tuple[Calibration, ...] = ("none", "continuous", "binarized")
"""Ways of making a heatmap from the same two maps; "none" is the raw CAM."""
CENTRE_WIDTH = 0.25
"""Standard deviation of the centre prior, in image sides."""


@dataclass(frozen=True)
class Prediction:
    """A map of any resolution for the comparison of maps, and the heatmap at camera resolution.

    `others` are the same query's predictions under the other calibrations, from the same network pass.
    """

    map: F32
    heatmap: Heatmap
    others: Mapping[str, Prediction] = field(default_factory=dict)


class Predictor(Protocol):
    """Answers the queries of one picture at a time.

    `has_confidence`: it can say that an action is not possible. `calibration`: how its predictions are
    calibrated, None where there is nothing to calibrate.
    """

    name: str
    has_confidence: bool
    calibration: Calibration | None

    def look(self, image: U8) -> None:
        """Take a new picture H x W x 3 uint8 RGB."""

    def answer(self, query: Query) -> Prediction:
        """Answer a query about the picture."""


class ModelPredictor:
    """The bundle, through the same grounder and engine as on the robot.

    One network pass per picture serves all queries and calibrations.
    """

    def __init__(self, grounder: Grounder) -> None:
        manifest = grounder.bundle.manifest
        self.grounder = grounder
        self.name = manifest.name
        self.has_confidence = True
        self.calibration: Calibration | None = manifest.calibration
        self._others: dict[Calibration, Manifest] = {
            calibration: replace(manifest, calibration=calibration)
            for calibration in CALIBRATIONS
            if calibration != manifest.calibration and "affinity" in manifest.outputs
        }

    def look(self, image: U8) -> None:
        own = self.grounder.ground(image)
        self.grounding = own
        self.others = {
            calibration: Grounding(manifest, own.cam, own.affinity, own.height, own.width)
            for calibration, manifest in self._others.items()
        }

    def answer(self, query: Query) -> Prediction:
        others: dict[str, Prediction] = {
            calibration: self._prediction(other, query) for calibration, other in self.others.items()
        }
        return replace(self._prediction(self.grounding, query), others=others)

    def _prediction(self, grounding: Grounding, query: Query) -> Prediction:
        index = self.grounder.actions.index(query.action)
        return Prediction(grounding.refined[index], grounding.heatmap(query.action))


class Affinity:
    """Zero shot: the affinity map of picture and action text, without any head."""

    def __init__(self, grounder: Grounder) -> None:
        self.grounder = grounder
        self.has_confidence = False
        self.calibration: Calibration | None = None
        self.name = f"affinity of {grounder.bundle.manifest.name}"

    def look(self, image: U8) -> None:
        self.size = image.shape[:2]
        maps = self.grounder.ground(image).affinity
        if maps is None:
            raise DataError(
                f"baseline affinity: {self.grounder.bundle.path} has calibration none and thus no affinity; "
                "evaluate a bundle exported with --calibration continuous"
            )
        self.maps = maps

    def answer(self, query: Query) -> Prediction:
        grid = minmax(self.maps[self.grounder.actions.index(query.action)])
        return Prediction(grid, Heatmap(query.action, upsample(grid, *self.size), 1.0))


class CentrePredictor:
    """A Gaussian in the middle of the picture."""

    name = "centre prior"
    has_confidence = False
    calibration: Calibration | None = None

    def look(self, image: U8) -> None:
        height, width = image.shape[:2]
        y = (np.arange(height) + 0.5) / height - 0.5
        x = (np.arange(width) + 0.5) / width - 0.5
        distance = y[:, None] ** 2 + x[None, :] ** 2
        self.values = np.exp(-distance / (2 * CENTRE_WIDTH**2)).astype(np.float32)

    def answer(self, query: Query) -> Prediction:
        return Prediction(self.values, Heatmap(query.action, minmax(self.values), 1.0))


class ObjectMask:
    """A perfect mask of the objects that afford the action, knowing nothing of parts.

    As a map it is averaged over the cells of the model's grid, like every other map here: the truth is
    blurred, and a hard edge would be punished for being sharp. Its peak is the pixel deepest inside the mask:
    a mask alone gives no better reason to choose one. Needs objectmask/<action>/<object>/<stem>.png; raises
    DataError where there is none.
    """

    name = "perfect object mask"
    has_confidence = False
    calibration: Calibration | None = None

    def __init__(self, files: QueryFiles, canvas: Canvas) -> None:
        self.files, self.canvas = files, canvas

    def look(self, image: U8) -> None:
        self.grid = self.canvas.place((image.shape[0], image.shape[1])).cells.size

    def answer(self, query: Query) -> Prediction:
        mask = self.files.mask(query, "objectmask")
        if mask is None:
            folder = self.files.data.base / self.files.split / "objectmask"
            raise DataError(f"--baseline mask needs {folder}/{query.items[0].name}.png, which is missing")
        inside: F32 = (mask > 127).astype(np.float32)
        depth = cv2.distanceTransform(np.pad(mask, 1) // 128, cv2.DIST_L2, 5)[1:-1, 1:-1]
        # Flat but for its ridge: one peak.
        values: F32 = (inside + 1e-3 * depth / max(float(depth.max()), 1e-6)).astype(np.float32)
        share: F32 = cv2.resize(inside, self.grid[::-1], interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
        return Prediction(share, Heatmap(query.action, minmax(values), 1.0))
