"""A graph whose weights are kept in half precision and computed with in single: half the file.

A `Cast` follows every such weight. What runs the graph computes it once, when it opens the file.
"""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

LEAST = 4096
"""A weight of fewer numbers stays as it is: it takes little room, and rounding the first layers
moves the maps most."""
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
    del graph.node[:]
    graph.node.extend(nodes)
    return halved
