"""Convolutions with TensorFlow's padding that export to a lean graph."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import torch.nn.functional as F
from timm.layers.conv2d_same import Conv2dSame
from timm.layers.padding import get_same_padding
from torch import Tensor, nn


@contextmanager
def fixed_padding(model: nn.Module) -> Iterator[None]:
    """Let the Conv2dSame layers in `model` pad by constants while the context lasts.

    timm computes the padding from the image's size, in a traced graph by operators that run for every image
    and that few engines fold. The size is fixed there.
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
    pads: list[int] = []
    sides = (int(side) for side in images.shape[-2:])
    for side, kernel, stride, dilation in zip(
        sides, layer.kernel_size, layer.stride, layer.dilation, strict=True
    ):
        both = get_same_padding(side, kernel, stride, dilation)
        pads = [both // 2, both - both // 2, *pads]
    return F.conv2d(
        F.pad(images, pads), layer.weight, layer.bias, layer.stride, 0, layer.dilation, layer.groups
    )
