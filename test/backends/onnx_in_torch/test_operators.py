"""Every operator does in torch what it does in ONNX Runtime."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, mutually_broadcastable_shapes
from numpy.typing import NDArray
from onnx import TensorProto, helper

pytest.importorskip("torch", reason="needs torch: pip install torch")

from selcon_ros.backends.onnx_in_torch.operators import OPERATORS
from selcon_ros.backends.onnx_in_torch.parsing import parse
from selcon_ros.core.errors import BackendError
from support.onnx_graphs import assert_alike, in_torch, model_of

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


@pytest.mark.parametrize("kind", ["Neg", "Erf", "Round", "Relu", "Sigmoid", "Tanh", "Identity"])
@few
@given(shape=SHAPES, seed=SEEDS, opset=OPSETS)
def test_of_one(kind: str, shape: tuple[int, ...], seed: int, opset: int) -> None:
    assert_alike(node(kind, ["x"], ["y"]), {"x": floats(shape, seed)}, opset=opset)


@few
@given(shape=SHAPES, seed=SEEDS)
def test_roots_and_powers(shape: tuple[int, ...], seed: int) -> None:
    x = np.abs(floats(shape, seed)) + np.float32(0.1)
    assert_alike(node("Sqrt", ["x"], ["y"]), {"x": x})
    for exponent in (np.float32(2), np.array([0.5], np.float32), np.array(3, np.int64), np.array([2.0])):
        assert_alike(node("Pow", ["x", "e"], ["y"]), {"x": x}, {"e": np.asarray(exponent)})


@pytest.mark.parametrize("kind", ["Add", "Sub", "Mul", "Div", "Max", "Min", "Equal"])
@pytest.mark.parametrize("whole", [False, True])
@few
@given(shapes=mutually_broadcastable_shapes(num_shapes=2, max_dims=4, max_side=4), seed=SEEDS)
def test_of_two(kind: str, whole: bool, shapes: Any, seed: int) -> None:
    a, b = (floats(shape, seed + index) for index, shape in enumerate(shapes.input_shapes))
    if whole:
        a, b = (10 * a).astype(np.int64), (3 * b).astype(np.int64)
    if kind == "Equal":
        a, b = np.round(a), np.round(b)
    b = np.where(b == 0, b.dtype.type(1), b)
    assert_alike(node(kind, ["a", "b"], ["y"]), {"a": a, "b": b})


@few
@given(shapes=mutually_broadcastable_shapes(num_shapes=3, max_dims=4, max_side=4), seed=SEEDS)
def test_where(shapes: Any, seed: int) -> None:
    which, a, b = (floats(shape, seed + index) for index, shape in enumerate(shapes.input_shapes))
    assert_alike(node("Where", ["c", "a", "b"], ["y"]), {"c": which > 0, "a": a, "b": b})


@pytest.mark.parametrize("bounds", [(-1, 1), (None, 1), (-1, None), (None, None), (1, -1)])
@few
@given(shape=SHAPES, seed=SEEDS)
def test_clip(bounds: tuple[float | None, float | None], shape: tuple[int, ...], seed: int) -> None:
    constants = {
        name: np.array(bound, np.float32)
        for name, bound in zip(("low", "high"), bounds, strict=True)
        if bound is not None
    }
    names = [name if name in constants else "" for name in ("low", "high")]
    assert_alike(node("Clip", ["x", *names], ["y"]), {"x": floats(shape, seed)}, constants)


@pytest.mark.parametrize(
    "given_as", [np.float32, np.float64, np.float16, np.int64, np.int32, np.uint8, np.bool_]
)
@pytest.mark.parametrize("wanted", ["FLOAT", "DOUBLE", "FLOAT16", "INT64", "INT32", "BOOL"])
def test_cast(given_as: type, wanted: str) -> None:
    x = np.array([[0, 1, 2, 100]]).astype(given_as)
    if issubclass(given_as, np.floating):
        x = np.array([[-2.7, -0.5, 0.0, 0.5, 3.9]], given_as)
    assert_alike(node("Cast", ["x"], ["y"], to=getattr(TensorProto, wanted)), {"x": x})


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


@pytest.mark.parametrize("kind", ["ReduceMax", "ReduceMin", "ReduceMean", "ReduceSum", "ReduceL2"])
@few
@given(shape=SHAPES, seed=SEEDS, data=st.data(), opset=OPSETS, kept=st.sampled_from([{}, {"keepdims": 0}]))
def test_reductions(
    kind: str, shape: tuple[int, ...], seed: int, data: st.DataObject, opset: int, kept: dict[str, int]
) -> None:
    axes, x = some_axes(data, len(shape)), {"x": floats(shape, seed)}
    if opset >= 18 or kind == "ReduceSum":  # axes are an input
        assert_alike(node(kind, ["x", "a"], ["y"], **kept), x, {"a": ints(*axes)}, opset=opset)
        assert_alike(node(kind, ["x"], ["y"], **kept), x, opset=opset)
    else:
        assert_alike(node(kind, ["x"], ["y"], **kept, **({"axes": axes} if axes else {})), x, opset=opset)


def test_sums_keep_their_type() -> None:
    x = np.arange(6, dtype=np.int32).reshape(2, 3)
    assert_alike(node("ReduceSum", ["x", "a"], ["y"]), {"x": x}, {"a": ints(-1)})


@few
@given(batch=mutually_broadcastable_shapes(num_shapes=2, max_dims=2, max_side=3), seed=SEEDS, data=st.data())
def test_products(batch: Any, seed: int, data: st.DataObject) -> None:
    n, k, m = (data.draw(st.integers(1, 5)) for _ in range(3))
    first, second = batch.input_shapes
    inputs = {"a": floats((*first, n, k), seed), "b": floats((*second, k, m), seed + 1)}
    assert_alike(node("MatMul", ["a", "b"], ["y"]), inputs)
    turned = {"transA": data.draw(st.integers(0, 1)), "transB": data.draw(st.integers(0, 1))}
    a, b = floats((n, k), seed), floats((k, m), seed + 1)
    inputs = {"a": a.T if turned["transA"] else a, "b": b.T if turned["transB"] else b, "c": floats((m,), 2)}
    scales = data.draw(st.sampled_from([{}, {"alpha": 0.5, "beta": 2.0}]))
    assert_alike(node("Gemm", ["a", "b", "c"], ["y"], **turned, **scales), inputs)
    del inputs["c"]
    assert_alike(node("Gemm", ["a", "b"], ["y"], **turned, **scales), inputs)


@pytest.mark.parametrize("equation", ["bij,bkj->bik", "...ij,...kj -> ...k", "bij,bij"])
def test_einsum(equation: str) -> None:
    inputs = {"a": floats((2, 3, 4), 0), "b": floats((2, 3, 4), 1)}
    assert_alike(node("Einsum", ["a", "b"], ["y"], equation=equation), inputs)


@few
@given(shape=SHAPES, seed=SEEDS, data=st.data())
def test_softmax_and_layer_normalization(shape: tuple[int, ...], seed: int, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(shape) - 1))
    axis, x = signed(data, place, len(shape)), {"x": floats(shape, seed)}
    assert_alike(node("Softmax", ["x"], ["y"], axis=axis), x)
    assert_alike(node("Softmax", ["x"], ["y"]), x)
    constants = {"s": floats(shape[place:], seed + 1), "b": floats(shape[place:], seed + 2)}
    norm = node("LayerNormalization", ["x", "s", "b"], ["y"], axis=axis, epsilon=1e-3)
    assert_alike(norm, x, constants)
    del constants["b"]
    assert_alike(node("LayerNormalization", ["x", "s"], ["y"], axis=axis), x, constants)


@few
@given(seed=SEEDS, data=st.data())
def test_convolutions_and_pools(seed: int, data: st.DataObject) -> None:
    axes, groups = data.draw(st.integers(1, 2)), data.draw(st.sampled_from([1, 2]))

    def each(low: int, high: int) -> list[int]:
        return [data.draw(st.integers(low, high)) for _ in range(axes)]

    kernel, pads = each(1, 3), each(0, 1)
    options = {"strides": each(1, 3), "pads": pads * 2}
    inputs = {"x": floats((2, 4, *each(6, 9)), seed), "w": floats((6, 4 // groups, *kernel), seed + 1)}
    more = {"group": groups, "dilations": each(1, 2)}
    assert_alike(node("Conv", ["x", "w"], ["y"], **options, **more), inputs)
    uneven = options | {"pads": pads + each(0, 2)}
    assert_alike(node("Conv", ["x", "w"], ["y"], **uneven, **more), inputs)
    assert_alike(node("Conv", ["x", "w", "b"], ["y"], group=groups), inputs | {"b": floats((6,), 3)})
    if axes == 2:
        pads = [min(pad, size // 2) for pad, size in zip(pads, kernel, strict=True)]
        counted = data.draw(st.integers(0, 1))
        options |= {"pads": pads * 2, "kernel_shape": kernel, "count_include_pad": counted}
        assert_alike(node("AveragePool", ["x"], ["y"], **options), {"x": inputs["x"]})


@pytest.mark.parametrize("mode", [{}, {"mode": "CRD"}, {"mode": "DCR"}])
@few
@given(seed=SEEDS, size=st.integers(1, 3), shape=array_shapes(min_dims=4, max_dims=4, max_side=4))
def test_depth_to_space(mode: dict[str, str], seed: int, size: int, shape: tuple[int, ...]) -> None:
    x = floats((shape[0], shape[1] * size**2, *shape[2:]), seed)
    assert_alike(node("DepthToSpace", ["x"], ["y"], blocksize=size, **mode), {"x": x})


@few
@given(seed=SEEDS, shape=array_shapes(min_dims=4, max_dims=4, max_side=7), data=st.data(), opset=OPSETS)
def test_resize(seed: int, shape: tuple[int, ...], data: st.DataObject, opset: int) -> None:
    x = {"x": floats(shape, seed)}
    sizes = [*shape[:2], *(data.draw(st.integers(1, 12)) for _ in range(2))]
    resize = node("Resize", ["x", "", "", "s"], ["y"], mode="linear")
    assert_alike(resize, x, {"s": ints(*sizes)}, opset=opset)
    scales = np.array([1, 1, *data.draw(st.tuples(*[st.sampled_from([1, 2, 3])] * 2))], np.float32)
    assert_alike(node("Resize", ["x", "", "s"], ["y"], mode="linear"), x, {"s": scales}, opset=opset)
    repeating = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    nearest = node("Resize", ["x", "", "s"], ["y"], mode="nearest", **repeating)
    assert_alike(nearest, x, {"s": scales}, opset=opset)


@few
@given(seed=SEEDS, shape=SHAPES, data=st.data(), opset=OPSETS)
def test_pad(seed: int, shape: tuple[int, ...], data: st.DataObject, opset: int) -> None:
    x = {"x": floats(shape, seed)}
    pads = {"p": ints(*(data.draw(st.integers(0, 3)) for _ in range(2 * len(shape))))}
    assert_alike(node("Pad", ["x", "p"], ["y"]), x, pads, opset=opset)
    value = {"v": np.array(data.draw(st.sampled_from([0.0, -1.5])), np.float32)}
    assert_alike(node("Pad", ["x", "p", "v"], ["y"], mode="constant"), x, pads | value, opset=opset)


@pytest.mark.parametrize(
    ("refused", "constants", "message"),
    [
        (node("Resize", ["x", "", "", "s"], ["y"]), {"s": ints(1, 2, 8, 8)}, "linearly"),
        (node("Resize", ["x", "", "", "s"], ["y"], mode="cubic"), {"s": ints(1, 2, 8, 8)}, "cubic"),
        (node("Resize", ["x", "", "", "s"], ["y"], mode="linear"), {"s": ints(2, 2, 8, 8)}, "images"),
        (
            node("Resize", ["x", "", "s"], ["y"], mode="linear"),
            {"s": np.array([1, 1, 1.3, 1], np.float32)},
            "whole sizes",
        ),
        (
            node(
                "Resize",
                ["x", "", "", "s"],
                ["y"],
                mode="nearest",
                coordinate_transformation_mode="asymmetric",
                nearest_mode="floor",
            ),
            {"s": ints(1, 2, 6, 8)},
            "no whole multiples",
        ),
        (node("Pad", ["x", "p"], ["y"], mode="edge"), {"p": ints(0, 0, 1, 1, 0, 0, 1, 1)}, "mode edge"),
        (node("AveragePool", ["x"], ["y"], kernel_shape=[2, 2], pads=[0, 0, 1, 1]), {}, "differ"),
        (node("AveragePool", ["x"], ["y"], kernel_shape=[3, 3], ceil_mode=1), {}, "ceil_mode"),
        (node("ReduceSum", ["x"], ["y"], noop_with_empty_axes=1), {}, "noop"),
        (node("Conv", ["x", "w"], ["y"], auto_pad="SAME_UPPER"), {"w": floats((1, 2, 3, 3), 0)}, "auto_pad"),
    ],
)
def test_what_is_not_done_is_said(refused: Any, constants: dict[str, Any], message: str) -> None:
    x = {"x": floats((1, 2, 4, 4), 0)}
    with pytest.raises(BackendError, match=rf"node 'y' \({refused.op_type}\) fails in torch: .*{message}"):
        in_torch(model_of([refused], x, constants), x)


def test_an_older_or_newer_opset_is_refused() -> None:
    x = {"x": floats((2,), 0)}
    for opset in (12, 22):
        with pytest.raises(BackendError, match=f"opset is {opset}, it must be 13 to 21"):
            parse(model_of([node("Relu", ["x"], ["y"])], x, opset=opset), "the graph")


def test_every_operator_is_compared() -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    assert [name for name in OPERATORS if f'"{name}"' not in text] == []
