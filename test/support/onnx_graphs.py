"""Small ONNX graphs with values drawn for them, and what ONNX Runtime and torch make of them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes
from numpy.typing import NDArray
from onnx import NodeProto, helper, numpy_helper
from onnxruntime.transformers.float16 import convert_float_to_float16

from selcon_ros.backends.onnx_in_torch.program import Program
from selcon_ros.core.grounding.manifest import Manifest
from selcon_ros.engines.preprocess_graph import with_frames

Arrays = Mapping[str, NDArray[Any]]

# Not shrunk: an example has few numbers, and each is a session of ONNX Runtime.
few = settings(max_examples=10, deadline=None, phases=[Phase.explicit, Phase.generate])
node = helper.make_node
OPSETS = st.sampled_from([13, 17, 18, 21])
SHAPES = array_shapes(min_dims=1, max_dims=4, max_side=5)
SEEDS = st.integers(0, 2**32 - 1)


def floats(shape: tuple[int, ...], seed: int) -> NDArray[np.float32]:
    """Ordinary numbers, and among them halves, which are rounded to even."""
    values = np.random.default_rng(seed).normal(scale=2, size=shape)
    return np.where(values > 2, np.round(values) + 0.5, values).astype(np.float32)


def ints(*values: int) -> NDArray[np.int64]:
    return np.array(values, np.int64)


def signed(data: st.DataObject, axis: int, rank: int) -> int:
    """An axis, counted from the front or from the back."""
    return data.draw(st.sampled_from([axis, axis - rank]))


def some_axes(data: st.DataObject, rank: int, least: int = 0) -> list[int]:
    axes = data.draw(st.lists(st.integers(0, rank - 1), min_size=least, unique=True))
    return [signed(data, axis, rank) for axis in axes]


def model_of(
    nodes: Sequence[NodeProto],
    inputs: Arrays,
    constants: Arrays | None = None,
    outputs: Sequence[str] = ("y",),
    opset: int = 17,
    opened: bool = False,
) -> bytes:
    """Return a model whose inputs have the types of `inputs` and their shapes, or open ones."""
    given = [
        helper.make_tensor_value_info(
            name,
            helper.np_dtype_to_tensor_dtype(value.dtype),
            [f"{name}{axis}" for axis in range(value.ndim)] if opened else value.shape,
        )
        for name, value in inputs.items()
    ]
    held = [numpy_helper.from_array(value, name) for name, value in (constants or {}).items()]
    graph = helper.make_graph(nodes, "g", given, [onnx.ValueInfoProto(name=name) for name in outputs], held)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    return bytes(model.SerializeToString())


def in_onnxruntime(model: bytes, inputs: Arrays) -> dict[str, NDArray[Any]]:
    """Return all outputs; nothing is fused, so that each operator is what it says."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_outputs()]
    return dict(zip(names, session.run(names, dict(inputs)), strict=True))


def in_torch(model: bytes, inputs: Arrays) -> dict[str, NDArray[Any]]:
    """Return all outputs, computed on the CPU."""
    given = {name: torch.from_numpy(np.array(value)) for name, value in inputs.items()}
    return {name: each.numpy() for name, each in Program(model, "the graph").plan(given).run(given).items()}


def assert_alike(
    nodes: NodeProto | Sequence[NodeProto], inputs: Arrays, constants: Arrays | None = None, **options: Any
) -> None:
    """Assert that torch gives what ONNX Runtime gives, in type, shape and value."""
    nodes = [nodes] if isinstance(nodes, NodeProto) else nodes
    inputs = {name: np.asarray(value) for name, value in inputs.items()}
    model = model_of(nodes, inputs, constants, **options)
    wanted, found = in_onnxruntime(model, inputs), in_torch(model, inputs)
    for name, value in wanted.items():
        assert (found[name].dtype, found[name].shape) == (value.dtype, value.shape)
        np.testing.assert_allclose(found[name], value, rtol=1e-5, atol=1e-5)


def pictures(count: int = 2, size: tuple[int, int] = (480, 640), seed: int = 0) -> NDArray[np.uint8]:
    """Noise, its left half reddish."""
    frames = np.random.default_rng(seed).integers(0, 256, (count, *size, 3), np.uint8)
    frames[:, :, : size[1] // 2] //= np.array([1, 8, 8], np.uint8)
    return frames


def relative(found: NDArray[np.float32], wanted: NDArray[np.float32]) -> float:
    return float(np.abs(found - wanted).max() / np.abs(wanted).max())


def taking_frames(model: bytes, manifest: Manifest, count: int | str) -> onnx.ModelProto:
    """Return the graph with preprocessing in it, for `count` images at once."""
    made = with_frames(onnx.load_from_string(model), manifest)
    images = made.graph.input[0].type.tensor_type.shape.dim[0]
    if isinstance(count, str):
        images.dim_param = count
    else:
        images.dim_value = count
    return made


def to_fp16(model: onnx.ModelProto) -> bytes:
    return bytes(convert_float_to_float16(model, keep_io_types=True).SerializeToString())
