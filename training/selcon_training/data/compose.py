"""Real pictures behind rendered objects, and real textures on them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from selcon_training.data.images import F32, U8
from selcon_training.data.pictures import PicturePool
from selcon_training.data.transforms import Size, resize

SHADOW_SHARE = 0.5
SURFACE_SHARE = 0.4
"""How often the background is a texture, as of a table or a cloth, where there are both."""
TURNED_SHARE = 0.5
"""How often a background or texture is turned by a quarter, a half or three quarters."""


@dataclass(frozen=True)
class Scenery:
    """Pools of real pictures, and how often a sample with label maps gets one."""

    backgrounds: PicturePool | None = None
    background_share: float = 0.0
    textures: PicturePool | None = None
    texture_share: float = 0.0
    studio_share: float = 0.0
    """How often a background is a smooth sweep of paper, as behind things that are photographed for sale."""

    def background(self, rng: np.random.Generator) -> U8 | None:
        """What a sample's background is replaced by; None if it stays. Always draws the same values first."""
        replaced, surface = rng.random(2)
        if self.backgrounds is None or replaced >= self.background_share:
            return None
        if surface > 1 - self.studio_share:
            return studio(rng)
        if self.textures is not None and surface < SURFACE_SHARE:
            return self.textures.draw(rng)
        return self.backgrounds.draw(rng)

    def texture(self, rng: np.random.Generator) -> U8 | None:
        """What is put on a sample's parts; None if they stay."""
        wanted = rng.random() < self.texture_share
        return self.textures.draw(rng) if wanted and self.textures is not None else None

    @property
    def composes(self) -> bool:
        """Whether label maps are needed."""
        return self.backgrounds is not None or self.textures is not None


def studio(rng: np.random.Generator, size: Size = (96, 128)) -> U8:
    """A smooth background of this size (h, w): two shades of one colour, one above the other, and light that
    falls off from a spot."""
    height, width = size
    bright, tint = rng.uniform(10.0, 250.0), rng.uniform(0.6, 1.0, 3) if rng.random() < 0.5 else np.ones(3)
    horizon, soft = rng.uniform(0.1, 0.9) * height, rng.uniform(0.03, 0.6) * height
    y, x = np.mgrid[:height, :width].astype(np.float32)
    lower = 1.0 / (1.0 + np.exp(-(y - horizon) / soft))
    level = bright * (1.0 + rng.uniform(-0.6, 0.6) * lower)
    spot = rng.uniform(0.0, 1.0, 2) * [height, width]
    far = ((y - spot[0]) ** 2 + (x - spot[1]) ** 2) / (height**2 + width**2)
    level = level * (1.0 - rng.uniform(0.0, 0.7) * far)
    image: U8 = (level[..., None] * tint).clip(0, 255).astype(np.uint8)
    return image


def crop_of(picture: U8, size: Size, rng: np.random.Generator, smallest: float = 0.5) -> U8:
    """A random window of a picture, turned by quarters and mirrored at random, of this size (h, w).

    The window has the aspect ratio of `size` and at least `smallest` times the largest possible sides.
    """
    turns = int(rng.integers(1, 4)) if rng.random() < TURNED_SHARE else 0
    if turns % 2:
        size = size[::-1]
    height, width = picture.shape[:2]
    scale = min(height / size[0], width / size[1]) * rng.uniform(smallest, 1.0)
    rows, columns = (
        max(1, min(side, round(scale * want))) for side, want in zip((height, width), size, strict=True)
    )
    top, left = int(rng.integers(0, height - rows + 1)), int(rng.integers(0, width - columns + 1))
    out = resize(picture[top : top + rows, left : left + columns], size)
    if rng.random() < 0.5:
        out = out[:, ::-1]
    return np.ascontiguousarray(np.rot90(out, turns))


def put_behind(image: U8, mask: U8, background: U8, rng: np.random.Generator) -> U8:
    """The objects of an image on another background of its size.

    `mask` h x w uint8: 255 on the objects. Its edge is feathered; the background's colours are moved
    towards the image's by a random share, and it is darkened around the objects half of the time.
    """
    background = _alike(background, image, rng.uniform(0.0, 0.6))
    weight = cv2.GaussianBlur(mask, (0, 0), rng.uniform(0.4, 1.2)).astype(np.float32) * np.float32(1 / 255)
    if rng.random() < SHADOW_SHARE:
        background = _shadowed(background, mask, rng)
    return cv2.blendLinear(image, background, weight, 1.0 - weight)  # type: ignore[return-value]


def put_on(image: U8, mask: U8, texture: U8, rng: np.random.Generator) -> U8:
    """An image with a texture of its size on what `mask` (h x w uint8, 255 there) marks.

    The texture takes the image's shading: its own colours are multiplied by the brightness there, relative
    to the mean over the mask.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    mean = cv2.mean(grey, mask)[0]
    if mean < 1.0:
        return image
    shading = cv2.LUT(grey, (np.arange(256) / mean).clip(0.0, 3.0).astype(np.float32))
    brightness = float(rng.uniform(0.6, 1.1))
    shaded = cv2.multiply(texture, cv2.merge([shading] * 3), scale=brightness, dtype=cv2.CV_8U)
    weight = mask.astype(np.float32) * np.float32(rng.uniform(0.5, 1.0) / 255)
    return cv2.blendLinear(shaded, image, weight, 1.0 - weight)  # type: ignore[return-value]


def some_parts(parts: U8, rng: np.random.Generator) -> U8:
    """A mask, 255 on a random choice of the part kinds that a label map shows, at least one."""
    kinds = np.flatnonzero(np.bincount(parts.ravel(), minlength=256)[1:255]) + 1
    table = np.zeros(256, np.uint8)
    if len(kinds):
        chosen = rng.random(len(kinds)) < 0.5
        chosen[rng.integers(len(kinds))] = True
        table[kinds[chosen]] = 255
    return cv2.LUT(parts, table)  # type: ignore[return-value]


def _alike(picture: U8, other: U8, share: float) -> U8:
    """A picture whose mean and deviation of every channel are moved towards another's by this share."""
    (mean, deviation), (wanted, spread) = (
        tuple(values.ravel() for values in cv2.meanStdDev(each)) for each in (picture, other)
    )
    gain = ((spread + 8.0) / (deviation + 8.0)).clip(0.5, 2.0) ** share
    levels = np.arange(256)[:, None]
    table = (levels - mean) * gain + mean + share * (wanted - mean)
    return cv2.LUT(picture, np.rint(table).clip(0, 255).astype(np.uint8)[None])  # type: ignore[return-value]


def _shadowed(background: U8, mask: U8, rng: np.random.Generator) -> U8:
    """A background with a soft shadow of what the mask marks, cast a little to one side."""
    height, width = mask.shape
    small = cv2.resize(mask, (max(1, width // 4), max(1, height // 4)), interpolation=cv2.INTER_AREA)
    angle, far = rng.uniform(0.0, 2 * math.pi), rng.uniform(0.0, 0.03) * width / 4
    matrix = np.array([[1.0, 0.0, far * math.cos(angle)], [0.0, 1.0, far * math.sin(angle)]])
    cast = cv2.warpAffine(small, matrix, small.shape[::-1])
    cast = cv2.GaussianBlur(cast, (0, 0), rng.uniform(0.5, 5.0))
    darkness: F32 = cv2.resize(cast, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.float32)
    light = 1.0 - darkness * np.float32(rng.uniform(0.1, 0.7) / 255)
    return cv2.multiply(background, cv2.merge([light] * 3), dtype=cv2.CV_8U)  # type: ignore[return-value]
