"""Colours of meshes of files: their own colours and maps, changed a little or a lot at random."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from selcon_tabletop.parts import Rng

BOLD_HUE_SHARE = 0.3
"""Share of the objects that take any hue, not one near their own."""


@dataclass(frozen=True, eq=False)
class MeshLook:
    """A material's colour (RGB 0..1) and its map H×W×3 uint8 RGB, if any, which then gives the colour."""

    colour: tuple[float, float, float]
    texture: NDArray[np.uint8] | None


def coloured(looks: Sequence[MeshLook], rng: Rng) -> Iterator[NDArray[np.uint8]]:
    """Yield a texture for each of an object's looks, all changed alike in hue, saturation and brightness.

    A plain colour becomes a texture of 2×2 pixels.
    """
    bold = rng.random() < BOLD_HUE_SHARE
    hue = rng.uniform(0, 180) if bold else rng.normal(0, 6)
    saturation, added = rng.uniform(0.7, 1.3), rng.uniform(0, 120) if bold else 0.0
    gain, lift = rng.uniform(0.75, 1.3), rng.uniform(0, 30)
    for look in looks:
        if look.texture is not None:
            image = look.texture
        else:
            image = np.broadcast_to(np.rint(255 * np.asarray(look.colour)).astype(np.uint8), (2, 2, 3))
        hsv = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2HSV).astype(np.float32)
        hsv[..., 0] = (hsv[..., 0] + hue) % 180
        hsv[..., 1] = np.clip(hsv[..., 1] * saturation + added, 0, 255)
        hsv[..., 2] = np.clip(hsv[..., 2] * gain + lift, 0, 255)
        yield np.asarray(cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2RGB))
