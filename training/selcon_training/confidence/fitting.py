"""Fitting the absolute confidence: a logistic curve per action from the evidence on the validation split."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from selcon_ros.core.grounding.bundle import ConfidenceFit
from selcon_training.confidence.evidence import Evidence

F64 = NDArray[np.float64]
MIN_EXAMPLES = 5
"""An action with fewer positives or negatives takes the curve of all actions together."""


@dataclass(frozen=True)
class Fitted:
    """A curve per action, and what is known of it (for the manifest)."""

    confidence: ConfidenceFit
    record: dict[str, Any] = field(default_factory=dict)

    def curves(self) -> dict[str, Any]:
        """The curves as a checkpoint has them."""
        return {name: list(values) for name, values in asdict(self.confidence).items() if values}


def fit_confidence(evidence: Evidence) -> Fitted | None:
    """Fit confidence = sigmoid(scale_a * evidence + offset_a), scale_a > 0, per action.

    Positives and negatives weigh the same in total, so that 0.5 is where either is as likely for a scene with
    and one without the action. Returns None if no action occurs, or none is ever absent (truth not exhaustive
    and no scenes without the action): then there is nothing to tell apart.
    """
    if (found := curves(evidence)) is None:
        return None
    scale, offset = zip(*found, strict=True)
    return Fitted(ConfidenceFit(scale, offset))


def curves(evidence: Evidence) -> list[tuple[float, float]] | None:
    """Scale and offset of every action; None where there is nothing to tell apart."""
    values, positive, known = evidence.values, evidence.positive, evidence.known
    if not positive.any() or not evidence.negative.any():
        return None
    shared = fit_logistic(values[known], positive[known])
    found = []
    for value, there, is_known in zip(values.T, positive.T, known.T, strict=True):
        enough = min(int(there.sum()), int(is_known.sum() - there.sum())) >= MIN_EXAMPLES
        found.append(fit_logistic(value[is_known], there[is_known]) if enough else shared)
    return found


def fit_logistic(value: NDArray[np.float64], positive: NDArray[np.bool_]) -> tuple[float, float]:
    """Class-balanced logistic regression of one variable: (scale > 0, offset).

    Targets are Platt's, (n+1)/(n+2) and 1/(n+2), so that separable data give a finite slope. Evidence that
    ranks the wrong way round gives a slope close to zero: no evidence.
    """
    positives, negatives = int(positive.sum()), int((~positive).sum())
    target = np.where(positive, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    return _newton(value, target, np.where(positive, 0.5 / positives, 0.5 / negatives))


def fit_probabilities(value: NDArray[np.float64], target: NDArray[np.float64]) -> tuple[float, float]:
    """Logistic regression of given probabilities: (scale > 0, offset); every example weighs the same."""
    return _newton(value, target, np.full(len(value), 1.0 / len(value)))


def regression(values: F64, there: NDArray[np.bool_], weight: F64, ridge: F64) -> F64:
    """The weights and the constant, [d + 1], of a logistic regression; `values` [n, d] have unit variance.

    `weight` [n] is how much each example counts, `ridge` [d] the penalty of half the square of each weight.
    """
    design = np.column_stack([values, np.ones(len(values))])
    penalty = np.append(ridge, 1e-9)
    parameters = np.zeros(design.shape[1])
    for _ in range(50):
        p = 0.5 * (1 + np.tanh(0.5 * (design @ parameters)))
        gradient = design.T @ (weight * (p - there)) + penalty * parameters
        hessian = (design * (weight * p * (1 - p))[:, None]).T @ design + np.diag(penalty)
        step = np.linalg.solve(hessian, gradient)
        parameters = parameters - step / max(1.0, float(np.abs(step).max()))
        if float(np.abs(step).max()) < 1e-8:
            break
    return parameters


def _newton(
    value: NDArray[np.float64], target: NDArray[np.float64], weight: NDArray[np.float64]
) -> tuple[float, float]:
    """Weighted logistic regression of one variable by Newton's method."""
    centre, spread = float(value.mean()), float(value.std()) or 1.0
    x = (value - centre) / spread
    ridge = 1e-4
    parameters = np.zeros(2)
    design = np.stack([x, np.ones_like(x)])

    def cost(at: NDArray[np.float64]) -> float:
        logits = at @ design
        return float((weight * (np.logaddexp(0, logits) - target * logits)).sum() + 0.5 * ridge * at[0] ** 2)

    for _ in range(100):
        p = 0.5 * (1 + np.tanh(0.5 * (parameters @ design)))
        gradient = design @ (weight * (p - target)) + np.array([ridge * parameters[0], 0.0])
        hessian = (design * (weight * p * (1 - p))) @ design.T + np.diag([ridge, 1e-9])
        step = np.linalg.solve(hessian, gradient)
        damping = 1.0
        while cost(parameters - damping * step) > cost(parameters) and damping > 1e-6:
            damping *= 0.5
        parameters = parameters - damping * step
        if float(np.abs(damping * step).max()) < 1e-8:
            break
    slope = max(float(parameters[0]), 1e-3) / spread
    offset = float(parameters[1]) - slope * centre if parameters[0] > 0 else -slope * centre
    return slope, offset
