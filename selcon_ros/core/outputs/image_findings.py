"""What one image shows of several actions, from one pass of the network."""

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from selcon_ros.core.cameras.camera import Intrinsics
from selcon_ros.core.grasps.grasp import GraspParameters, find_grasps, low_confidence
from selcon_ros.core.grasps.grasp_result import GraspResult
from selcon_ros.core.grounding.grounder import Grounding
from selcon_ros.core.grounding.heatmap import CoarseHeatmap, Heatmap
from selcon_ros.core.outputs.affordance_map import affordance_map, labels_of

Depth = tuple[NDArray[np.float32] | None, Intrinsics | None]
"""Depth [H, W] float32 in metres, registered to the image, and its intrinsics; None for what is missing."""


class Findings:
    """Heatmaps and grasp points of one image: each is made when it is asked for, and once.

    Raises UnknownActionError for an action that the model does not know. Used by one thread.
    """

    def __init__(self, grounding: Grounding, depth: Callable[[], Depth], parameters: GraspParameters) -> None:
        """Nothing is computed yet.

        `depth` looks for depth and intrinsics; it is called once, when they are needed.
        """
        self.grounding = grounding
        self._find_depth, self._parameters = depth, parameters
        self._depth: Depth | None = None
        self._coarse: dict[str, CoarseHeatmap] = {}
        self._heatmaps: dict[str, Heatmap] = {}
        self._grasps: dict[str, GraspResult] = {}

    @property
    def incomplete(self) -> bool:
        """Depth or its calibration was looked for and not found: it may have come since."""
        return self._depth is not None and any(each is None for each in self._depth)

    def depth(self) -> Depth:
        """Return depth and intrinsics."""
        if self._depth is None:
            self._depth = self._find_depth()
        return self._depth

    def confidence(self, action: str) -> float:
        """Return how sure the model is, 0..1, that the image affords the action. Cheap."""
        return self.grounding.confidence(action)

    def heatmap(self, action: str) -> Heatmap:
        """Return the action's heatmap at the image's size."""
        if action not in self._heatmaps:
            self._heatmaps[action] = self._coarse_heatmap(action).upsampled()
        return self._heatmaps[action]

    def _coarse_heatmap(self, action: str) -> CoarseHeatmap:
        if action not in self._coarse:
            self._coarse[action] = self.grounding.coarse_heatmap(action)
        return self._coarse[action]

    def grasps(self, action: str) -> GraspResult:
        """Return the action's grasp points; no heatmap of the image's size is made for them.

        Raises as `find_grasps`.
        """
        # Also where no confidence is enough: what is wrong with it is told then, too.
        depth = self.depth()
        if action not in self._grasps:
            found = low_confidence(self.confidence(action), self._parameters)
            self._grasps[action] = found or find_grasps(
                self._coarse_heatmap(action), *depth, self._parameters
            )
        return self._grasps[action]

    def affordance_map(self, actions: Iterable[str]) -> NDArray[np.uint8]:
        """Return which of the actions each pixel affords best, [H, W] uint8: see `affordance_map.py`.

        Actions below the least confidence do not count; `threshold` is that of the grasp points.
        """
        least = self._parameters.min_confidence
        sure = (self.heatmap(action) for action in actions if self.confidence(action) >= least)
        size = (self.grounding.height, self.grounding.width)
        labels = labels_of(self.grounding.manifest.actions)
        return affordance_map(sure, labels, size, self._parameters.threshold)
