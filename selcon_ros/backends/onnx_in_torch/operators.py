"""ONNX operators that compute with values, in torch, and the table of all that vision transformers need."""

from collections.abc import Callable
from functools import partial, reduce

import torch
from torch import Tensor
from torch.nn import functional

from selcon_ros.backends.onnx_in_torch import plane_operators, shape_operators
from selcon_ros.backends.onnx_in_torch.registry import Attributes, Operator, Operators

OPERATORS = Operators(shape_operators.OPERATORS | plane_operators.OPERATORS)


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


@OPERATORS.enter("Div")
def _div(_: Attributes, a: Tensor, b: Tensor) -> Tensor:
    return torch.div(a, b, rounding_mode=None if a.is_floating_point() else "trunc")


@OPERATORS.enter("Pow")
def _pow(_: Attributes, base: Tensor, exponent: Tensor) -> Tensor:
    return torch.pow(base, exponent).to(base.dtype)  # here types may differ: the result has the base's


@OPERATORS.enter("Clip")
def _clip(_: Attributes, x: Tensor, low: Tensor | None = None, high: Tensor | None = None) -> Tensor:
    return x if low is None and high is None else torch.clamp(x, low, high)


@OPERATORS.enter("Cast")
def _cast(attributes: Attributes, x: Tensor) -> Tensor:
    return x.to(attributes["to"])


@OPERATORS.enter("Gemm")
def _gemm(attributes: Attributes, a: Tensor, b: Tensor, c: Tensor | None = None) -> Tensor:
    left, right = a.T if attributes.get("transA") else a, b.T if attributes.get("transB") else b
    product = torch.matmul(left, right).mul(attributes.get("alpha", 1.0))
    return product if c is None else product.add(c, alpha=attributes.get("beta", 1.0))


@OPERATORS.enter("Einsum")
def _einsum(attributes: Attributes, *inputs: Tensor) -> Tensor:
    return torch.einsum(attributes["equation"], *inputs)


@OPERATORS.enter("Softmax")
def _softmax(attributes: Attributes, x: Tensor) -> Tensor:
    return torch.softmax(x, attributes.get("axis", -1))


@OPERATORS.enter("LayerNormalization")
def _layer_norm(attributes: Attributes, x: Tensor, scale: Tensor, bias: Tensor | None = None) -> Tensor:
    shape = x.shape[attributes.get("axis", -1) :]
    epsilon = attributes.get("epsilon", 1e-5)
    # ONNX broadcasts scale and bias, torch takes them in the full shape.
    return functional.layer_norm(
        x, shape, scale.expand(shape), None if bias is None else bias.expand(shape), epsilon
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
