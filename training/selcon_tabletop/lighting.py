"""How light falls on a scene, and what the sensor makes of it: drawn for every view."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import cv2
import numpy as np
from numpy.typing import NDArray

from selcon_tabletop.parts import Rng
from selcon_tabletop.shapes import Points

MAX_LAMPS = 2
NORMAL_QUANTILES = np.array([NormalDist().inv_cdf((number + 0.5) / 256) for number in range(256)])


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
    level = rng.uniform(0.95, 1.15) if white else rng.uniform(0.75, 1.0)
    count = int(rng.integers(1, MAX_LAMPS + 1))
    head = rng.uniform(0, 0.25)
    ambient = 0.75 - 0.55 * hardness - head
    lamps = []
    for number in range(count):
        angle, lift = rng.uniform(0, 2 * np.pi), rng.uniform(0.7, 1.6)
        aside = rng.uniform(0.2, 0.9)
        place = np.array([np.cos(angle) * aside, np.sin(angle) * aside, lift])
        falls = lift / float(np.linalg.norm(place))  # what of it falls on the table
        power = (1 - ambient - head) * (1 if count == 1 else (0.65, 0.35)[number]) / falls
        shadow = number == 0 and rng.random() < 0.35 + 0.6 * hardness
        lamps.append(Lamp(place, level * rng.uniform(0.88, 1, 3) * power, shadow))
    return Light(level * max(ambient, 0.05), level * head, lamps)


def draw_gain(image: NDArray[np.uint8], rng: Rng, white: bool = False) -> NDArray[np.float64]:
    """Return the exposure of an image with its white balance, one factor a channel: cameras brighten what is
    dark and darken what is bright, up to a point. What is `white` stays so."""
    wanted = rng.uniform(80, 160) / max(float(np.mean(cv2.mean(image)[:3])), 1.0)
    gain = rng.uniform(0.9, 1.05) if white else np.clip(wanted, 0.65, 2.2)
    return np.asarray(gain * rng.uniform(0.93, 1.07, 3))


def smoothed(image: NDArray[np.uint8], segment: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the image with the stairs at the borders between things (by their ids) blurred away: a quarter
    of the price of rendering with several samples a pixel."""
    border = cv2.morphologyEx(segment, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
    soft = cv2.GaussianBlur(image, (3, 3), 0.9)
    return np.asarray(cv2.copyTo(soft, border, image))


def expose(image: NDArray[np.uint8], gain: NDArray[np.float64], rng: Rng) -> NDArray[np.uint8]:
    """Return the image as a camera gives it: a little unsharp, with its gain and noise."""
    blur, sigma = rng.uniform(0, 0.9), rng.uniform(0.5, 5)
    if blur > 0.35:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), blur), np.uint8)
    tables = (np.arange(256)[:, None] * gain).clip(0, 255).astype(np.uint8).reshape(256, 1, 3)
    # A byte a value, through the normal distribution's quantiles: a tenth of the time of normal draws.
    raw = np.frombuffer(rng.bytes(image.size), np.uint8).reshape(image.shape)
    noise = cv2.LUT(raw, np.rint(sigma * NORMAL_QUANTILES).astype(np.int8))
    return np.asarray(cv2.add(cv2.LUT(image, tables), noise, dtype=cv2.CV_8U), np.uint8)
