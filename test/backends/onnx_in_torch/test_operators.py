"""Every operator does in torch what it does in ONNX Runtime."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import mutually_broadcastable_shapes
from onnx import TensorProto

pytest.importorskip("torch", reason="needs torch: pip install torch")

from selcon_ros.backends.onnx_in_torch.operators import OPERATORS
from selcon_ros.backends.onnx_in_torch.parsing import parse
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
    files = Path(__file__).parent.glob("test_*operators.py")
    text = "".join(file.read_text(encoding="utf-8") for file in files)
    assert [name for name in OPERATORS if f'"{name}"' not in text] == []
