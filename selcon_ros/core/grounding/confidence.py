"""How sure a model is that an image affords an action: from the network's maps to 0..1."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ConfidenceFit:
    """confidence_a = sigmoid(scale_a * evidence_a + sum over b of others_ab * evidence_b + offset_a).

    Fitted on validation data. `scale` and `offset` have one number per action of the bundle. `others` is
    empty, or has for each action one number per action, 0 for itself: how much the evidence of other actions
    counts (matrix scaling: Guo et al. 2017, "On Calibration of Modern Neural Networks", section 4.2).
    """

    scale: tuple[float, ...]
    offset: tuple[float, ...]
    others: tuple[tuple[float, ...], ...] = ()

    def confidences(self, evidence: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the confidences [..., C] of evidence [..., C]."""
        logits = np.asarray(self.scale) * evidence + np.asarray(self.offset)
        if self.others:
            logits += evidence @ np.asarray(self.others).T
        # tanh form: does not overflow for large logits.
        confidences: NDArray[np.float64] = 0.5 * (1.0 + np.tanh(0.5 * logits))
        return confidences


def evidence(cam: NDArray[np.float32], refined: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return each action's class activation [C, gh, gw] at the peak of its refined map, [C]."""
    flat = cam.reshape(len(cam), -1)
    peaks = refined.reshape(len(refined), -1).argmax(axis=1)
    values: NDArray[np.float64] = flat[np.arange(len(flat)), peaks].astype(np.float64)
    return values


def class_probabilities(cam: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the softmax probability of each action, [C]: what stands for a confidence where none is fitted.

    It is made of the spatial mean of `cam` [C, gh, gw], as the classification loss reads it: relative to the
    other actions, uncalibrated.
    """
    logits = cam.mean(axis=(1, 2), dtype=np.float64)
    weights = np.exp(logits - logits.max())
    probabilities: NDArray[np.float64] = weights / weights.sum()
    return probabilities
