"""Whether a backend answers as the bundle's fp32 graph in ONNX Runtime does."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from selcon_ros.backends.base import Backend
from selcon_ros.backends.onnxruntime import OnnxRuntimeBackend
from selcon_ros.backends.options import CpuOptions
from selcon_ros.core.errors import BackendError
from selcon_ros.core.grounding.bundle import Bundle
from selcon_ros.core.grounding.grounder import Grounder
from selcon_ros.core.grounding.samples import read_samples
from selcon_ros.core.outputs.heatmap_agreement import MAX_KLD, Agreement, agreement


def verified(bundle: Bundle, backend: Backend, tolerance: float = MAX_KLD) -> Backend:
    """Return the backend if it answers the samples as fp32 in ONNX Runtime does; BackendError if not."""
    try:
        found = compare_with_fp32(bundle, backend, read_samples(bundle))
        if not found.within(tolerance):
            raise BackendError(found.too_far(backend.name, tolerance))
    except BaseException:
        backend.close()
        raise
    return backend


def compare_with_fp32(
    bundle: Bundle,
    backend: Backend,
    images: Sequence[NDArray[np.uint8]],
    exact: Backend | None = None,
) -> Agreement:
    """Compare a backend with the bundle's fp32 graph in ONNX Runtime on the CPU; exact: that, if open."""
    exact = exact or OnnxRuntimeBackend(bundle, "model", CpuOptions())
    return agreement(Grounder(bundle, exact), Grounder(bundle, backend), images)
