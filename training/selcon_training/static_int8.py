"""Convolutions in int8 with fixed scales, as ONNX Runtime runs them on CPUs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto

from selcon_training.cpu_graph import folded

Inputs = Mapping[str, NDArray[np.float32]]
KINDS = ("Conv", "Clip", "Relu", "Add", "Resize", "MaxPool", "AveragePool", "GlobalAveragePool", "Concat")
"""Operators that ONNX Runtime has in int8, and that hand int8 on between convolutions."""


def static_int8(model: bytes, inputs: Iterable[Inputs], folder: Path) -> bytes:
    """Return a graph of convolutions in int8, for one image; temporary files go to `folder`.

    Activations take unsigned 8 bit integers, scaled by the smallest and largest value that they have for
    `inputs`; the weights of each output channel have a scale of their own. An activation function between
    two convolutions is part of the first one's rounding. The layer that makes the maps, and what follows it,
    stays fp32. Raises the library's errors.
    """
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class _Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._left: Iterator[Inputs] = iter(inputs)

        def get_next(self) -> Inputs | None:
            return next(self._left, None)

    lean = _of_one_image(model)
    done = folder / "static.onnx"
    last = {node.name for node in _last_layers(lean)}
    quantize_static(
        lean,
        done,
        _Reader(),
        quant_format=QuantFormat.QDQ,
        nodes_to_quantize=[
            node.name for node in lean.graph.node if node.op_type in KINDS and node.name not in last
        ],
        per_channel=True,
        reduce_range=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        extra_options={"TensorQuantOverrides": _depthwise(lean)},
    )
    return done.read_bytes()


def _of_one_image(model: bytes) -> ModelProto:
    """Return the graph for a batch of one, so that no layer asks for shapes, each node with a name."""
    graph = onnx.load_from_string(model)
    for value in (*graph.graph.input, *graph.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 1
    lean = folded(graph.SerializeToString())
    for index, node in enumerate(lean.graph.node):
        node.name = node.name or f"{node.op_type}_{index}"
    return lean
