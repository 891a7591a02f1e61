"""Ground every action of the model in an image with one pass of the network."""

import time
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from selcon_ros.core.errors import BackendError, ParameterError
from selcon_ros.core.grounding.actions import match_action
from selcon_ros.core.grounding.bundle import Bundle
from selcon_ros.core.grounding.confidence import class_probabilities, evidence
from selcon_ros.core.grounding.heatmap import CoarseHeatmap, Heatmap, refine, scaled, soften
from selcon_ros.core.grounding.manifest import Manifest
from selcon_ros.core.grounding.preprocess import check_image
from selcon_ros.core.pictures.orientation import TURNS, clockwise, turned_back

Maps = NDArray[np.float32]


class Engine(Protocol):
    """What the grounder needs of a backend: see selcon_ros.backends.base."""

    def run(self, frames: NDArray[np.uint8]) -> tuple[Maps, Maps | None]:
        """Return cam and affinity (if the bundle has it) [N, C, gh, gw] of images [N, H, W, 3]."""


class Grounding:
    """What one pass found in one image, for all actions; a heatmap is made when it is asked for.

    `cam`, `affinity` and `refined` are [C, gh, gw] float32 on the cells of the map grid that the image covers
    (see `placement.Canvas`); `height` and `width` are the camera image's. `affinity` is None where the
    calibration does not need it. `refined` is what heatmaps are made of, softened if the manifest says so;
    confidence was fitted without that and is read without it. `seconds` is the time spent in the engine.
    """

    def __init__(
        self,
        manifest: Manifest,
        cam: Maps,
        affinity: Maps | None,
        height: int,
        width: int,
        seconds: float = 0.0,
    ) -> None:
        self.manifest = manifest
        self.cam = cam
        self.affinity = affinity
        self.height = height
        self.width = width
        self.seconds = seconds
        self._calibrated = refine(cam, affinity, manifest.calibration, manifest.gamma)
        self.refined = soften(self._calibrated, manifest.smoothing, manifest.temperature)

    def confidence(self, action: str) -> float:
        """Return how sure the model is, 0..1, that the image affords the action (cheap: no heatmap).

        A heatmap scaled to 1 is no evidence: see `confidence.ConfidenceFit`, and for a bundle without one
        `confidence.class_probabilities`.
        """
        return float(self._confidences[self._index(action)])

    @cached_property
    def evidence(self) -> NDArray[np.float64]:
        """What the confidences are made of, [C]: see `confidence.evidence`."""
        return evidence(self.cam, self._calibrated)

    @cached_property
    def _confidences(self) -> NDArray[np.float64]:
        fit = self.manifest.confidence
        if fit is None:
            return class_probabilities(self.cam)
        return fit.confidences(self.evidence)

    def heatmap(self, action: str) -> Heatmap:
        """Return the action's heatmap at the camera's resolution. Raises UnknownActionError."""
        return self.coarse_heatmap(action).upsampled()

    def coarse_heatmap(self, action: str) -> CoarseHeatmap:
        """Return the action's heatmap at the map's resolution. Raises UnknownActionError."""
        index = self._index(action)
        return CoarseHeatmap(
            action=self.manifest.actions[index],
            cells=scaled(self.refined[index], self.height, self.width),
            height=self.height,
            width=self.width,
            confidence=float(self._confidences[index]),
        )

    def _index(self, action: str) -> int:
        return self.manifest.actions.index(match_action(action, self.manifest.actions))


class Grounder:
    """A bundle and the engine that runs it."""

    def __init__(self, bundle: Bundle, backend: Engine) -> None:
        self.bundle = bundle
        self.backend = backend

    @property
    def actions(self) -> tuple[str, ...]:
        """The actions that the model knows, in the order of its maps."""
        return self.bundle.manifest.actions

    def ground(self, image: NDArray[np.uint8], turn: int = 0) -> Grounding:
        """Run the network once on an RGB image [H, W, 3] uint8.

        The network sees it turned clockwise by `turn` degrees (`orientation.TURNS`), which make it upright
        where the camera is mounted otherwise. What is returned belongs to the image as it is. Raises
        ImageError for anything but such an image, ParameterError for another turn, BackendError when the
        maps are not finite.
        """
        check_image(image)
        if turn not in TURNS:
            raise ParameterError(f"turn is {turn}: it must be one of {', '.join(map(str, TURNS))}")
        seen = clockwise(image, turn)
        start = time.monotonic()
        cam, affinity = self.backend.run(seen[None])
        seconds = time.monotonic() - start
        if not all(np.isfinite(maps).all() for maps in (cam, affinity) if maps is not None):
            raise BackendError(f"the model {self.bundle.manifest.name} gave values that are not finite")
        manifest, (height, width) = self.bundle.manifest, image.shape[:2]
        rows, columns = manifest.canvas.place(seen.shape[:2]).cells.slices
        # What lies around the image takes no part in anything that is made of the maps.
        cam = turned_back(cam[0, :, rows, columns], turn)
        affinity = None if affinity is None else turned_back(affinity[0, :, rows, columns], turn)
        return Grounding(manifest, cam, affinity, height, width, seconds)
