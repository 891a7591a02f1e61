"""How light falls on a scene, and what the sensor makes of it: drawn for every view."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import cv2
import numpy as np
from numpy.typing import NDArray

from selcon_training.tabletop.parts import Rng
from selcon_training.tabletop.shapes import Points

LAMPS = 2
QUANTILES = np.array([NormalDist().inv_cdf((number + 0.5) / 256) for number in range(256)])


@dataclass(frozen=True)
class Lamp:
    """A far lamp: where it stands (it shines on the origin), its colour RGB 0..1, and whether it throws
    shadows."""

    position: Points
    colour: NDArray[np.float64]
    shadow: bool


@dataclass(frozen=True)
class Light:
    """The light from everywhere, the light from the camera, and the lamps."""

    ambient: float
    head: float
    lamps: list[Lamp]


def draw_light(rng: Rng, white: bool = False) -> Light:
    """Return light between overcast (nearly all from everywhere, hardly a shadow) and a bare bulb; `white`:
    bright and soft."""
    hardness = rng.uniform(0, 0.35) if white else rng.random()
    ambient = (0.75 if white else 0.58) - 0.42 * hardness + rng.uniform(-0.08, 0.08)
    lamps = []
    for number in range(int(rng.integers(1, LAMPS + 1))):
        angle, lift = rng.uniform(0, 2 * np.pi), rng.uniform(0.7, 1.6)
        place = np.array([np.cos(angle) * rng.uniform(0.2, 0.9), np.sin(angle) * rng.uniform(0.2, 0.9), lift])
        power = (0.3 + 0.6 * hardness) * rng.uniform(0.8, 1.2) / (1 + 0.5 * number)
        shadow = number == 0 and rng.random() < 0.35 + 0.6 * hardness
        lamps.append(Lamp(place, rng.uniform(0.85, 1, 3) * power, shadow))
    return Light(max(ambient, 0.08), rng.uniform(0, 0.25), lamps)


def draw_gain(rng: Rng) -> NDArray[np.float64]:
    """Return an exposure with its white balance, one factor a channel."""
    return np.asarray(rng.uniform(0.8, 1.3) * rng.uniform(0.93, 1.07, 3))


def smoothed(image: NDArray[np.uint8], segment: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the image with the stairs at the borders between things (by their ids) blurred away: a quarter
    of the price of rendering with several samples a pixel."""
    border = cv2.morphologyEx(segment, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
    soft = cv2.GaussianBlur(image, (3, 3), 0.7)
    return np.asarray(cv2.copyTo(soft, border, image))


def expose(image: NDArray[np.uint8], gain: NDArray[np.float64], rng: Rng) -> NDArray[np.uint8]:
    """Return the image as a camera gives it: a little unsharp, with its gain and noise."""
    blur, sigma = rng.uniform(0, 0.9), rng.uniform(0.5, 5)
    if blur > 0.35:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), blur), np.uint8)
    tables = (np.arange(256)[:, None] * gain).clip(0, 255).astype(np.uint8).reshape(256, 1, 3)
    # A byte a value, through the normal distribution's quantiles: a tenth of the time of normal draws.
    raw = np.frombuffer(rng.bytes(image.size), np.uint8).reshape(image.shape)
    noise = cv2.LUT(raw, np.rint(sigma * QUANTILES).astype(np.int8))
    return np.asarray(cv2.add(cv2.LUT(image, tables), noise, dtype=cv2.CV_8U), np.uint8)
