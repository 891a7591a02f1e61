"""A graph whose weights are kept in half precision and computed with in single: half the file.

A `Cast` follows every such weight. What runs the graph computes it once, when it opens the file.
"""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

LEAST = 256
"""A weight of fewer numbers is not worth a layer."""
SINGLE = "/single"
"""Ends the name of a weight in single precision; the one in half precision keeps its name."""


def with_half_weights(model: ModelProto) -> ModelProto:
    """Return the graph with its matrices and kernels in half precision, but for those beyond its range."""
    halved = ModelProto()
    halved.CopyFrom(model)
    graph = halved.graph
    names = {}
    for weight in graph.initializer:
        if weight.data_type == TensorProto.FLOAT and len(weight.dims) > 1 and np.prod(weight.dims) >= LEAST:
            values = numpy_helper.to_array(weight)
            if np.abs(values).max() <= np.finfo(np.float16).max:
                names[weight.name] = weight.name + SINGLE
                weight.CopyFrom(numpy_helper.from_array(values.astype(np.float16), weight.name))
    nodes = [
        helper.make_node("Cast", [name], [single], single, to=TensorProto.FLOAT)
        for name, single in names.items()
    ]
    for node in graph.node:
        for index, name in enumerate(node.input):
            node.input[index] = names.get(name, name)
        nodes.append(node)
    return _with_nodes(halved, nodes)


def with_single_weights(model: ModelProto) -> ModelProto:
    """Return the graph with the weights that it converts to single precision in that precision."""
    single = ModelProto()
    single.CopyFrom(model)
    halves = {
        each.name: each for each in single.graph.initializer if each.data_type == TensorProto.FLOAT16
    }
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
    return _with_nodes(single, nodes)


def _with_nodes(model: ModelProto, nodes: list[NodeProto]) -> ModelProto:
    """Give a graph other nodes, some of them its own."""
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model
