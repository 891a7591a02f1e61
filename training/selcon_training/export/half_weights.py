"""A graph whose weights are kept in half precision and computed with in single: half the file.

A `Cast` follows every such weight. What runs the graph computes it once, when it opens the file.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import numpy as np
import onnx
import onnxruntime
from onnx import ModelProto, TensorProto, helper, numpy_helper
from torch import Tensor

from selcon_training.errors import CoarseWeights
from selcon_training.models.from_bundle import has_half_weights
from selcon_training.models.network import example_images, relative_deviation

MIN_WEIGHT_SIZE = 4096
"""A weight of fewer numbers stays as it is: it takes little room, and rounding the first layers
moves the maps most."""
MAX_DEVIATION = 1e-2
"""Largest deviation of an output, relative to its largest value: each weight may be off by 5e-4."""
SINGLE_SUFFIX = "/single"
"""Ends the name of a weight in single precision; the one in half precision keeps its name."""
_log = logging.getLogger(__name__)


def with_half_weights(model: ModelProto) -> ModelProto:
    """Return the graph with its matrices and kernels in half precision, but for those beyond its range."""
    halved = ModelProto()
    halved.CopyFrom(model)
    graph = halved.graph
    names = {}
    for weight in graph.initializer:
        if (
            weight.data_type == TensorProto.FLOAT
            and len(weight.dims) > 1
            and np.prod(weight.dims) >= MIN_WEIGHT_SIZE
        ):
            values = numpy_helper.to_array(weight)
            if np.abs(values).max() <= np.finfo(np.float16).max:
                names[weight.name] = weight.name + SINGLE_SUFFIX
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


def in_half_weights(content: bytes, again: Sequence[Mapping[str, Tensor]]) -> bytes:
    """Return a graph with its weights kept in half precision.

    Raises CoarseWeights if for one of the inputs `again` an output deviates from the given graph's by more
    than 1e-2 of its largest value.
    """
    model = with_half_weights(onnx.load_from_string(content))
    halved: bytes = model.SerializeToString()
    single, half = (
        onnxruntime.InferenceSession(each, providers=["CPUExecutionProvider"]) for each in (content, halved)
    )
    for inputs in again:
        given = {name: value.numpy() for name, value in inputs.items()}
        for output, ours, theirs in zip(
            model.graph.output, half.run(None, given), single.run(None, given), strict=True
        ):
            deviation = relative_deviation(ours, theirs)
            if not deviation <= MAX_DEVIATION:
                raise CoarseWeights(
                    f"with weights in fp16 the output '{output.name}' deviates by {deviation:.2e} of its "
                    f"largest value (allowed: {MAX_DEVIATION:.0e}); --weights fp32 keeps them whole"
                )
    return halved


def stored_alike(content: bytes, before: bytes, size: tuple[int, int]) -> bytes:
    """Return a graph for images of `size` (height, width) with its weights stored as those of `before` are.

    Weights that half precision would change too much stay in single, which is logged.
    """
    if not has_half_weights(before):
        return content
    try:
        return in_half_weights(content, [{"image": images} for images in example_images(size)])
    except CoarseWeights as error:
        _log.warning("the weights stay in fp32, which takes twice the room: %s", error)
        return content
