"""A graph in half precision, its sensitive parts kept in single precision.

Engines that are strongly typed compute each layer in the type that the graph gives it: what is fp16 here is
fp16 there, and nothing else is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto

from selcon_ros.core.errors import BackendError, first_line
from selcon_ros.engines.frames import PREFIX

SENSITIVE = (
    "Softmax", "LayerNormalization", "ReduceMean", "ReduceSum", "ReduceL2", "Pow", "Exp", "Log", "Sqrt",
    "Sigmoid", "Range", "Resize",
)  # fmt: skip
"""Sums over many terms and functions that lose digits: cheap to compute in fp32, costly to round."""
LARGEST = 65504.0 / 8
"""A value beyond this in a sample may leave fp16's range in another picture: its layers stay fp32."""
_WRONG = 1e30
Inputs = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class LayerError:
    """A layer whose output is off: relative error (Euclidean), and that of the worst of its inputs."""

    name: str
    kind: str
    error: float
    before: float

    def __str__(self) -> str:
        return f"{self.name} ({self.kind}): {self.error:.2g} off, its inputs {self.before:.2g}"


def in_half(model: ModelProto, samples: Sequence[Inputs]) -> tuple[ModelProto, tuple[str, ...]]:
    """Return the graph in fp16, inputs and outputs as they were, and the names of the layers kept in fp32
    because of the values that `samples` (inputs of the graph) give them.

    In fp32 stay too: SENSITIVE operators and preprocessing. Raises BackendError for a graph that cannot be
    converted.
    """
    from onnxruntime.transformers.float16 import convert_float_to_float16

    large = _large_tensors(model, samples)
    kept = [
        node.name
        for node in model.graph.node
        if node.name.startswith(PREFIX) or large & {*node.input, *node.output}
    ]
    copy = ModelProto()
    copy.CopyFrom(model)
    try:
        half = convert_float_to_float16(
            copy, keep_io_types=True, op_block_list=list(SENSITIVE), node_block_list=kept
        )
    except Exception as error:  # the library's errors share no base class
        raise BackendError(f"the graph cannot be converted to fp16: {first_line(error)}") from error
    return half, tuple(name for name in kept if not name.startswith(PREFIX))


def blame(
    exact: ModelProto, given: ModelProto, samples: Sequence[Inputs], count: int = 3
) -> list[LayerError]:
    """Return the layers of `given` that add most to its error from `exact`, the worst first.

    Both run in ONNX Runtime, where all their tensors of the same name are compared.
    """
    names = _floats(exact) & _floats(given)
    squares: dict[str, list[float]] = {name: [0.0, 0.0] for name in names}
    for inputs in samples:
        first, second = (_all_tensors(model, names, inputs) for model in (exact, given))
        for name, sums in squares.items():
            truth = first[name].astype(np.float64)
            # What leaves fp16's range is infinite and counts as wholly wrong.
            off = second[name].astype(np.float64) - truth
            sums[0] += float(np.square(np.where(np.isfinite(off), off, _WRONG)).sum())
            sums[1] += float(np.square(truth).sum())
    errors = {name: float(np.sqrt(off / max(whole, 1e-30))) for name, (off, whole) in squares.items()}

    def worst(tensors: Sequence[str]) -> float:
        return max((errors.get(each, 0.0) for each in tensors), default=0.0)

    found = [
        LayerError(node.name, node.op_type, worst(node.output), worst(node.input))
        for node in exact.graph.node
    ]
    return sorted(found, key=lambda layer: layer.error - layer.before, reverse=True)[:count]


def precisions(model: ModelProto) -> dict[str, int]:
    """Return how many layers that compute (products, convolutions, sums...) have which type."""
    types = _types(model)
    counts: dict[str, int] = {}
    for node in model.graph.node:
        name = TensorProto.DataType.Name(types.get(node.output[0], 0)).lower()
        if name.startswith("float") and node.op_type not in ("Cast", "Constant", "Identity"):
            counts[name] = counts.get(name, 0) + 1
    return counts


def _large_tensors(model: ModelProto, samples: Sequence[Inputs]) -> set[str]:
    names = _floats(model)
    large: set[str] = set()
    for inputs in samples:
        for name, value in _all_tensors(model, names, inputs).items():
            if value.size and not float(np.abs(value).max()) <= LARGEST:
                large.add(name)
    return large


def _types(model: ModelProto) -> dict[str, int]:
    inferred = onnx.shape_inference.infer_shapes(model)
    values = [*inferred.graph.value_info, *inferred.graph.output]
    return {value.name: value.type.tensor_type.elem_type for value in values}


def _floats(model: ModelProto) -> set[str]:
    """The names of the tensors that nodes compute in floating point."""
    constants = {out for node in model.graph.node if node.op_type == "Constant" for out in node.output}
    floats = (TensorProto.FLOAT, TensorProto.FLOAT16)
    return {name for name, kind in _types(model).items() if kind in floats and name not in constants}


def _all_tensors(model: ModelProto, names: set[str], inputs: Inputs) -> dict[str, NDArray[Any]]:
    """Run the graph and return its tensors of these names, outputs among them."""
    copy = ModelProto()
    copy.CopyFrom(model)
    present = {each.name for each in copy.graph.output}
    wanted = sorted(names)
    copy.graph.output.extend(onnx.ValueInfoProto(name=name) for name in wanted if name not in present)
    options = onnxruntime.SessionOptions()
    # Fusions would hide tensors, and round otherwise than the layers alone.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(
            copy.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        values = session.run(wanted, dict(inputs))
    except Exception as error:  # the engine's errors share no base class
        raise BackendError(f"the graph cannot be run layer by layer: {first_line(error)}") from error
    return dict(zip(wanted, values, strict=True))
