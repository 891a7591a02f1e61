"""What cameras do to a picture: exposure, colours, blur, noise, compression. Geometry stays as it is."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Annotated

import cv2
import numpy as np
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from selcon_training.data.images import F32, U8
from selcon_training.data.transforms import recolour

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Least = Annotated[float, Field(ge=0.0)]

_TILE = 1024
_MIN_SIDE = 16
"""Pictures with a shorter side are not blurred, scaled or compressed."""


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Photometry:
    """How often (shares) and how much (largest changes) a picture is changed.

    `exposure` in stops, `white_balance` as the relative gain of red and of blue, `gamma` and
    `contrast` as relative changes, `saturation` relative, `hue` in turns, each drawn evenly up to its
    limit either way. `blur`: a Gaussian's standard deviation in pixels; `motion`: a streak's length in
    pixels; `read_noise` a standard deviation of 0..255, `shot_noise` its like at full brightness, which
    falls with the brightness' root; `quality`: the lowest of JPEG; `scale`: the smallest size before the
    picture is enlarged again; `vignetting`: how much darker a corner is.
    """

    colour_share: Share = 0.9
    exposure: Least = 0.8
    white_balance: Share = 0.25
    gamma: Share = 0.3
    contrast: Share = 0.35
    saturation_share: Share = 0.6
    saturation: Share = 0.5
    hue: Annotated[float, Field(ge=0.0, le=0.5)] = 0.04
    grey_share: Share = 0.05
    vignetting_share: Share = 0.2
    vignetting: Share = 0.5
    blur_share: Share = 0.25
    blur: Least = 1.6
    motion_share: Share = 0.1
    motion: Annotated[float, Field(ge=0.0, le=31.0)] = 9.0
    noise_share: Share = 0.4
    read_noise: Least = 8.0
    shot_noise: Least = 14.0
    scale_share: Share = 0.2
    scale: Annotated[float, Field(gt=0.0, le=1.0)] = 0.35
    jpeg_share: Share = 0.35
    quality: Annotated[int, Field(ge=1, le=100)] = 25

    def __call__(self, image: U8, rng: np.random.Generator) -> U8:
        """Return a changed copy of an H x W x 3 uint8 RGB image."""
        tiny = min(image.shape[:2]) < _MIN_SIDE
        if rng.random() < self.vignetting_share:
            image = _vignette(image, rng.uniform(0.0, self.vignetting))
        if rng.random() < self.saturation_share:
            image = recolour(image, 1.0 + self._either(rng, self.saturation), self._either(rng, self.hue))
        if rng.random() < self.colour_share:
            image = self._tones(image, rng)
        if rng.random() < self.blur_share and not tiny:
            image = cv2.GaussianBlur(image, (0, 0), max(0.3, rng.uniform(0.0, self.blur)))  # type: ignore[assignment]
        if rng.random() < self.motion_share and not tiny:
            image = cv2.filter2D(image, -1, _streak(rng.uniform(2.0, max(2.0, self.motion)), rng))  # type: ignore[assignment]
        if rng.random() < self.noise_share:
            image = self._noisy(image, rng)
        if rng.random() < self.grey_share:
            image = np.repeat(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[:, :, None], 3, axis=2)
        if rng.random() < self.scale_share and not tiny:
            image = _coarse(image, rng.uniform(self.scale, 1.0))
        if rng.random() < self.jpeg_share and not tiny:
            image = _compressed(image, int(rng.integers(self.quality, 96)) if self.quality < 96 else 100)
        return image

    @staticmethod
    def _either(rng: np.random.Generator, limit: float) -> float:
        return float(rng.uniform(-limit, limit))

    def _tones(self, image: U8, rng: np.random.Generator) -> U8:
        """Exposure, white balance, gamma and contrast: a table a channel."""
        gain = 2.0 ** self._either(rng, self.exposure)
        power = (1.0 + self.gamma) ** rng.uniform(-1.0, 1.0)
        contrast = (1.0 + self.contrast) ** rng.uniform(-1.0, 1.0)
        pivot = rng.uniform(0.3, 0.6)
        red, blue = (1.0 + self._either(rng, self.white_balance) for _ in range(2))
        values = np.linspace(0.0, 1.0, 256)
        # Exposure and white balance belong to light, not to stored values: a power of 2.2 lies between.
        tables = [(values * (gain * each) ** (1 / 2.2)).clip(0.0, 1.0) ** power for each in (red, 1.0, blue)]
        toned = [((table - pivot) * contrast + pivot).clip(0.0, 1.0) for table in tables]
        return cv2.LUT(image, np.rint(np.stack(toned, axis=-1) * 255).astype(np.uint8)[None])  # type: ignore[return-value]

    def _noisy(self, image: U8, rng: np.random.Generator) -> U8:
        """Shot and read noise, now and then in blotches, as cameras that denoise leave it."""
        read, shot = rng.uniform(0.0, self.read_noise), rng.uniform(0.0, self.shot_noise)
        blotch = float(rng.choice([1.0, 1.0, 1.5, 2.5]))
        height, width = (math.ceil(side / blotch) for side in image.shape[:2])
        noise = _noise_tile(height, width, rng)
        if blotch > 1.0:
            noise = cv2.resize(noise, image.shape[1::-1], interpolation=cv2.INTER_LINEAR)  # type: ignore[assignment]
        levels = np.arange(256, dtype=np.float32)
        deviation = np.sqrt(read**2 + shot**2 * levels / 255).astype(np.float32)
        noise = cv2.multiply(noise, cv2.LUT(image, deviation))  # type: ignore[assignment]
        return cv2.add(image, noise, dtype=cv2.CV_8U)  # type: ignore[return-value]


def _vignette(image: U8, darker: float) -> U8:
    fall = _squared_radius(image.shape[0], image.shape[1])
    return cv2.multiply(image, 1.0 - np.float32(darker) * fall, dtype=cv2.CV_8U)  # type: ignore[return-value]


@lru_cache(maxsize=64)
def _squared_radius(height: int, width: int) -> F32:
    """H x W x 3 float32: 0 in the middle, 1 in the corners."""
    y, x = np.linspace(-1.0, 1.0, height), np.linspace(-1.0, 1.0, width)
    plane = ((y[:, None] ** 2 + x[None] ** 2) / 2).astype(np.float32)
    return np.repeat(plane[:, :, None], 3, axis=2)


def _streak(length: float, rng: np.random.Generator) -> F32:
    """A line's kernel, of a camera that moves while the shutter is open."""
    reach, angle = math.ceil(length / 2), rng.uniform(0.0, math.pi)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float32)
    along, across = x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)
    kernel: F32 = (1.0 - np.abs(across)).clip(0, 1) * ((length + 1) / 2 - np.abs(along)).clip(0, 1)
    normalised: F32 = (kernel / kernel.sum()).astype(np.float32)
    return normalised


@lru_cache(maxsize=1)
def _normal_values() -> F32:
    return np.random.default_rng(0).standard_normal((_TILE, _TILE, 3), np.float32)


def _noise_tile(height: int, width: int, rng: np.random.Generator) -> F32:
    """Standard normal values H x W x 3: a random stretch of a fixed field, which costs nothing to draw."""
    field = _normal_values()
    if height > _TILE or width > _TILE:
        repeats = (-(-height // _TILE) + 1, -(-width // _TILE) + 1, 1)
        field = np.tile(field, repeats)
    top = int(rng.integers(0, field.shape[0] - height + 1))
    left = int(rng.integers(0, field.shape[1] - width + 1))
    tile = field[top : top + height, left : left + width]
    return np.ascontiguousarray(tile[:: 1 if rng.random() < 0.5 else -1])


def _coarse(image: U8, scale: float) -> U8:
    height, width = image.shape[:2]
    size = (max(2, round(width * scale)), max(2, round(height * scale)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)  # type: ignore[return-value]


def _compressed(image: U8, quality: int) -> U8:
    swapped = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    done, data = cv2.imencode(".jpg", swapped, [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert done
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert decoded is not None
    return cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB)  # type: ignore[return-value]
