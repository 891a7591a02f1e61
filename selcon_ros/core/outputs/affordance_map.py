"""Which action each pixel of an image affords best, as an image of labels."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from selcon_ros.core.grounding.heatmap import Heatmap

NO_LABEL = 0
"""The label of a pixel that affords none of the actions."""
MAX_LABELS = 255
"""Labels that an image of bytes has beside `NO_LABEL`."""


def labels_of(actions: Sequence[str]) -> dict[str, int]:
    """Return the label of each action of a model: its place in the model's list, from 1 on.

    So an action has the same label whichever others are asked for. What comes after the first `MAX_LABELS`
    has none.
    """
    return {action: label for label, action in enumerate(actions[:MAX_LABELS], 1)}


def affordance_map(
    heatmaps: Iterable[Heatmap], labels: Mapping[str, int], size: tuple[int, int], threshold: float
) -> NDArray[np.uint8]:
    """Return the label [H, W] uint8 of the best action of each pixel, and `NO_LABEL` where there is none.

    A pixel affords an action if its heat is at least `threshold`; the best is that with the highest product
    of confidence and heat, of equal ones the first. heatmaps: those of the actions that count, [H, W] each.
    size: (H, W). An action without a label is left out.
    """
    best = np.zeros(size, np.float32)
    found = np.full(size, NO_LABEL, np.uint8)
    for heatmap in heatmaps:
        if (label := labels.get(heatmap.action)) is None:
            continue
        score = heatmap.values * np.float32(heatmap.confidence)
        better = (heatmap.values >= threshold) & (score > best)
        np.copyto(best, score, where=better)
        found[better] = label
    return found
