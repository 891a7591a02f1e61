"""Convolutions with TensorFlow's padding that export to a lean graph."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from timm.layers.conv2d_same import Conv2dSame
from timm.layers.padding import get_same_padding
from torch import Tensor, nn


@contextmanager
def fixed_padding(model: nn.Module) -> Iterator[None]:
    """Let the Conv2dSame layers in `model` become ONNX convolutions that pad while the context lasts.

    timm computes the padding from the image's size, in a traced graph by operators that run for every image
    and that few engines fold. The size is fixed there. torch pads both sides of a convolution alike or not
    at all; ONNX has convolutions that do not, where a layer for the padding alone would copy its input.
    """
    layers = [module for module in model.modules() if isinstance(module, Conv2dSame)]
    try:
        for layer in layers:
            layer.forward = partial(_convolve, layer)  # type: ignore[method-assign]
        yield
    finally:
        for layer in layers:
            del layer.forward


def _convolve(layer: Conv2dSame, images: Tensor) -> Tensor:
    sides = (int(side) for side in images.shape[-2:])
    both = [
        get_same_padding(side, kernel, stride, dilation)
        for side, kernel, stride, dilation in zip(
            sides, layer.kernel_size, layer.stride, layer.dilation, strict=True
        )
    ]
    before = [each // 2 for each in both]
    pads = (*before, *(each - first for each, first in zip(both, before, strict=True)))
    given = (images, layer.weight, layer.bias, pads, layer.stride, layer.dilation, layer.groups)
    convolved: Tensor = _Padded.apply(*given)  # type: ignore[no-untyped-call]
    return convolved


class _Padded(torch.autograd.Function):
    """A convolution of an image padded with zeros: pads are top, left, bottom, right."""

    @staticmethod
    def forward(
        ctx: Any,
        images: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        pads: Sequence[int],
        strides: Sequence[int],
        dilations: Sequence[int],
        groups: int,
    ) -> Tensor:
        top, left, bottom, right = pads
        padded = F.pad(images, [left, right, top, bottom])
        return F.conv2d(padded, weight, bias, list(strides), 0, list(dilations), groups)

    @staticmethod
    def symbolic(
        graph: Any,
        images: Any,
        weight: Any,
        bias: Any,
        pads: Sequence[int],
        strides: Sequence[int],
        dilations: Sequence[int],
        groups: int,
    ) -> Any:
        inputs = (images, weight) if bias is None else (images, weight, bias)
        kernel = weight.type().sizes()[2:]
        return graph.op(
            "Conv", *inputs, kernel_shape_i=kernel, pads_i=list(pads), strides_i=list(strides),
            dilations_i=list(dilations), group_i=groups,
        )  # fmt: skip
