"""ONNX operators on planes of pixels, in torch: convolutions, pools, padding, other sizes."""

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional

from selcon_ros.backends.onnx_in_torch.registry import Attributes, Operators

OPERATORS = Operators()


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


@OPERATORS.enter("Conv")
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


@OPERATORS.enter("AveragePool")
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


@OPERATORS.enter("DepthToSpace")
def _depth_to_space(attributes: Attributes, x: Tensor) -> Tensor:
    size = attributes["blocksize"]
    if attributes.get("mode", "DCR") == "CRD":
        return functional.pixel_shuffle(x, size)
    n, depth, height, width = x.shape
    blocks = x.reshape(n, size, size, depth // size**2, height, width)
    return blocks.permute(0, 3, 4, 1, 5, 2).reshape(n, depth // size**2, height * size, width * size)


@OPERATORS.enter("Pad", 1, 2, 3)
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


@OPERATORS.enter("Resize", 1, 2, 3)
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
