"""A graph whose products with constant matrices take 8 bit integers, as GPUs want it: with fixed scales.

Quantise and dequantise nodes say what is int8; engines fuse them with the products between.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx
from numpy.typing import NDArray
from onnx import ModelProto, version_converter

from selcon_ros.backends.onnxruntime_log import without_advice
from selcon_ros.core.errors import BackendError, first_line
from selcon_ros.engines.preprocess_graph import NODE_PREFIX

OPSET = 19
"""From here on scales may be fp16, as the layers around them are."""
Inputs = Mapping[str, NDArray[Any]]


def to_int8(model: ModelProto, samples: Sequence[Inputs]) -> ModelProto:
    """Return the graph with int8 products; activations are scaled by their largest value in `samples`.

    Convolutions stay as they are: in int8 they cost more accuracy than all the rest. Both scales are
    symmetric, those of weights by output channel. Raises BackendError for a graph without such products or
    one that cannot be converted.
    """
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class _Samples(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._left: Iterator[Inputs] = iter(samples)

        def get_next(self) -> Inputs | None:
            return next(self._left, None)

    products = _products(model)
    if not products:
        raise BackendError("the graph has no products with constant matrices: int8 would change nothing")
    try:
        with without_advice(), tempfile.TemporaryDirectory() as folder:
            source, done = Path(folder) / "fp32.onnx", Path(folder) / "int8.onnx"
            onnx.save(version_converter.convert_version(model, OPSET), source)
            quantize_static(
                source,
                done,
                _Samples(),
                quant_format=QuantFormat.QDQ,
                nodes_to_quantize=products,
                per_channel=True,
                activation_type=QuantType.QInt8,
                weight_type=QuantType.QInt8,
                extra_options={"ActivationSymmetric": True, "WeightSymmetric": True},
            )
            return onnx.load(done)
    except Exception as error:  # the libraries' errors share no base class
        raise BackendError(f"the graph cannot be converted to int8: {first_line(error)}") from error


def _products(model: ModelProto) -> list[str]:
    """The names of the nodes that multiply by a constant matrix."""
    constants = {each.name for each in model.graph.initializer}
    constants |= {out for node in model.graph.node if node.op_type == "Constant" for out in node.output}
    return [
        node.name
        for node in model.graph.node
        if node.op_type in ("MatMul", "Gemm")
        and node.input[1] in constants
        and not node.name.startswith(NODE_PREFIX)
    ]
