"""A bundle's graph with preprocessing in it: camera images in, maps out."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

from selcon_ros.core.grounding.manifest import Manifest
from selcon_ros.core.grounding.preprocess import COLUMNS, FRAMES, ROWS
from selcon_ros.engines.bundle_graph import INPUT_NAME, open_batch

NODE_PREFIX = "preprocess/"
"""Begins the names of all nodes that resize and normalise."""
_FIELDS = helper.make_tensor_value_info


def with_frames(model: ModelProto, manifest: Manifest) -> ModelProto:
    """Return the graph with the input `image` replaced by `frames`, `rows` and `columns`.

    frames: [N, H, W, 3] uint8, RGB, N as the graph takes it; rows [h, H], columns [w, W] float32: see
    `core.grounding.preprocess.interpolation`. What is computed between is what `preprocess` there does,
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
        ("Sub", ["scaled", "shift"], INPUT_NAME, {}),
    ]
    inputs = {FRAMES, ROWS, COLUMNS}

    def named(name: str) -> str:
        return name if name in inputs or name == INPUT_NAME else NODE_PREFIX + name

    nodes = [
        helper.make_node(kind, [*map(named, given)], [named(out)], f"{NODE_PREFIX}{kind}{index}", **more)
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
        numpy_helper.from_array(value, NODE_PREFIX + name) for name, value in constants.items()
    )
    return made
