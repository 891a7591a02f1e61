"""A graph in half precision, its sensitive parts kept in single precision.

Engines that are strongly typed compute each layer in the type that the graph gives it: what is fp16 here is
fp16 there, and nothing else is.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from selcon_ros.core.errors import BackendError, first_line
from selcon_ros.engines.fp16_error import Inputs, float_tensors, run_all_tensors, tensor_types
from selcon_ros.engines.preprocess_graph import NODE_PREFIX

SENSITIVE_OPERATORS = (
    "Softmax", "LayerNormalization", "ReduceMean", "ReduceSum", "ReduceL2", "Pow", "Exp", "Log", "Sqrt",
    "Sigmoid", "Range", "Resize",
)  # fmt: skip
"""Sums over many terms and functions that lose digits: cheap to compute in fp32, costly to round."""
FP16_MAX = 65504.0
"""The largest number in fp16."""
MAX_SAFE_VALUE = FP16_MAX / 8
"""A value beyond this in a sample may leave fp16's range in another picture: its layers stay fp32."""


def to_fp16(model: ModelProto, samples: Sequence[Inputs]) -> tuple[ModelProto, tuple[str, ...]]:
    """Return the graph in fp16, inputs and outputs as they were, and the names of the layers kept in fp32
    because of the values that `samples` (inputs of the graph) give them.

    In fp32 stay too: SENSITIVE_OPERATORS and preprocessing. Raises BackendError for a graph that cannot be
    converted.
    """
    from onnxruntime.transformers.float16 import convert_float_to_float16

    large = _large_tensors(model, samples) | _large_constants(model)
    kept = [
        node.name
        for node in model.graph.node
        if node.name.startswith(NODE_PREFIX) or large & {*node.input, *node.output}
    ]
    copy = ModelProto()
    copy.CopyFrom(model)
    try:
        half = convert_float_to_float16(
            copy,
            max_finite_val=FP16_MAX,
            keep_io_types=True,
            op_block_list=list(SENSITIVE_OPERATORS),
            node_block_list=kept,
        )
    except Exception as error:  # the library's errors share no base class
        raise BackendError(f"the graph cannot be converted to fp16: {first_line(error)}") from error
    _drop_round_trip_casts(half, model)
    return half, tuple(name for name in kept if not name.startswith(NODE_PREFIX))


def _drop_round_trip_casts(half: ModelProto, model: ModelProto) -> None:
    """Take away the conversions to fp16 and back between two layers in fp32, which the library leaves there.

    They would round what the two are to have in full, and make large values infinite. What the library added
    to `model` is known by being new: how it is called differs with the library's version.
    """
    from onnxruntime.transformers.onnx_model import OnnxModel

    graph = half.graph
    casts = {node.output[0]: node for node in graph.node if node.op_type == "Cast"}
    layers = {node.name for node in model.graph.node}
    # To fp16, and so from fp32.
    lowered = {
        name: node.input[0]
        for name, node in casts.items()
        if node.name not in layers and _target(node) == TensorProto.FLOAT16
    }
    # A tensor that comes back from fp16, and the one in fp32 that went there.
    exact = {
        name: lowered[node.input[0]]
        for name, node in casts.items()
        if _target(node) == TensorProto.FLOAT and node.input[0] in lowered
    }
    for node in graph.node:
        for index, name in enumerate(node.input):
            node.input[index] = exact.get(name, name)
        if node.output[0] in exact:
            node.input[0] = exact[node.output[0]]
    nodes = list(graph.node)
    for _ in ("back", "there"):
        used = {each.name for each in graph.output}.union(*(node.input for node in nodes))
        nodes = [node for node in nodes if node.op_type != "Cast" or node.output[0] in used]
    # What is in fp32 alone has its own name again, by which `layers_by_added_error` knows it.
    given = {name for node in nodes for name in node.output}
    known = {name for node in model.graph.node for name in node.output}
    names = {full: own for own, full in lowered.items() if own in known - given and full in given - known}
    for node in nodes:
        for tensors in (node.input, node.output):
            for index, name in enumerate(tensors):
                tensors[index] = names.get(name, name)
    _replace_nodes(half, nodes)
    # The library appends its conversions; types are inferred in the order of the layers.
    OnnxModel.graph_topological_sort(graph)


def emulate_fp16(half: ModelProto) -> ModelProto:
    """Return a graph in fp32 that computes as a GPU does `half`: what is fp16 there is rounded to fp16 here.

    ONNX Runtime's CPU has no kernels in fp16: it computes chains of such layers in fp32, rounding only where
    they end, whatever the optimisation level.
    """
    model = ModelProto()
    model.CopyFrom(half)
    types = tensor_types(half)
    for weight in model.graph.initializer:
        _widen(weight)
    nodes = []
    for node in model.graph.node:
        for attribute in node.attribute:
            _widen(attribute.t)
        nodes.append(node)
        for index, name in enumerate(node.output):
            if types.get(name) == TensorProto.FLOAT16:
                exact, low = f"{name}/exact", f"{name}/half"
                node.output[index] = exact
                for source, out, kind in ((exact, low, "FLOAT16"), (low, name, "FLOAT")):
                    to = TensorProto.DataType.Value(kind)
                    nodes.append(helper.make_node("Cast", [source], [out], out, to=to))
    for node in nodes:
        # Those of `half` itself: their values are rounded after them now.
        if node.op_type == "Cast" and node.output[0].endswith("/exact"):
            node.attribute[0].i = TensorProto.FLOAT
    _replace_nodes(model, nodes)
    return model


def _widen(tensor: TensorProto) -> None:
    """Make a tensor in fp16 one in fp32."""
    if tensor.data_type == TensorProto.FLOAT16:
        value = numpy_helper.to_array(tensor).astype(np.float32)
        tensor.CopyFrom(numpy_helper.from_array(value, tensor.name))


def _replace_nodes(model: ModelProto, nodes: Sequence[NodeProto]) -> None:
    """Give a graph other nodes; what was known of their values goes."""
    nodes = [*nodes]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    del model.graph.value_info[:]


def _target(cast: NodeProto) -> int:
    return next(int(each.i) for each in cast.attribute if each.name == "to")


def layer_precisions(model: ModelProto) -> dict[str, int]:
    """Return how many layers that compute (products, convolutions, sums...) have which type."""
    types = tensor_types(model)
    counts: dict[str, int] = {}
    for node in model.graph.node:
        name = TensorProto.DataType.Name(types.get(node.output[0], 0)).lower()
        if name.startswith("float") and node.op_type not in ("Cast", "Constant", "Identity"):
            counts[name] = counts.get(name, 0) + 1
    return counts


def _large_tensors(model: ModelProto, samples: Sequence[Inputs]) -> set[str]:
    names = float_tensors(model)
    large: set[str] = set()
    for inputs in samples:
        for name, value in run_all_tensors(model, names, inputs).items():
            if value.size and not float(np.abs(value).max()) <= MAX_SAFE_VALUE:
                large.add(name)
    return large


def _large_constants(model: ModelProto) -> set[str]:
    """The names of weights that fp16 cannot hold."""
    values = {each.name: each for each in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant":
            values |= {out: each.t for each in node.attribute for out in node.output if each.name == "value"}
    return {
        name
        for name, value in values.items()
        if value.data_type == TensorProto.FLOAT
        and not float(np.abs(numpy_helper.to_array(value)).max(initial=0.0)) <= FP16_MAX
    }
