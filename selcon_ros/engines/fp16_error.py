"""Which layers of a converted graph add most to its error."""

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

Inputs = Mapping[str, NDArray[Any]]
"""Values of a graph's inputs by name."""
_NOT_FINITE_ERROR = 1e30


@dataclass(frozen=True)
class LayerError:
    """A layer whose output is off: relative error (Euclidean), and that of the worst of its inputs."""

    name: str
    kind: str
    error: float
    before: float

    def __str__(self) -> str:
        return f"{self.name} ({self.kind}): {self.error:.2g} off, its inputs {self.before:.2g}"


def layers_by_added_error(
    exact: ModelProto, given: ModelProto, samples: Sequence[Inputs], count: int = 3
) -> list[LayerError]:
    """Return the layers of `given` that add most to its error from `exact`, the worst first.

    `given` is an fp16 graph as `emulate_fp16` makes it. Both run in
    ONNX Runtime, where all their tensors of the same name are compared.
    """
    names = float_tensors(exact) & float_tensors(given)
    squares: dict[str, list[float]] = {name: [0.0, 0.0] for name in names}
    for inputs in samples:
        first, second = (run_all_tensors(model, names, inputs) for model in (exact, given))
        for name, sums in squares.items():
            truth = first[name].astype(np.float64)
            # What leaves fp16's range is infinite and counts as wholly wrong.
            off = second[name].astype(np.float64) - truth
            sums[0] += float(np.square(np.where(np.isfinite(off), off, _NOT_FINITE_ERROR)).sum())
            sums[1] += float(np.square(truth).sum())
    errors = {name: float(np.sqrt(off / max(whole, 1e-30))) for name, (off, whole) in squares.items()}

    def worst(tensors: Sequence[str]) -> float:
        return max((errors.get(each, 0.0) for each in tensors), default=0.0)

    found = [
        LayerError(node.name, node.op_type, worst(node.output), worst(node.input))
        for node in exact.graph.node
    ]
    return sorted(found, key=lambda layer: layer.error - layer.before, reverse=True)[:count]


def tensor_types(model: ModelProto) -> dict[str, int]:
    """Return the types (`TensorProto.DataType`) of what nodes compute, by name."""
    inferred = onnx.shape_inference.infer_shapes(model)
    values = [*inferred.graph.value_info, *inferred.graph.output]
    return {value.name: value.type.tensor_type.elem_type for value in values}


def float_tensors(model: ModelProto) -> set[str]:
    """Return the names of the tensors that nodes compute in floating point."""
    constants = {out for node in model.graph.node if node.op_type == "Constant" for out in node.output}
    floats = (TensorProto.FLOAT, TensorProto.FLOAT16)
    return {name for name, kind in tensor_types(model).items() if kind in floats and name not in constants}


def run_all_tensors(model: ModelProto, names: set[str], inputs: Inputs) -> dict[str, NDArray[Any]]:
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
