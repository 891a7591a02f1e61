"""A bundle's graph as GPUs run it: camera images in, in the precision that is wanted, compared with fp32."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto

from selcon_ros.backends.base import Backend, open_backend
from selcon_ros.backends.onnxruntime_graph import CPU, OnnxRuntimeGraph
from selcon_ros.core.bundle import Bundle
from selcon_ros.core.errors import BackendError
from selcon_ros.core.grounder import Grounder
from selcon_ros.core.heatmap_agreement import TOLERANCE, Agreement, agreement
from selcon_ros.core.preprocess import graph_inputs
from selcon_ros.core.samples import read_samples
from selcon_ros.engines.fp16 import LayerError, blame, in_half, precisions, rounded
from selcon_ros.engines.int8 import in_int8
from selcon_ros.engines.preprocess_graph import open_batch, read_graph, with_frames

GRAPH_VERSION = 2
"""Of what this file makes of a bundle: raise it when that changes, and engines are built anew."""
PRECISIONS = ("fp16", "fp32", "int8")
"""int8: products with constant matrices; what is between them is fp16."""


@dataclass(frozen=True)
class Prepared:
    """An ONNX graph with the inputs of `frames.with_frames`.

    kept: layers in fp32 because of the values that the samples give them; layers: how many compute in which
    type.
    """

    model: bytes
    precision: str
    kept: tuple[str, ...]
    layers: dict[str, int]


def graph_of(bundle: Bundle) -> ModelProto:
    """Return the bundle's fp32 graph. Raises BackendError where it is none."""
    return read_graph(bundle.model, f"{bundle.manifest.files['model'].path} of bundle {bundle.path}")


def takes_batches(bundle: Bundle) -> bool:
    """Whether the bundle's graph takes several images at once."""
    return open_batch(graph_of(bundle))


class Preparation:
    """A bundle's graph before and after its conversion."""

    def __init__(
        self, bundle: Bundle, precision: str = "fp16", images: Sequence[NDArray[np.uint8]] | None = None
    ) -> None:
        """Convert the graph; its range of values is seen on RGB `images`, by default the bundle's samples.

        Raises BackendError for another precision or a graph that cannot be converted, BundleError where
        samples are missing.
        """
        if precision not in PRECISIONS:
            raise BackendError(f"unknown precision {precision!r}: choose one of {', '.join(PRECISIONS)}")
        self.bundle = bundle
        self.samples = read_samples(bundle) if images is None else list(images)
        exact = graph_of(bundle)
        self._exact = with_frames(exact, bundle.manifest)
        self._given, kept = self._exact, tuple[str, ...]()
        if precision == "int8":
            self._given = in_int8(self._exact, self._inputs())
        if precision != "fp32":
            self._given, kept = in_half(self._given, self._inputs())
        self.result = Prepared(self._given.SerializeToString(), precision, kept, precisions(self._given))

    def compare(self) -> Agreement:
        """Run the converted graph in ONNX Runtime on the CPU, rounding as a GPU does, and compare."""
        subject = f"the {self.result.precision} graph of bundle {self.bundle.path}"
        graph = rounded(self._given).SerializeToString()
        converted = OnnxRuntimeGraph(self.bundle.manifest, graph, CPU, subject)
        return compare(self.bundle, converted, self.samples)

    def blame(self) -> list[LayerError]:
        """Return the layers that add most to the converted graph's error."""
        return blame(self._exact, rounded(self._given), self._inputs()[:2])

    def check(self, tolerance: float = TOLERANCE) -> Agreement:
        """Return `compare`'s result. Raises BackendError, with the layers to blame, above the tolerance."""
        found = self.compare()
        if not found.kld_mean <= tolerance:
            layers = "; ".join(map(str, self.blame()))
            raise BackendError(
                f"{self.result.precision} heatmaps of bundle {self.bundle.path} have a KLD of "
                f"{found.kld_mean:.4f} from fp32, more than the tolerance {tolerance:g}. Layers to blame: "
                f"{layers}. Use fp32"
            )
        return found

    def _inputs(self) -> list[dict[str, NDArray[np.generic]]]:
        return [graph_inputs(image[None], self.bundle.manifest) for image in self.samples]


def verified(bundle: Bundle, backend: Backend, tolerance: float = TOLERANCE) -> Backend:
    """Return the backend if it answers the samples as fp32 in ONNX Runtime does; BackendError if not."""
    try:
        found = compare(bundle, backend, read_samples(bundle))
        if not found.kld_mean <= tolerance:
            raise BackendError(
                f"{backend.name} is farther from fp32 than the tolerance {tolerance:g}: {found}"
            )
    except BaseException:
        backend.close()
        raise
    return backend


def compare(bundle: Bundle, backend: Backend, images: Sequence[NDArray[np.uint8]]) -> Agreement:
    """Compare a backend with the bundle's fp32 graph in ONNX Runtime on the CPU."""
    exact = open_backend(bundle)
    return agreement(Grounder(bundle, exact), Grounder(bundle, backend), images)
