"""Input sizes that fit the patches of one encoder, or of several that see the same image."""

from __future__ import annotations

import math
from collections.abc import Mapping

from torch import nn

from selcon_training.errors import EncoderError

Size = tuple[int, int]


def patch_size(tower: nn.Module) -> Size | None:
    """Return the patch (height, width) in pixels of a timm or open_clip image tower; None if it has none."""
    trunk = getattr(tower, "trunk", tower)  # open_clip's wrapper of timm models
    embed = getattr(trunk, "patch_embed", None)
    patch = embed.feat_ratio(as_scalar=False) if embed is not None else getattr(trunk, "patch_size", None)
    return None if patch is None else (int(patch[0]), int(patch[1]))


def check_input_size(input_size: Size, patches: Mapping[str, Size | None]) -> None:
    """Raise EncoderError unless (height, width) is a positive multiple of every encoder's patch.

    `patches` are the encoders' patch sizes by their names; None (no patches at all) is left to those who
    build the encoder. The message names the nearest sizes that fit all of them.
    """
    known = {name: patch for name, patch in patches.items() if patch is not None}
    steps = [math.lcm(*(patch[axis] for patch in known.values())) for axis in (0, 1)]
    if all(side > 0 and side % step == 0 for side, step in zip(input_size, steps, strict=True)):
        return
    encoders = " and ".join(f"of {name}, {h}x{w}" for name, (h, w) in known.items())
    nearest = ", ".join(
        f"{what} {_nearest(side, step)}"
        for what, side, step in zip(("height", "width"), input_size, steps, strict=True)
    )
    raise EncoderError(
        f"input size {tuple(input_size)} (height, width) is not a multiple of the patch {encoders}; "
        f"the nearest that fits: {nearest} (data.input_size, or --size of selcon export)"
    )


def _nearest(side: int, step: int) -> str:
    below = max(side, 0) // step * step
    if below and side == below:
        return str(side)
    return f"{below} or {below + step}" if below else str(step)
