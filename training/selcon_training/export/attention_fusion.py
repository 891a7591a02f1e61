"""A graph with its self-attention as ONNX Runtime's own operator: the same values, fewer moves of tensors."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from math import isclose
from pathlib import Path

import onnx
import onnxruntime
from onnx import NodeProto, helper, numpy_helper

_LATER_OPTIMIZERS = ["MatMulAddFusion", "TransposeOptimizer"]
"""What ONNX Runtime would rearrange of the layers as they were exported; it does so when a session opens."""


def fused(model: bytes) -> onnx.ModelProto:
    """Return the graph with constants folded and self-attention as `Attention`, its layer's product included.

    Attention of another kind (query-query, normalised or turned queries) stays as it is. Raises ONNX
    Runtime's errors for what is no graph.
    """
    graph = _Graph(folded(model))
    for node in list(graph.nodes):
        if node.op_type == "Softmax":
            try:
                graph.replace(*_attention(graph, node))
            except _Different:
                continue
    return graph.finished()


def folded(model: bytes) -> onnx.ModelProto:
    """Return the graph with all computed that depends on no image. Raises ONNX Runtime's errors."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = 3
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "folded.onnx"
        options.optimized_model_filepath = str(file)
        providers = ["CPUExecutionProvider"]
        onnxruntime.InferenceSession(
            model, options, providers=providers, disabled_optimizers=_LATER_OPTIMIZERS
        )
        return _Graph(onnx.load(str(file))).finished()


class _Different(Exception):
    """A part of a graph is not what was looked for."""


class _Graph:
    """An ONNX graph in which nodes are found by what they make and take."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = model
        self.nodes = list(model.graph.node)
        self.constants = {each.name: each for each in model.graph.initializer}
        self._makers = {name: node for node in self.nodes for name in node.output}
        self._takers: dict[str, list[NodeProto]] = {}
        for node in self.nodes:
            for name in node.input:
                self._takers.setdefault(name, []).append(node)

    def maker(self, name: str, kind: str, **attributes: object) -> NodeProto:
        """Return the node that makes a tensor; raises _Different unless it is of that kind."""
        return _checked([self._makers[name]] if name in self._makers else [], kind, attributes)

    def taker(self, name: str, kind: str, **attributes: object) -> NodeProto:
        """Return the only node that takes a tensor; raises _Different unless it is of that kind."""
        return _checked(self._takers.get(name, []), kind, attributes)

    def replace(self, old: NodeProto, new: NodeProto) -> None:
        """Let a node make what another made."""
        at = next(index for index, node in enumerate(self.nodes) if node is old)
        self.nodes[at] = new

    def finished(self) -> onnx.ModelProto:
        """Return the model without what no output needs."""
        graph = self.model.graph
        needed = {each.name for each in graph.output}
        kept = []
        for node in reversed(self.nodes):
            if needed.intersection(node.output):
                kept.append(node)
                needed.update(node.input)
        constants = [each for each in graph.initializer if each.name in needed]
        for field, values in ((graph.node, kept[::-1]), (graph.initializer, constants)):
            del field[:]
            field.extend(values)
        return self.model


def _checked(nodes: Sequence[NodeProto], kind: str, attributes: dict[str, object]) -> NodeProto:
    if len(nodes) != 1 or nodes[0].op_type != kind:
        raise _Different
    found = {each.name: helper.get_attribute_value(each) for each in nodes[0].attribute}
    if any(found.get(name) != value for name, value in attributes.items()):
        raise _Different
    return nodes[0]


def _attention(graph: _Graph, softmax: NodeProto) -> tuple[NodeProto, NodeProto]:
    """Return the last node of softmax(q kᵀ / √d) v, and the `Attention` that makes the same, where q, k and v
    are the thirds, in this order, of one product with a bias.
    """
    _checked([softmax], "Softmax", {"axis": -1})
    scores = graph.maker(softmax.input[0], "MatMul")
    mixed = graph.taker(softmax.output[0], "MatMul")
    joined = graph.taker(graph.taker(mixed.output[0], "Transpose", perm=[0, 2, 1, 3]).output[0], "Reshape")
    scaled = graph.maker(scores.input[0], "Mul")
    keys = graph.maker(scores.input[1], "Transpose", perm=[0, 1, 3, 2])
    thirds = [graph.maker(name, "Squeeze") for name in (scaled.input[0], keys.input[0], mixed.input[1])]
    split = graph.maker(thirds[0].input[0], "Split", axis=0)
    turned = graph.maker(split.input[0], "Transpose", perm=[2, 0, 3, 1, 4])
    by_head = graph.maker(turned.input[0], "Reshape")
    biased = graph.maker(by_head.input[0], "Add")
    bias, product = sorted(biased.input, key=lambda name: name not in graph.constants)
    weighted = graph.maker(product, "MatMul")
    named = (bias, weighted.input[1], by_head.input[1], scaled.input[1], joined.input[1])
    if [third.input[0] for third in thirds] != list(split.output) or not graph.constants.keys() >= {*named}:
        raise _Different
    offset, weight, shape, scale, out = (numpy_helper.to_array(graph.constants[name]) for name in named)
    if (offset.ndim, weight.ndim, len(shape), len(out)) != (1, 2, 5, 3):
        raise _Different
    heads = int(shape[3])
    if not isclose(scale.item(), (weight.shape[1] / 3 / heads) ** -0.5, rel_tol=1e-5):
        raise _Different
    inputs = [weighted.input[0], weighted.input[1], bias]
    return joined, helper.make_node(
        "Attention", inputs, list(joined.output), softmax.name, domain="com.microsoft", num_heads=heads
    )
