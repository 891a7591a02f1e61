"""From the bytes of an ONNX graph to nodes with torch tensors, all of it checked."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import torch
from onnx import AttributeProto, TensorProto, helper, numpy_helper
from torch import Tensor

from selcon_ros.backends.onnx_in_torch.operators import OPERATORS
from selcon_ros.backends.onnx_in_torch.registry import OPSETS, Output
from selcon_ros.core.errors import BackendError, first_line

_FLOATS = (torch.float16, torch.float32, torch.float64)
# Domain names of ONNX's own operators; what others have under the same name may be something else.
_DOMAINS = ("", "ai.onnx")


@dataclass(frozen=True)
class Node:
    """One step of a graph; names are those of values, "" where an input or output is left out."""

    name: str
    operator: str
    attributes: dict[str, Any]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @property
    def compute(self) -> Callable[..., Output]:
        """What it does, to its attributes and inputs."""
        return OPERATORS[self.operator].compute

    @property
    def on_host(self) -> tuple[int, ...]:
        """The positions of the inputs that are taken as CPU tensors."""
        return OPERATORS[self.operator].on_host


@dataclass(frozen=True)
class Value:
    """An input as the graph declares it: open dimensions are names or None."""

    type: torch.dtype
    shape: tuple[int | str | None, ...] | None

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Whether something can have this shape."""
        if self.shape is None or len(shape) != len(self.shape):
            return self.shape is None
        pairs = zip(self.shape, shape, strict=True)
        return all(not isinstance(declared, int) or declared == size for declared, size in pairs)


@dataclass(frozen=True)
class Graph:
    """Nodes, each after those that it takes values from, and constants on the CPU."""

    inputs: dict[str, Value]
    outputs: list[str]
    constants: dict[str, Tensor]
    nodes: list[Node]


def parse(model: bytes, subject: str, precision: torch.dtype | None = None) -> Graph:
    """Read an ONNX model; `subject` names it in errors. `precision` replaces every floating point type.

    Raises BackendError for what is no model, is of another opset, has its weights in other files (no hash of
    a bundle covers them) or has operators that torch is not taught here.
    """
    try:
        proto = onnx.load_model_from_string(model)
        opset = next((each.version for each in proto.opset_import if each.domain in _DOMAINS), 0)
        if opset not in OPSETS:
            raise ValueError(
                f"its ONNX opset is {opset}, it must be {OPSETS.start} to {OPSETS.stop - 1}: export it again"
            )
        types = _Types(precision)
        graph = proto.graph
        constants = {each.name: types.tensor(each) for each in graph.initializer}
        if graph.sparse_initializer:
            raise ValueError("it has sparse constants: export it without")
        inputs = {each.name: types.value(each) for each in graph.input if each.name not in constants}
        outputs = [each.name for each in graph.output]
        nodes = [_node(each, types) for each in graph.node]
        nodes = _in_order(nodes, [*inputs, *constants], outputs)
    except Exception as error:  # protobuf's and onnx's own errors share no base class
        raise BackendError(f"{subject} cannot be opened by torch: {first_line(error)}") from error
    return Graph(inputs, outputs, constants, nodes)


def _in_order(nodes: Sequence[Node], given: Collection[str], outputs: Collection[str]) -> list[Node]:
    """Return the nodes so that each comes after what it takes, as given as far as possible.

    They should come so, but conversions to half precision put the nodes that they add last.
    """
    giver = {name: index for index, node in enumerate(nodes) for name in node.outputs if name}
    known = {"", *given, *giver}
    for taker, names in [*((f"node '{node.name}'", node.inputs) for node in nodes), ("an output", outputs)]:
        for name in names:
            if name not in known:
                raise ValueError(f"nothing gives '{name}', which {taker} takes")
    if not outputs:
        raise ValueError("it has no outputs")
    ordered: dict[int, Node] = {}
    for index in range(len(nodes)):
        path = [] if index in ordered else [index]
        while path:
            node = nodes[path[-1]]
            before = (giver[name] for name in node.inputs if name in giver)
            waits_for = next((each for each in before if each not in ordered), None)
            if waits_for is None:
                ordered[path.pop()] = node
            elif waits_for in path:
                raise ValueError(f"node '{nodes[waits_for].name}' takes what is computed from it")
            else:
                path.append(waits_for)
    return list(ordered.values())


def _node(proto: onnx.NodeProto, types: _Types) -> Node:
    name = proto.name or (proto.output[0] if proto.output else "")
    if proto.op_type not in OPERATORS or proto.domain not in _DOMAINS:
        operator = proto.op_type if proto.domain in _DOMAINS else f"{proto.domain}.{proto.op_type}"
        raise ValueError(
            f"node '{name}' is of operator {operator}, which this backend does not know: "
            "run the bundle with ONNX Runtime (an int8 model always), or export it without that operator"
        )
    attributes = {each.name: types.attribute(each) for each in proto.attribute}
    if proto.op_type == "Split":  # older opsets say how many parts by the outputs alone
        attributes.setdefault("num_outputs", len(proto.output))
    inputs, outputs = tuple(proto.input), tuple(proto.output)
    return Node(name, proto.op_type, attributes, inputs, outputs)


class _Types:
    """ONNX's types as torch's, with one precision for all floating point numbers if it is given."""

    def __init__(self, precision: torch.dtype | None) -> None:
        self._precision = precision

    def dtype(self, number: int) -> torch.dtype:
        kind = torch.from_numpy(np.zeros(0, helper.tensor_dtype_to_np_dtype(number))).dtype
        return self._precision if self._precision is not None and kind in _FLOATS else kind

    def tensor(self, proto: TensorProto) -> Tensor:
        if proto.data_location == TensorProto.EXTERNAL:
            raise ValueError(f"'{proto.name}' is in another file: a bundle's graph holds its weights itself")
        array = numpy_helper.to_array(proto)
        # Copied, for torch writes: the array may be a view of the model's bytes.
        return torch.from_numpy(np.array(array)).to(self.dtype(proto.data_type))

    def value(self, proto: onnx.ValueInfoProto) -> Value:
        kind = proto.type.tensor_type
        shape = tuple(
            each.dim_value if each.HasField("dim_value") else each.dim_param or None
            for each in kind.shape.dim
        )
        return Value(self.dtype(kind.elem_type), shape if kind.HasField("shape") else None)

    def attribute(self, proto: AttributeProto) -> Any:
        value = helper.get_attribute_value(proto)
        if proto.name == "to":
            return self.dtype(value)
        if isinstance(value, bytes):
            return value.decode()
        if isinstance(value, TensorProto):
            return self.tensor(value)
        if proto.name.startswith("value_"):  # of Constant: numbers instead of a tensor
            integer = proto.type in (AttributeProto.INT, AttributeProto.INTS)
            kind = TensorProto.INT64 if integer else TensorProto.FLOAT
            return torch.tensor(value, dtype=self.dtype(kind))
        return value
