"""KLD, SIM and NSS of a predicted heatmap against the ground truth (METHOD §9)."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

SIZE = 224
_EPSILON = 1e-12
Map = NDArray[np.float64]


def prepare_prediction(heatmap: ArrayLike, size: int = SIZE) -> Map:
    """Return a predicted map [h, w], of any scale, at [size, size] (bilinear) and min-maxed; a constant one
    is zero.
    """
    return _minmax(_resize(heatmap, size))


def prepare_truth(grey: ArrayLike, size: int = SIZE) -> Map:
    """Return an 8-bit ground-truth map [h, w] as 0..1 at [size, size] (bilinear)."""
    return _resize(np.asarray(grey, dtype=np.float64) / 255, size)


def kld(prediction: ArrayLike, truth: ArrayLike) -> float:
    """Return Σ q log(q / (p + ε) + ε), p and q being prediction and truth scaled to the sum 1; lower is
    better.

    Both are maps [h, w] of one size, not negative. Raises ValueError for other shapes or values and for an
    all-zero truth, which says nothing. An all-zero prediction counts as p = 0: a very large, finite KLD.
    """
    p, q = _pair(prediction, truth)
    return float((q * np.log(q / (p + _EPSILON) + _EPSILON)).sum())


def sim(prediction: ArrayLike, truth: ArrayLike) -> float:
    """Return Σ min(p, q), 0..1, of both maps scaled to the sum 1; higher is better. Errors as `kld`."""
    p, q = _pair(prediction, truth)
    return float(np.minimum(p, q).sum())


def nss(prediction: ArrayLike, truth: ArrayLike) -> float:
    """Return the mean of the standardised prediction where the min-maxed truth exceeds 0.1; higher is better.

    Errors as `kld`. A constant prediction has no deviation to count in and gets 0; a constant truth counts
    everywhere.
    """
    _pair(prediction, truth)
    p, q = np.asarray(prediction, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    deviation = p.std()
    where = _minmax(q) > 0.1 if q.max() > q.min() else np.ones(q.shape, dtype=bool)
    return float((p[where].mean() - p.mean()) / deviation) if deviation > _EPSILON else 0.0


def _pair(prediction: ArrayLike, truth: ArrayLike) -> tuple[Map, Map]:
    p, q = np.asarray(prediction, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    if p.ndim != 2 or p.shape != q.shape:
        raise ValueError(f"prediction and truth must be maps of one size, got shapes {p.shape} and {q.shape}")
    if not (np.isfinite(p).all() and np.isfinite(q).all()) or p.min() < 0 or q.min() < 0:
        raise ValueError("prediction and truth must be finite and not negative; min-max the prediction first")
    if q.sum() <= 0:
        raise ValueError("the ground truth is zero everywhere: leave this image out")
    return p / max(p.sum(), _EPSILON), q / q.sum()


def _resize(values: ArrayLike, size: int) -> Map:
    array = np.ascontiguousarray(values, dtype=np.float64)
    if array.shape == (size, size):
        return array
    return np.asarray(cv2.resize(array, (size, size), interpolation=cv2.INTER_LINEAR), dtype=np.float64)


def _minmax(values: Map) -> Map:
    low, high = values.min(), values.max()
    return (values - low) / (high - low) if high - low > _EPSILON else np.zeros_like(values)
