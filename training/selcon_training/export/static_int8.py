"""Convolutions in int8 with fixed scales, as ONNX Runtime runs them on CPUs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto

from selcon_training.export.attention_fusion import folded

Inputs = Mapping[str, NDArray[np.float32]]
INT8_OPERATORS = (
    "Conv", "Clip", "Relu", "Add", "Resize", "Slice", "Concat", "MaxPool", "AveragePool", "GlobalAveragePool",
)  # fmt: skip
"""What ONNX Runtime's CPU computes in int8: convolutions and what comes between them."""
MIN_STRIDE = 16
"""Stride in pixels from which on convolutions are in int8."""


def static_int8(model: bytes, inputs: Iterable[Inputs], folder: Path) -> bytes:
    """Return a graph of convolutions in int8, for one image at a time; temporary files go to `folder`.

    Activations become unsigned 8 bit integers, scaled by their smallest and largest value for `inputs`;
    weights are scaled by output channel and take 7 bits. An activation function between two convolutions
    becomes the limits of such a range. Layers before stride 16 stay fp32, and so do those that make the maps
    (see `_first_layers` and `_last_layers`). Raises the library's errors.
    """
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class _Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._left: Iterator[Inputs] = iter(inputs)

        def get_next(self) -> Inputs | None:
            return next(self._left, None)

    lean = _of_one_image(model)
    exact = _first_layers(lean) | _last_layers(lean)
    done = folder / "static.onnx"
    quantize_static(
        lean,
        done,
        _Reader(),
        quant_format=QuantFormat.QDQ,
        nodes_to_quantize=[
            node.name for node in lean.graph.node if node.op_type in INT8_OPERATORS and node.name not in exact
        ],
        per_channel=True,
        reduce_range=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )
    return done.read_bytes()


def _of_one_image(model: bytes) -> ModelProto:
    """Return the graph for a batch of one, in which no layer asks for shapes; each layer has a name."""
    graph = onnx.load_from_string(model)
    for value in (*graph.graph.input, *graph.graph.output):
        for size in value.type.tensor_type.shape.dim[:1]:
            size.dim_value = 1
    lean = folded(graph.SerializeToString())
    for index, node in enumerate(lean.graph.node):
        node.name = node.name or f"{node.op_type}_{index}"
    return lean


def _first_layers(model: ModelProto) -> set[str]:
    """Return the names of the layers up to the first convolution at stride 16.

    Of a trained EfficientNet-Lite0 nearly all that int8 moved in the maps came from these layers.
    """
    graph = onnx.shape_inference.infer_shapes(model).graph
    shapes = {
        value.name: [size.dim_value for size in value.type.tensor_type.shape.dim]
        for value in (*graph.value_info, *graph.output)
    }
    rows = model.graph.input[0].type.tensor_type.shape.dim[2].dim_value
    names: set[str] = set()
    for node in model.graph.node:
        # Sides are rounded up from stride to stride.
        if node.op_type == "Conv" and (shapes[node.output[0]][2] - 1) * MIN_STRIDE < rows:
            return names
        names.add(node.name)
    return set()


def _last_layers(model: ModelProto) -> set[str]:
    """Return the names of the last convolutions and of the layers behind them, and of those of a decoder from
    its first resizing on: logits and sums of maps take more digits than 8 bits.
    """
    makers: dict[str, NodeProto] = {name: node for node in model.graph.node for name in node.output}
    names: set[str] = set()
    resized: set[str] = set()
    for node in model.graph.node:  # in the order in which they run
        if node.op_type == "Resize" or not resized.isdisjoint(node.input):
            names.add(node.name)
            resized.update(node.output)
    waiting = [each.name for each in model.graph.output]
    while waiting:
        node = makers.get(waiting.pop())
        if node is not None and node.name not in names:
            names.add(node.name)
            if node.op_type != "Conv":
                waiting += node.input
    return names
