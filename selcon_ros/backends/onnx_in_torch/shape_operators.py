"""ONNX operators that make tensors and shapes, and take tensors apart and together, in torch."""

import math
from typing import cast

import numpy as np
import torch
from torch import Tensor

from selcon_ros.backends.onnx_in_torch.registry import Attributes, Operators, Output

OPERATORS = Operators()


@OPERATORS.enter("Constant")
def _constant(attributes: Attributes) -> Tensor:
    (value,) = attributes.values()
    return cast(Tensor, value)


@OPERATORS.enter("Shape")
def _shape(attributes: Attributes, x: Tensor) -> Tensor:
    return torch.tensor(x.shape[attributes.get("start") : attributes.get("end")], dtype=torch.int64)


@OPERATORS.enter("ConstantOfShape", 0)
def _constant_of_shape(attributes: Attributes, shape: Tensor) -> Tensor:
    value = cast(Tensor, attributes.get("value", torch.zeros(1)))
    return value.reshape(()).expand(shape.tolist()).clone()


@OPERATORS.enter("Range", 0, 1, 2)
def _range(_: Attributes, start: Tensor, limit: Tensor, delta: Tensor) -> Tensor:
    count = max(0, math.ceil((limit.item() - start.item()) / delta.item()))
    return torch.arange(count).to(start.dtype) * delta + start


@OPERATORS.enter("Expand", 1)
def _expand(_: Attributes, x: Tensor, shape: Tensor) -> Tensor:
    return x.expand(np.broadcast_shapes(tuple(x.shape), tuple(shape.tolist())))


@OPERATORS.enter("Reshape", 1)
def _reshape(attributes: Attributes, x: Tensor, shape: Tensor) -> Tensor:
    sizes = shape.tolist()
    if not attributes.get("allowzero"):
        sizes = [size or x.shape[axis] for axis, size in enumerate(sizes)]
    return x.reshape(sizes)


@OPERATORS.enter("Transpose")
def _transpose(attributes: Attributes, x: Tensor) -> Tensor:
    return x.permute(attributes.get("perm", tuple(reversed(range(x.ndim)))))


@OPERATORS.enter("Squeeze", 1)
def _squeeze(_: Attributes, x: Tensor, axes: Tensor | None = None) -> Tensor:
    if axes is None:
        return x.squeeze()
    chosen = {axis % x.ndim for axis in axes.tolist()}
    if any(x.shape[axis] != 1 for axis in chosen):
        raise ValueError(f"axes {sorted(chosen)} of {tuple(x.shape)} are not all of size 1")
    return x.squeeze(tuple(chosen))


@OPERATORS.enter("Unsqueeze", 1)
def _unsqueeze(_: Attributes, x: Tensor, axes: Tensor) -> Tensor:
    rank = x.ndim + axes.numel()
    for axis in sorted(axis % rank for axis in axes.tolist()):
        x = x.unsqueeze(axis)
    return x


@OPERATORS.enter("Concat")
def _concat(attributes: Attributes, *inputs: Tensor) -> Tensor:
    return torch.cat(inputs, attributes["axis"])


@OPERATORS.enter("Split", 1)
def _split(attributes: Attributes, x: Tensor, sizes: Tensor | None = None) -> Output:
    axis = attributes.get("axis", 0)
    if sizes is not None:
        return torch.split(x, sizes.tolist(), axis)
    count = attributes["num_outputs"]
    each = -(-x.shape[axis] // count)
    return torch.split(x, [each] * (count - 1) + [x.shape[axis] - each * (count - 1)], axis)


@OPERATORS.enter("Slice", 1, 2, 3, 4)
def _slice(
    _: Attributes,
    x: Tensor,
    starts: Tensor,
    ends: Tensor,
    axes: Tensor | None = None,
    steps: Tensor | None = None,
) -> Tensor:
    chosen = range(starts.numel()) if axes is None else axes.tolist()
    strides = [1] * starts.numel() if steps is None else steps.tolist()
    for start, end, axis, step in zip(starts.tolist(), ends.tolist(), chosen, strides, strict=True):
        size = x.shape[axis]
        # As Python slices, but that a start before the first element is the first element.
        taken = range(size)[max(start, -size) if step < 0 else start : end : step]
        if step < 0:  # torch has no negative steps: turned round, the same elements are taken forwards
            x = x.flip(axis)
            taken = range(size - 1 - taken.start, size - 1 - taken.stop, -step)
        index = [slice(None)] * x.ndim
        index[axis] = slice(taken.start, taken.stop, taken.step)
        x = x[tuple(index)]
    return x


@OPERATORS.enter("Gather")
def _gather(attributes: Attributes, x: Tensor, indices: Tensor) -> Tensor:
    axis: int = attributes.get("axis", 0) % x.ndim
    flat = indices.reshape(-1)
    flat = torch.where(flat < 0, flat + x.shape[axis], flat)
    return x.index_select(axis, flat).reshape([*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]])
