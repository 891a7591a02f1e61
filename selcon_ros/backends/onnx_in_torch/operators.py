"""What each ONNX operator does, in torch: opsets 13 to 21, the operators that vision transformers need.

A function takes the node's attributes and its inputs in order (None: left out) and returns the output, or a
tuple of them. ONNX does not mix types within an operator, so torch's type promotion never comes in.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial, reduce
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

OPSETS = range(13, 22)

Attributes = Mapping[str, Any]
Output = Tensor | tuple[Tensor, ...]


class Operator(NamedTuple):
    """`on_host`: positions of inputs that say how to compute, such as shapes; they come as CPU tensors."""

    compute: Callable[..., Output]
    on_host: tuple[int, ...] = ()


OPERATORS: dict[str, Operator] = {}


def _operator(name: str, *on_host: int) -> Callable[[Callable[..., Output]], Callable[..., Output]]:
    def add(compute: Callable[..., Output]) -> Callable[..., Output]:
        OPERATORS[name] = Operator(compute, on_host)
        return compute

    return add


def _plain(function: Callable[..., Tensor], _: Attributes, *inputs: Tensor) -> Tensor:
    return function(*inputs)


_PLAIN: dict[str, Callable[..., Tensor]] = {
    "Add": torch.add,
    "Sub": torch.sub,
    "Mul": torch.mul,
    "MatMul": torch.matmul,
    "Neg": torch.neg,
    "Sqrt": torch.sqrt,
    "Erf": torch.erf,
    "Round": torch.round,
    "Relu": torch.relu,
    "Sigmoid": torch.sigmoid,
    "Tanh": torch.tanh,
    "Equal": torch.eq,
    "Where": torch.where,
    "Identity": lambda x: x,
    "Max": lambda *inputs: reduce(torch.maximum, inputs),
    "Min": lambda *inputs: reduce(torch.minimum, inputs),
}
OPERATORS |= {name: Operator(partial(_plain, function)) for name, function in _PLAIN.items()}


@_operator("Div")
def _div(_: Attributes, a: Tensor, b: Tensor) -> Tensor:
    return torch.div(a, b, rounding_mode=None if a.is_floating_point() else "trunc")


@_operator("Pow")
def _pow(_: Attributes, base: Tensor, exponent: Tensor) -> Tensor:
    return torch.pow(base, exponent).to(base.dtype)  # here types may differ: the result has the base's


@_operator("Clip")
def _clip(_: Attributes, x: Tensor, low: Tensor | None = None, high: Tensor | None = None) -> Tensor:
    return x if low is None and high is None else torch.clamp(x, low, high)


@_operator("Cast")
def _cast(attributes: Attributes, x: Tensor) -> Tensor:
    return x.to(attributes["to"])


@_operator("Constant")
def _constant(attributes: Attributes) -> Tensor:
    (value,) = attributes.values()
    return cast(Tensor, value)


@_operator("Shape")
def _shape(attributes: Attributes, x: Tensor) -> Tensor:
    return torch.tensor(x.shape[attributes.get("start") : attributes.get("end")], dtype=torch.int64)


@_operator("ConstantOfShape", 0)
def _constant_of_shape(attributes: Attributes, shape: Tensor) -> Tensor:
    value = cast(Tensor, attributes.get("value", torch.zeros(1)))
    return value.reshape(()).expand(shape.tolist()).clone()


@_operator("Range", 0, 1, 2)
def _range(_: Attributes, start: Tensor, limit: Tensor, delta: Tensor) -> Tensor:
    count = max(0, math.ceil((limit.item() - start.item()) / delta.item()))
    return torch.arange(count).to(start.dtype) * delta + start


@_operator("Expand", 1)
def _expand(_: Attributes, x: Tensor, shape: Tensor) -> Tensor:
    return x.expand(np.broadcast_shapes(tuple(x.shape), tuple(shape.tolist())))


@_operator("Reshape", 1)
def _reshape(attributes: Attributes, x: Tensor, shape: Tensor) -> Tensor:
    sizes = shape.tolist()
    if not attributes.get("allowzero"):
        sizes = [size or x.shape[axis] for axis, size in enumerate(sizes)]
    return x.reshape(sizes)


@_operator("Transpose")
def _transpose(attributes: Attributes, x: Tensor) -> Tensor:
    return x.permute(attributes.get("perm", tuple(reversed(range(x.ndim)))))


@_operator("Squeeze", 1)
def _squeeze(_: Attributes, x: Tensor, axes: Tensor | None = None) -> Tensor:
    if axes is None:
        return x.squeeze()
    chosen = {axis % x.ndim for axis in axes.tolist()}
    if any(x.shape[axis] != 1 for axis in chosen):
        raise ValueError(f"axes {sorted(chosen)} of {tuple(x.shape)} are not all of size 1")
    return x.squeeze(tuple(chosen))


@_operator("Unsqueeze", 1)
def _unsqueeze(_: Attributes, x: Tensor, axes: Tensor) -> Tensor:
    rank = x.ndim + axes.numel()
    for axis in sorted(axis % rank for axis in axes.tolist()):
        x = x.unsqueeze(axis)
    return x


@_operator("Concat")
def _concat(attributes: Attributes, *inputs: Tensor) -> Tensor:
    return torch.cat(inputs, attributes["axis"])


@_operator("Split", 1)
def _split(attributes: Attributes, x: Tensor, sizes: Tensor | None = None) -> Output:
    axis = attributes.get("axis", 0)
    if sizes is not None:
        return torch.split(x, sizes.tolist(), axis)
    count = attributes["num_outputs"]
    each = -(-x.shape[axis] // count)
    return torch.split(x, [each] * (count - 1) + [x.shape[axis] - each * (count - 1)], axis)


@_operator("Slice", 1, 2, 3, 4)
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


@_operator("Gather")
def _gather(attributes: Attributes, x: Tensor, indices: Tensor) -> Tensor:
    axis: int = attributes.get("axis", 0) % x.ndim
    flat = indices.reshape(-1)
    flat = torch.where(flat < 0, flat + x.shape[axis], flat)
    return x.index_select(axis, flat).reshape([*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]])


@_operator("Gemm")
def _gemm(attributes: Attributes, a: Tensor, b: Tensor, c: Tensor | None = None) -> Tensor:
    left, right = a.T if attributes.get("transA") else a, b.T if attributes.get("transB") else b
    product = torch.matmul(left, right).mul(attributes.get("alpha", 1.0))
    return product if c is None else product.add(c, alpha=attributes.get("beta", 1.0))


@_operator("Einsum")
def _einsum(attributes: Attributes, *inputs: Tensor) -> Tensor:
    return torch.einsum(attributes["equation"], *inputs)


@_operator("Softmax")
def _softmax(attributes: Attributes, x: Tensor) -> Tensor:
    return torch.softmax(x, attributes.get("axis", -1))


@_operator("LayerNormalization")
def _layer_norm(attributes: Attributes, x: Tensor, scale: Tensor, bias: Tensor | None = None) -> Tensor:
    shape = x.shape[attributes.get("axis", -1) :]
    epsilon = attributes.get("epsilon", 1e-5)
    # ONNX broadcasts scale and bias, torch takes them in the full shape.
    return functional.layer_norm(
        x, shape, scale.expand(shape), None if bias is None else bias.expand(shape), epsilon
    )


def _pads(attributes: Attributes, axes: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the padding at the beginning of each axis, and at its end."""
    if attributes.get("auto_pad", "NOTSET") != "NOTSET":
        raise NotImplementedError(f"auto_pad {attributes['auto_pad']}")
    pads = tuple(attributes.get("pads", [0] * 2 * axes))
    return pads[:axes], pads[axes:]


