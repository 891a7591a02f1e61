"""Weights that a graph keeps in half precision and computes with in single, back in single precision."""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, TensorProto, numpy_helper


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
