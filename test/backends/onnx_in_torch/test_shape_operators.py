"""Operators that make, change and take apart tensors do in torch what they do in ONNX Runtime."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, mutually_broadcastable_shapes
from numpy.typing import NDArray
from onnx import TensorProto, helper

pytest.importorskip("torch", reason="needs torch: pip install torch")

from selcon_ros.core.errors import BackendError
from support.onnx_graphs import (
    OPSETS,
    SEEDS,
    SHAPES,
    assert_alike,
    few,
    floats,
    in_torch,
    ints,
    model_of,
    node,
    signed,
    some_axes,
)


@few
@given(shape=SHAPES, seed=SEEDS, data=st.data(), opset=OPSETS)
def test_shapes_changed(shape: tuple[int, ...], seed: int, data: st.DataObject, opset: int) -> None:
    x, rank = floats(shape, seed), len(shape)
    order = data.draw(st.permutations(range(rank)))
    assert_alike(node("Transpose", ["x"], ["y"], perm=order), {"x": x}, opset=opset)
    assert_alike(node("Transpose", ["x"], ["y"]), {"x": x}, opset=opset)
    sizes = list(shape)
    sizes[data.draw(st.integers(0, rank - 1))] = data.draw(st.sampled_from([0, -1]))
    assert_alike(node("Reshape", ["x", "s"], ["y"]), {"x": x}, {"s": ints(*sizes)}, opset=opset)
    assert_alike(node("Reshape", ["x", "s"], ["y"]), {"x": x}, {"s": ints(-1)}, opset=opset)


def test_reshape_may_take_zeros_as_they_are() -> None:
    x = np.zeros((0, 3), np.float32)
    assert_alike(node("Reshape", ["x", "s"], ["y"], allowzero=1), {"x": x}, {"s": ints(3, 0)})


@few
@given(shape=SHAPES, seed=SEEDS, data=st.data(), opset=OPSETS)
def test_squeeze_and_unsqueeze(shape: tuple[int, ...], seed: int, data: st.DataObject, opset: int) -> None:
    x = floats(shape, seed)
    count = data.draw(st.integers(1, 2))
    rank = len(shape) + count
    axes = data.draw(st.lists(st.integers(0, rank - 1), min_size=count, max_size=count, unique=True))
    axes = [signed(data, axis, rank) for axis in axes]
    nodes = [node("Unsqueeze", ["x", "a"], ["wide"]), node("Squeeze", ["wide", "a"], ["y"])]
    constants = {"a": ints(*axes)}
    assert_alike(nodes, {"x": x}, constants, outputs=("wide", "y"), opset=opset)
    assert_alike([nodes[0], node("Squeeze", ["wide"], ["y"])], {"x": x}, constants, opset=opset)


def test_what_is_not_of_size_1_is_not_squeezed() -> None:
    model = model_of([node("Squeeze", ["x", "a"], ["y"])], {"x": np.zeros((1, 2))}, {"a": ints(-1)})
    with pytest.raises(BackendError, match=r"\(Squeeze\) fails in torch: axes \[1\] of \(1, 2\)"):
        in_torch(model, {"x": np.zeros((1, 2))})


@few
@given(shapes=mutually_broadcastable_shapes(num_shapes=2, min_dims=1, max_dims=4), seed=SEEDS)
def test_expand(shapes: Any, seed: int) -> None:
    own, wanted = shapes.input_shapes
    assert_alike(node("Expand", ["x", "s"], ["y"]), {"x": floats(own, seed)}, {"s": ints(*wanted)})


@few
@given(shape=SHAPES, data=st.data())
def test_shape_and_constant_of_shape(shape: tuple[int, ...], data: st.DataObject) -> None:
    start, end = (data.draw(st.integers(-5, 5)) for _ in range(2))
    value = data.draw(st.sampled_from([np.array([7], np.int64), np.array([0.5], np.float32), None]))
    more = {} if value is None else {"value": helper.make_tensor("v", *typed(value))}
    assert_alike(
        [
            node("Shape", ["x"], ["s"], start=start, end=end),
            node("Shape", ["x"], ["all"]),
            node("ConstantOfShape", ["all"], ["y"], **more),
        ],
        {"x": floats(shape, 0)},
        outputs=("s", "all", "y"),
    )


def typed(value: NDArray[Any]) -> tuple[int, tuple[int, ...], NDArray[Any]]:
    return helper.np_dtype_to_tensor_dtype(value.dtype), value.shape, value


@pytest.mark.parametrize(
    "attribute",
    [
        {"value_int": 3},
        {"value_ints": [1, -2]},
        {"value_float": 0.5},
        {"value_floats": [0.5, 1e-3]},
        {"value": helper.make_tensor("v", TensorProto.FLOAT16, [2], np.array([1, 2], np.float16))},
    ],
)
def test_constant(attribute: dict[str, Any]) -> None:
    nodes = [node("Constant", [], ["y"], **attribute), node("Identity", ["x"], ["z"])]
    assert_alike(nodes, {"x": floats((2,), 0)}, outputs=("y", "z"))


@few
@given(shape=SHAPES, seed=SEEDS, data=st.data(), opset=OPSETS)
def test_concat_and_split(shape: tuple[int, ...], seed: int, data: st.DataObject, opset: int) -> None:
    place = data.draw(st.integers(0, len(shape) - 1))
    axis = signed(data, place, len(shape))
    others = list(shape)
    others[place] = data.draw(st.integers(1, 4))
    whole = shape[place] + others[place]
    nodes = [
        node("Concat", ["x", "z"], ["joined"], axis=axis),
        node("Split", ["joined", "sizes"], ["a", "b"], axis=axis),
        node("Split", ["double"], ["c", "d"], axis=axis, **({"num_outputs": 2} if opset >= 18 else {})),
        node("Concat", ["joined", "joined"], ["double"], axis=axis),
    ]
    first = data.draw(st.integers(0, whole))
    inputs = {"x": floats(shape, seed), "z": floats(tuple(others), seed + 1)}
    outputs = ("joined", "a", "b", "c", "d")
    assert_alike(nodes, inputs, {"sizes": ints(first, whole - first)}, outputs=outputs, opset=opset)


def test_split_into_parts_of_which_the_last_is_smaller() -> None:
    split = node("Split", ["x"], ["a", "b", "c"], num_outputs=3)
    assert_alike(split, {"x": floats((7, 2), 0)}, outputs=("a", "b", "c"), opset=18)


@few
@given(shape=SHAPES, seed=SEEDS, data=st.data())
def test_slice(shape: tuple[int, ...], seed: int, data: st.DataObject) -> None:
    axes = some_axes(data, len(shape), least=1)
    # Not the largest integer: as an end ONNX Runtime takes it for "all", even backwards.
    number = st.one_of(st.integers(-7, 7), st.sampled_from([2**62, -(2**62)]))
    starts, ends = ([data.draw(number) for _ in axes] for _ in range(2))
    steps = [data.draw(st.sampled_from([1, 2, 3, -1, -2])) for _ in axes]
    constants = {"s": ints(*starts), "e": ints(*ends), "a": ints(*axes), "t": ints(*steps)}
    assert_alike(node("Slice", ["x", "s", "e", "a", "t"], ["y"]), {"x": floats(shape, seed)}, constants)
    del constants["t"]
    assert_alike(node("Slice", ["x", "s", "e", "a"], ["y"]), {"x": floats(shape, seed)}, constants)
    del constants["a"]
    assert_alike(node("Slice", ["x", "s", "e"], ["y"]), {"x": floats(shape, seed)}, constants)


def test_a_slice_backwards_may_start_before_the_first() -> None:
    constants = {"s": ints(-9), "e": ints(-(2**62)), "a": ints(0), "t": ints(-1)}
    assert_alike(node("Slice", ["x", "s", "e", "a", "t"], ["y"]), {"x": floats((4,), 0)}, constants)


@few
@given(shape=SHAPES, of_indices=array_shapes(min_dims=0, max_dims=2, max_side=3), seed=SEEDS, data=st.data())
def test_gather(shape: tuple[int, ...], of_indices: tuple[int, ...], seed: int, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(shape) - 1))
    indices = np.random.default_rng(seed).integers(-shape[place], shape[place], of_indices)
    gather = node("Gather", ["x", "i"], ["y"], axis=signed(data, place, len(shape)))
    assert_alike(gather, {"x": floats(shape, seed)}, {"i": np.asarray(indices)})
    assert_alike(gather, {"x": floats(shape, seed), "i": np.asarray(indices, np.int32)})


@pytest.mark.parametrize("kind", [np.int64, np.int32, np.float32])
@few
@given(start=st.integers(-5, 5), limit=st.integers(-5, 20), step=st.sampled_from([1, 2, 3, -1, -2]))
def test_range(kind: type, start: int, limit: int, step: int) -> None:
    constants = {name: np.array(value, kind) for name, value in (("a", start), ("b", limit), ("c", step))}
    nodes = [node("Range", ["a", "b", "c"], ["y"]), node("Identity", ["x"], ["z"])]
    assert_alike(nodes, {"x": floats((1,), 0)}, constants, outputs=("y", "z"))