def _padded(x: Tensor, before: Sequence[int], after: Sequence[int], value: float = 0.0) -> Tensor:
    """Pad the last axes of a tensor."""
    # ONNX: all begins, then all ends; torch: both of an axis, the last axis first.
    both = [each for pair in zip(reversed(before), reversed(after), strict=True) for each in pair]
    return functional.pad(x, both, value=value)


@_operator("Conv")
def _conv(attributes: Attributes, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    axes = x.ndim - 2
    convolve = {1: functional.conv1d, 2: functional.conv2d}[axes]
    before, after = _pads(attributes, axes)
    if before != after:  # torch pads both ends alike
        x, before = _padded(x, before, after), (0,) * axes
    return convolve(
        x,
        weight,
        bias,
        stride=attributes.get("strides", [1] * axes),
        padding=before,
        dilation=attributes.get("dilations", [1] * axes),
        groups=attributes.get("group", 1),
    )


@_operator("AveragePool")
def _average_pool(attributes: Attributes, x: Tensor) -> Tensor:
    if x.ndim != 4 or attributes.get("ceil_mode") or {*attributes.get("dilations", [1])} != {1}:
        raise NotImplementedError("it pools planes, without ceil_mode and dilations")
    before, after = _pads(attributes, 2)
    if before != after:
        raise NotImplementedError(f"pads {before + after}, which differ between the ends of an axis")
    return functional.avg_pool2d(
        x,
        attributes["kernel_shape"],
        attributes.get("strides", [1, 1]),
        before,
        count_include_pad=bool(attributes.get("count_include_pad")),
    )


def _reduction(
    function: Callable[..., Tensor], attributes: Attributes, x: Tensor, axes: Tensor | None = None
) -> Tensor:
    """Axes are an attribute in older opsets, an input in newer ones."""
    chosen = attributes.get("axes", []) if axes is None else axes.tolist()
    if not chosen and attributes.get("noop_with_empty_axes"):
        raise NotImplementedError("noop_with_empty_axes")
    return function(x, dim=tuple(chosen or range(x.ndim)), keepdim=bool(attributes.get("keepdims", 1)))


_REDUCTIONS: dict[str, Callable[..., Tensor]] = {
    "ReduceMax": torch.amax,
    "ReduceMin": torch.amin,
    "ReduceMean": torch.mean,
    # Said so, the type stays: torch sums up small integers as large ones.
    "ReduceSum": lambda x, **axes: torch.sum(x, dtype=x.dtype, **axes),
    "ReduceL2": lambda x, **axes: torch.linalg.vector_norm(x, **axes),
}
OPERATORS |= {name: Operator(partial(_reduction, function), (1,)) for name, function in _REDUCTIONS.items()}


@_operator("DepthToSpace")
def _depth_to_space(attributes: Attributes, x: Tensor) -> Tensor:
    size = attributes["blocksize"]
    if attributes.get("mode", "DCR") == "CRD":
        return functional.pixel_shuffle(x, size)
    n, depth, height, width = x.shape
    blocks = x.reshape(n, size, size, depth // size**2, height, width)
    return blocks.permute(0, 3, 4, 1, 5, 2).reshape(n, depth // size**2, height * size, width * size)


@_operator("Pad", 1, 2, 3)
def _pad(
    attributes: Attributes,
    x: Tensor,
    pads: Tensor,
    value: Tensor | None = None,
    axes: Tensor | None = None,
) -> Tensor:
    mode = attributes.get("mode", "constant")
    if mode != "constant" or axes is not None:
        raise NotImplementedError(f"mode {mode}, axes {None if axes is None else axes.tolist()}")
    before, after = pads.reshape(2, -1).tolist()
    return _padded(x, before, after, 0.0 if value is None or not value.numel() else value.item())


@_operator("Resize", 1, 2, 3)
def _resize(
    attributes: Attributes,
    x: Tensor,
    roi: Tensor | None = None,
    scales: Tensor | None = None,
    sizes: Tensor | None = None,
) -> Tensor:
    usual = {
        "mode": "linear",
        "coordinate_transformation_mode": "half_pixel",
        "antialias": 0,
        "exclude_outside": 0,
        "axes": None,
        "keep_aspect_ratio_policy": "stretch",
    }
    # As graphs of torch enlarge by whole numbers. What else there is, is about other modes.
    repeating = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    nearest = all(attributes.get(key) == value for key, value in repeating.items())
    if nearest:
        usual |= repeating
    other = {key: attributes[key] for key, value in usual.items() if attributes.get(key, value) != value}
    # Left out, the mode is nearest, rounded otherwise.
    if other or "mode" not in attributes or x.ndim != 4:
        raise NotImplementedError(f"{other or 'what is no plane, linearly'}")
    if sizes is not None and sizes.numel():
        wanted = sizes.tolist()
    else:
        assert scales is not None
        wanted = [int(size * scale) for size, scale in zip(x.shape, scales.tolist(), strict=True)]
        if any(new != old * scale for new, old, scale in zip(wanted, x.shape, scales.tolist(), strict=True)):
            raise NotImplementedError(f"scales {scales.tolist()} that give no whole sizes of {x.shape}")
    if wanted[:2] != list(x.shape[:2]):
        raise NotImplementedError(f"another number of images or channels, {wanted}")
    if not nearest:
        return functional.interpolate(x, size=wanted[2:], mode="bilinear", align_corners=False)
    if any(new % old for new, old in zip(wanted, x.shape, strict=True)):
        raise NotImplementedError(f"nearest pixels of {list(x.shape)} at {wanted}, no whole multiples")
    down, right = (new // old for new, old in zip(wanted[2:], x.shape[2:], strict=True))
    return x.repeat_interleave(down, 2).repeat_interleave(right, 3)
