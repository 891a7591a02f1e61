"""One action against all actions of a frame, in this process."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from selcon_ros.backends.onnxruntime import open_on_cpu
from selcon_ros.core.bundle import Bundle
from selcon_ros.core.grounder import Grounder
from selcon_ros.core.timing import Times, compare


def measure_actions(bundle: Bundle, image: NDArray[np.uint8], rounds: int, runs: int) -> dict[str, Times]:
    """Time camera image (H×W×3 uint8 RGB) to heatmaps at its size: of "one" action and of "all"."""
    grounder = Grounder(bundle, open_on_cpu(bundle))

    def ground(actions: tuple[str, ...]) -> Callable[[], object]:
        def run() -> object:
            grounding = grounder.ground(image)
            return [grounding.heatmap(action) for action in actions]

        return run

    return compare({"one": ground(grounder.actions[:1]), "all": ground(grounder.actions)}, rounds, runs)
