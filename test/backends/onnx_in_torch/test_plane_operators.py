"""Convolutions, pools, padding and resizing do in torch what they do in ONNX Runtime."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes

pytest.importorskip("torch", reason="needs torch: pip install torch")

from support.onnx_graphs import OPSETS, SEEDS, SHAPES, assert_alike, few, floats, ints, node


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
