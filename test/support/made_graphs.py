"""Graphs that fit the colour bundle's manifest, or do not, for what backends say of them."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from selcon_ros.core.grounding.bundle import Bundle, Manifest, write_bundle
from support.bundles import colour_manifest

IMAGE: dict[str, list[int | str]] = {"image": [1, 3, 288, 384]}
FRAMES = np.zeros((1, 480, 640, 3), np.uint8)
MAPS: dict[str, list[int | str]] = {"cam": [1, 3, 18, 24], "affinity": [1, 3, 18, 24]}


def bundle_of(folder: Path, model: bytes | onnx.ModelProto, manifest: Manifest | None = None) -> Bundle:
    """As loaded, but for what `load_bundle` itself refuses of a graph: backends do so too."""
    content = model if isinstance(model, bytes) else model.SerializeToString()
    path = folder / "made"
    written = write_bundle(path, manifest or colour_manifest(), {"model": content})
    return Bundle(written, {"model": content}, path)


def graph(
    inputs: dict[str, list[int | str]], outputs: dict[str, list[int | str]], kind: int = TensorProto.FLOAT
) -> onnx.ModelProto:
    """Return a model whose outputs are all the image's mean, [1, 3, 18, 24].

    The engine cannot tell that shape without running it: 0 times the mean is added to it.
    """
    image = next(iter(inputs))
    nodes = [
        helper.make_node("ReduceMean", [image], ["mean"], keepdims=0),
        helper.make_node("Sub", ["mean", "mean"], ["zero"]),
        helper.make_node("Cast", ["zero"], ["none"], to=TensorProto.INT64),
        helper.make_node("Add", ["shape", "none"], ["size"]),
    ]
    shape = helper.make_tensor("shape", TensorProto.INT64, [4], [1, 3, 18, 24])
    nodes += [helper.make_node("Expand", ["mean", "size"], [name]) for name in outputs]
    made = helper.make_graph(
        nodes,
        "made",
        [helper.make_tensor_value_info(name, kind, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, kind, shape) for name, shape in outputs.items()],
        [shape],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def with_foreign_operator(model: bytes) -> bytes:
    """Return the colour model with twice its cam, by an operator that ONNX Runtime alone has."""
    changed = onnx.load_from_string(model)
    (last,) = [node for node in changed.graph.node if node.output[0] == "cam"]
    last.output[0] = "single"
    changed.graph.node.append(helper.make_node("SampleOp", ["single"], ["cam"], domain="com.microsoft"))
    changed.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    return bytes(changed.SerializeToString())


def upside_down(model: bytes) -> bytes:
    """Return the colour model with a cam that is low where it should be high."""
    changed = onnx.load_from_string(model)
    (slope,) = [each for each in changed.graph.initializer if each.name == "slope"]
    slope.CopyFrom(onnx.numpy_helper.from_array(np.array(-12.0, np.float32), "slope"))
    return bytes(changed.SerializeToString())
