"""A bundle's graph as GPUs run it: camera images in, in the precision that is wanted, compared with fp32."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from selcon_ros.backends.onnxruntime_graph import CPU_PROVIDER, OnnxRuntimeGraph
from selcon_ros.core.errors import BackendError
from selcon_ros.core.grounding.bundle import Bundle
from selcon_ros.core.grounding.preprocess import graph_inputs
from selcon_ros.core.grounding.samples import read_samples
from selcon_ros.core.outputs.heatmap_agreement import MAX_KLD, Agreement
from selcon_ros.engines.bundle_graph import graph_of
from selcon_ros.engines.comparison import compare_with_fp32
from selcon_ros.engines.fp16 import emulate_fp16, layer_precisions, to_fp16
from selcon_ros.engines.fp16_error import LayerError, layers_by_added_error
from selcon_ros.engines.int8 import to_int8
from selcon_ros.engines.preprocess_graph import with_frames

GRAPH_VERSION = 2
"""Of what this file makes of a bundle: raise it when that changes, and engines are built anew."""
GRAPH_PRECISIONS = ("fp16", "fp32", "int8")
"""int8: products with constant matrices; what is between them is fp16."""


@dataclass(frozen=True)
class Prepared:
    """An ONNX graph with the inputs of `preprocess_graph.with_frames`.

    kept: layers in fp32 because of the values that the samples give them; layers: how many compute in which
    type.
    """

    model: bytes
    precision: str
    kept: tuple[str, ...]
    layers: dict[str, int]


class Preparation:
    """A bundle's graph before and after its conversion."""

    def __init__(
        self, bundle: Bundle, precision: str = "fp16", images: Sequence[NDArray[np.uint8]] | None = None
    ) -> None:
        """Convert the graph; its range of values is seen on RGB `images`, by default the bundle's samples.

        Raises BackendError for another precision or a graph that cannot be converted, BundleError where
        samples are missing.
        """
        if precision not in GRAPH_PRECISIONS:
            choices = ", ".join(GRAPH_PRECISIONS)
            raise BackendError(f"unknown precision {precision!r}: choose one of {choices}")
        self.bundle = bundle
        self.samples = read_samples(bundle) if images is None else list(images)
        exact = graph_of(bundle)
        self._exact = with_frames(exact, bundle.manifest)
        self._given, kept = self._exact, tuple[str, ...]()
        if precision == "int8":
            self._given = to_int8(self._exact, self._inputs())
        if precision != "fp32":
            self._given, kept = to_fp16(self._given, self._inputs())
        layers = layer_precisions(self._given)
        self.result = Prepared(self._given.SerializeToString(), precision, kept, layers)

    def compare(self) -> Agreement:
        """Run the converted graph in ONNX Runtime on the CPU, rounding as a GPU does, and compare."""
        graph = emulate_fp16(self._given).SerializeToString()
        converted = OnnxRuntimeGraph(self.bundle.manifest, graph, CPU_PROVIDER, self._name)
        return compare_with_fp32(self.bundle, converted, self.samples)

    def worst_layers(self) -> list[LayerError]:
        """Return the layers that add most to the converted graph's error."""
        return layers_by_added_error(self._exact, emulate_fp16(self._given), self._inputs()[:2])

    def check(self, tolerance: float = MAX_KLD) -> Agreement:
        """Return `compare`'s result.

        Raises BackendError, with the layers that add most to the error, above the tolerance.
        """
        found = self.compare()
        if not found.within(tolerance):
            layers = "; ".join(map(str, self.worst_layers()))
            raise BackendError(f"{found.too_far(self._name, tolerance)}. Layers to blame: {layers}. Use fp32")
        return found

    @property
    def _name(self) -> str:
        return f"the {self.result.precision} graph of bundle {self.bundle.path}"

    def _inputs(self) -> list[dict[str, NDArray[np.generic]]]:
        return [graph_inputs(image[None], self.bundle.manifest) for image in self.samples]
