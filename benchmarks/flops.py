"""Floating point operations of a graph: those of its products and convolutions, which are nearly all."""

from __future__ import annotations

from math import prod

import onnx

from selcon_ros.core.errors import BackendError

_PRODUCTS = ("MatMul", "Gemm", "Conv")


def count_flops(model: bytes) -> int:
    """Return the operations (an addition and a multiplication are two) of a bundle's graph for one image.

    Raises BackendError where a shape does not follow from that of the input.
    """
    graph = onnx.load_from_string(model)
    graph.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    for output in graph.graph.output:
        output.type.tensor_type.ClearField("shape")
    # Constants come as nodes too, and what reshapes reads their values.
    graph = onnx.shape_inference.infer_shapes(graph, data_prop=True).graph
    known = [*graph.value_info, *graph.input, *graph.output]
    shapes = {each.name: [size.dim_value for size in each.type.tensor_type.shape.dim] for each in known}
    shapes |= {each.name: list(each.dims) for each in graph.initializer}
    total = 0
    for node in graph.node:
        if node.op_type in _PRODUCTS:
            left, right, out = (shapes.get(name, [0]) for name in (*node.input[:2], node.output[0]))
            if 0 in left + right + out:
                raise BackendError(f"the shapes of {node.op_type} {node.name} do not follow from the input's")
            total += 2 * prod(out) * _summed(node, left, right)
    return total


def _summed(node: onnx.NodeProto, left: list[int], right: list[int]) -> int:
    """Return how many products are summed up into one value."""
    if node.op_type == "Conv":
        return prod(right[1:])
    turned = any(each.name == "transA" and each.i for each in node.attribute)
    return left[0] if turned else left[-1]
