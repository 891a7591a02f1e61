"""A bundle's graph with preprocessing in it: camera images in, maps out."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, helper, numpy_helper

from selcon_ros.core.errors import BackendError, first_line
from selcon_ros.core.manifest import Manifest
from selcon_ros.core.preprocess import COLUMNS, FRAMES, ROWS
from selcon_ros.engines.bundle_graph import with_single_weights

IMAGE = "image"
PREFIX = "preprocess/"
"""Begins the names of all nodes that resize and normalise."""
_FIELDS = helper.make_tensor_value_info


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


def open_batch(model: ModelProto) -> bool:
    """Whether the graph's image input leaves open how many images there are.

    Raises BackendError for a graph with other inputs.
    """
    names = [each.name for each in model.graph.input]
    if names != [IMAGE]:
        raise BackendError(f"the graph's inputs must be ['{IMAGE}'], got {names}: export the bundle again")
    sizes = model.graph.input[0].type.tensor_type.shape.dim
    return not (sizes and sizes[0].HasField("dim_value"))


def with_frames(model: ModelProto, manifest: Manifest) -> ModelProto:
    """Return the graph with the input `image` replaced by `frames`, `rows` and `columns`.

    frames: [N, H, W, 3] uint8, RGB, N as the graph takes it; rows [h, H], columns [w, W] float32: see
    `core.preprocess.interpolation`. What is computed between is what `core.preprocess.preprocess` does,
    within one level of 255 (OpenCV computes with fewer digits). Raises BackendError for a graph with
    other inputs.
    """
    height, width = manifest.input_size
    batch = "N" if open_batch(model) else 1
    normalisation = manifest.normalisation
    scale = 1 / (255 * np.array(normalisation.std))
    shift = np.array(normalisation.mean) / normalisation.std
    constants = {
        "scale": scale.reshape(1, 3, 1, 1).astype(np.float32),
        "shift": shift.reshape(1, 3, 1, 1).astype(np.float32),
    }
    steps: list[tuple[str, list[str], str, dict[str, Any]]] = [
        ("Cast", [FRAMES], "float", {"to": TensorProto.FLOAT}),
        ("Transpose", ["float"], "planes", {"perm": [0, 3, 1, 2]}),
        ("MatMul", [ROWS, "planes"], "low", {}),
        ("Transpose", [COLUMNS], "turned", {"perm": [1, 0]}),
        ("MatMul", ["low", "turned"], "resized", {}),
        # The CPU's resize gives whole numbers, and training saw those.
        ("Round", ["resized"], "whole", {}),
        ("Mul", ["whole", "scale"], "scaled", {}),
        ("Sub", ["scaled", "shift"], IMAGE, {}),
    ]
    inputs = {FRAMES, ROWS, COLUMNS}

    def named(name: str) -> str:
        return name if name in inputs or name == IMAGE else PREFIX + name

    nodes = [
        helper.make_node(kind, [*map(named, given)], [named(out)], f"{PREFIX}{kind}{index}", **more)
        for index, (kind, given, out, more) in enumerate(steps)
    ]
    made = ModelProto()
    made.CopyFrom(model)
    graph = made.graph
    del graph.input[:]
    graph.input.extend(
        [
            _FIELDS(FRAMES, TensorProto.UINT8, [batch, "H", "W", 3]),
            _FIELDS(ROWS, TensorProto.FLOAT, [height, "H"]),
            _FIELDS(COLUMNS, TensorProto.FLOAT, [width, "W"]),
        ]
    )
    rest = list(graph.node)
    del graph.node[:]
    graph.node.extend([*nodes, *rest])
    graph.initializer.extend(
        numpy_helper.from_array(value, PREFIX + name) for name, value in constants.items()
    )
    return made
