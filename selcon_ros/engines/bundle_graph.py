"""The fp32 graph of a bundle: read, checked, its weights in single precision."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, numpy_helper

from selcon_ros.core.errors import BackendError, first_line
from selcon_ros.core.grounding.bundle import Bundle

INPUT_NAME = "image"
"""Name of the input: normalised images [N, 3, h, w] float32."""


def graph_of(bundle: Bundle) -> ModelProto:
    """Return the bundle's fp32 graph. Raises BackendError where it is none."""
    return read_graph(bundle.model, f"{bundle.manifest.files['model'].path} of bundle {bundle.path}")


def read_graph(content: bytes, subject: str) -> ModelProto:
    """Parse an ONNX file; weights that it keeps in half precision and converts to single are in single then.

    Raises BackendError, naming `subject`, for one that is none or keeps weights elsewhere.
    """
    try:
        model = onnx.load_from_string(content)
        onnx.checker.check_model(model)
    except Exception as error:  # protobuf's and the checker's errors share no base class
        raise BackendError(f"{subject} is not a readable ONNX graph: {first_line(error)}") from None
    if any(each.data_location == TensorProto.EXTERNAL for each in model.graph.initializer):
        raise BackendError(f"{subject} keeps weights in other files: export the bundle again")
    for index, node in enumerate(model.graph.node):
        node.name = node.name or f"{node.op_type}_{index}"  # conversions and messages name nodes
    return with_single_weights(model)


def takes_batches(bundle: Bundle) -> bool:
    """Whether the bundle's graph takes several images at once."""
    return open_batch(graph_of(bundle))


def open_batch(model: ModelProto) -> bool:
    """Whether the graph's image input leaves open how many images there are.

    Raises BackendError for a graph with other inputs.
    """
    names = [each.name for each in model.graph.input]
    if names != [INPUT_NAME]:
        raise BackendError(
            f"the graph's inputs must be ['{INPUT_NAME}'], got {names}: export the bundle again"
        )
    sizes = model.graph.input[0].type.tensor_type.shape.dim
    return not (sizes and sizes[0].HasField("dim_value"))


def with_single_weights(model: ModelProto) -> ModelProto:
    """Return the graph with the weights that it converts to single precision in that precision."""
    single = ModelProto()
    single.CopyFrom(model)
    halves = {each.name: each for each in single.graph.initializer if each.data_type == TensorProto.FLOAT16}
    nodes = []
    for node in single.graph.node:
        target = [each.i for each in node.attribute if each.name == "to"]
        if node.op_type == "Cast" and target == [TensorProto.FLOAT] and node.input[0] in halves:
            values = numpy_helper.to_array(halves[node.input[0]]).astype(np.float32)
            single.graph.initializer.append(numpy_helper.from_array(values, node.output[0]))
        else:
            nodes.append(node)
    used = {name for node in nodes for name in node.input}
    kept = [each for each in single.graph.initializer if each.name not in halves or each.name in used]
    del single.graph.initializer[:]
    single.graph.initializer.extend(kept)
    del single.graph.node[:]
    single.graph.node.extend(nodes)
    return single
