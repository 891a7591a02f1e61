"""Exocentric images made worse, or seen from nearer and farther."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from selcon_training.data.images import U8
from selcon_training.data.transforms import resize

Degradation = Callable[[U8, np.random.Generator], U8]
"""From an image h x w x 3 uint8 to one of the same size."""


def low_resolution(image: U8, rng: np.random.Generator) -> U8:
    """Keep a quarter of the pixels a side."""
    height, width = image.shape[:2]
    return resize(resize(image, (max(1, height // 4), max(1, width // 4))), (height, width))


def jpeg(image: U8, rng: np.random.Generator) -> U8:
    """Compress as JPEG of quality 10."""
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 10])
    return cv2.imdecode(data, cv2.IMREAD_COLOR)  # type: ignore[return-value]


def noise(image: U8, rng: np.random.Generator) -> U8:
    """Add Gaussian noise of standard deviation 25 grey levels."""
    values = image + rng.normal(0.0, 25.0, image.shape)
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def dark(image: U8, rng: np.random.Generator) -> U8:
    """Expose at a quarter of the light."""
    return (image // 4).astype(np.uint8)


def far(image: U8, rng: np.random.Generator) -> U8:
    """Shrink to half the side and fill the border with the picture's mirror image."""
    height, width = image.shape[:2]
    top, left = height // 4, width // 4
    small = resize(image, (height - 2 * top, width - 2 * left))
    return cv2.copyMakeBorder(small, top, top, left, left, cv2.BORDER_REFLECT)  # type: ignore[return-value]


def near(image: U8, rng: np.random.Generator) -> U8:
    """Enlarge the middle two thirds."""
    height, width = image.shape[:2]
    return resize(image[height // 6 : height - height // 6, width // 6 : width - width // 6], (height, width))


DEGRADATIONS: dict[str, Degradation] = {
    "a quarter of the resolution": low_resolution,
    "JPEG quality 10": jpeg,
    "noise": noise,
    "a quarter of the light": dark,
    "half as large": far,
    "1.5 times as large": near,
}
