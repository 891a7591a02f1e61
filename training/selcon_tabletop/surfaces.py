"""Colours and textures of the tabletop world, drawn at random by what a thing is made of."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from selcon_tabletop.looks import LOOKS
from selcon_tabletop.parts import Rng

Texture = NDArray[np.uint8]


@dataclass(frozen=True)
class ScenePictures:
    """Real pictures (H×W×3 uint8 RGB) for one scene: textures for table and parts, backdrops for afar."""

    textures: Sequence[Texture] = ()
    backdrops: Sequence[Texture] = ()


@dataclass(frozen=True)
class Material:
    """A colour (RGB 0..1), how it reflects, and its opacity."""

    colour: tuple[float, float, float]
    specular: float
    shininess: float
    alpha: float = 1.0


def _hsv(hue: float, saturation: float, value: float) -> tuple[float, float, float]:
    return colorsys.hsv_to_rgb(hue % 1.0, float(np.clip(saturation, 0, 1)), float(np.clip(value, 0, 1)))


def surface(rng: Rng, look: str) -> Material:
    """Return a random surface for a material name."""
    u = rng.uniform
    if look in LOOKS:
        named = LOOKS[look]
        colour = _hsv(u(*named.hue), u(*named.saturation), u(*named.value))
        return Material(colour, u(*named.specular), u(*named.shininess), u(*named.alpha))
    if look == "metal":
        return Material(_hsv(u(0.5, 0.7), u(0, 0.15), u(0.45, 0.9)), u(0.5, 1), u(0.5, 1))
    if look == "wood":
        return Material(_hsv(u(0.05, 0.12), u(0.3, 0.75), u(0.3, 0.85)), u(0, 0.3), u(0, 0.4))
    if look == "rubber":
        return Material(_hsv(u(0, 1), u(0, 0.4), u(0.08, 0.35)), u(0, 0.3), u(0, 0.3))
    if look == "ceramic":
        return Material(_hsv(u(0, 1), u(0, 0.6), u(0.6, 1)), u(0.4, 1), u(0.5, 1))
    if look == "glass":
        clear = u(0.35, 0.9) if rng.random() < 0.6 else 1.0
        return Material(_hsv(u(0.25, 0.65), u(0.05, 0.5), u(0.5, 0.95)), u(0.6, 1), u(0.7, 1), clear)
    if look == "bristle":
        return Material(_hsv(u(0, 1), u(0, 0.8), u(0.25, 0.95)), 0, 0)
    if look == "skin":
        return Material(_hsv(u(0.02, 0.08), u(0.25, 0.6), u(0.35, 0.95)), u(0, 0.2), 0.2)
    return Material(_hsv(u(0, 1), u(0.1, 0.95), u(0.15, 0.95)), u(0, 0.7), u(0, 0.8))


def _noise(rng: Rng, size: int, cells: tuple[int, int]) -> NDArray[np.float32]:
    """Return smooth noise 0..1 of `size`×`size` pixels over two octaves."""
    total = np.zeros((size, size), np.float32)
    for octave, weight in ((1, 0.7), (4, 0.3)):
        grid = rng.random((cells[0] * octave, cells[1] * octave)).astype(np.float32)
        total += weight * cv2.resize(grid, (size, size), interpolation=cv2.INTER_CUBIC)
    return np.clip(total, 0, 1)


def _blend(rng: Rng, mask: NDArray[np.float32], contrast: float) -> Texture:
    """Return a texture between two colours of like hue: wooden or nearly grey in three cases of five."""
    hue, saturation, value = rng.random(), rng.uniform(0, 0.6), rng.uniform(0.15, 0.95)
    kind = rng.random()
    if kind < 0.3:
        hue = rng.uniform(0.05, 0.12)
    elif kind < 0.6:
        saturation *= 0.25
    first = np.array(_hsv(hue, saturation, value))
    second = np.array(
        _hsv(
            hue + rng.normal(0, 0.06),
            saturation * rng.uniform(0.5, 1.3),
            value + rng.choice([-1, 1]) * contrast,
        )
    )
    share = np.linspace(0, 1, 256)[:, None]
    palette = (255 * (first + share * (second - first))).clip(0, 255).astype(np.uint8)
    return np.asarray(palette[cv2.convertScaleAbs(mask, alpha=255)])


def plain_texture(rng: Rng, size: int = 256) -> Texture:
    """Return one colour: in one case of three white or nearly so."""
    colour = _hsv(rng.random(), rng.uniform(0, 0.06), rng.uniform(0.85, 1))
    if rng.random() < 2 / 3:
        return np.full((size, size, 3), _blend(rng, np.zeros((1, 1), np.float32), 0)[0, 0])
    return np.full((size, size, 3), np.multiply(255, colour).astype(np.uint8))


def table_texture(rng: Rng, size: int = 256) -> Texture:
    """Return a table top: plain in two cases of five, else grained, mottled, striped or checked."""
    pattern = rng.integers(10)
    if pattern < 4:
        return plain_texture(rng, size)
    if pattern < 6:
        return _blend(rng, _noise(rng, size, (3, 40)), rng.uniform(0.1, 0.35))
    if pattern < 8:
        return _blend(rng, _noise(rng, size, (12, 12)), rng.uniform(0.1, 0.4))
    y, x = np.mgrid[:size, :size]
    period = max(1, round(size * rng.uniform(0.09, 0.34)))
    stripes = (x // period) % 2
    mask = stripes if pattern == 8 else (stripes + (y // period)) % 2
    return _blend(rng, mask.astype(np.float32), rng.uniform(0.08, 0.4))


def backdrop(rng: Rng, size: int = 256) -> Texture:
    """Return a floor or wall far behind the table."""
    cells = int(rng.integers(3, 20))
    return _blend(rng, _noise(rng, size, (cells, cells)), rng.uniform(0.1, 0.5))


def surroundings(rng: Rng, size: int = 128, pictures: Sequence[Texture] = ()) -> Texture:
    """Return the six faces of a cube around the scene, one below the other ((6·size)×size×3): walls of
    different textures, or cuttings of `pictures` where there are some."""
    faces = []
    wall = plain_texture(rng, size) if rng.random() < 0.5 else backdrop(rng, size)
    for _ in range(6):
        if pictures and rng.random() < 0.7:
            faces.append(cutting(rng, pictures[int(rng.integers(len(pictures)))], size))
        elif rng.random() < 0.3:
            faces.append(table_texture(rng, size))
        else:
            faces.append(wall)
    return np.concatenate(faces)


def paint(rng: Rng, size: int = 128) -> Texture:
    """Return what is painted on a jug, its foot in the last row: a ground that may be shaded, with bands and
    with flowers, dots or waves in them."""
    dark = rng.random() < 0.25
    value = rng.uniform(0.08, 0.4) if dark else rng.uniform(0.65, 1)
    ground = np.array(_hsv(rng.random(), rng.uniform(0, 0.7 if dark else 0.35), value))
    image = np.full((size, size, 3), 255 * ground, np.float32)
    if rng.random() < 0.4:  # the glaze runs from one colour into another
        other = 255 * np.array(_hsv(rng.random(), rng.uniform(0, 0.8), rng.uniform(0.2, 1)))
        share = np.linspace(0, 1, size)[:, None, None] ** rng.uniform(0.4, 2.5)
        image += (share if rng.random() < 0.5 else share[::-1]) * (other - image)
    colours = [
        tuple(255 * c for c in _hsv(rng.random(), rng.uniform(0.2, 0.95), rng.uniform(0.1, 0.9)))
        for _ in range(3)
    ]
    for _ in range(int(rng.integers(0, 4))):
        middle, half = int(rng.integers(size)), int(rng.integers(1, max(2, size // 10)))
        cv2.rectangle(image, (0, middle - half), (size, middle + half), colours[int(rng.integers(3))], -1)
    for _ in range(int(rng.integers(0, 4))):
        _motif(rng, image, colours)
    soft = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.2))
    return np.asarray(soft.clip(0, 255), np.uint8)


def _motif(rng: Rng, image: NDArray[np.float32], colours: Sequence[tuple[float, ...]]) -> None:
    """Paint a bunch of flowers, a row of dots or a wave into the image."""
    size = len(image)
    form = int(rng.integers(3))
    x, y = rng.integers(size, size=2)
    if form == 0:
        for _ in range(int(rng.integers(4, 30))):
            at = np.rint(rng.normal((x, y), 0.11 * size)).astype(int)
            axes = rng.integers(1, max(2, size // 14), 2)
            turn = float(rng.uniform(0, 180))
            cv2.ellipse(
                image, at.tolist(), axes.tolist(), turn, 0, 360, colours[int(rng.integers(len(colours)))], -1
            )
        return
    step = int(rng.integers(max(4, size // 16), size // 5))
    colour = colours[int(rng.integers(len(colours)))]
    thick = int(rng.integers(1, max(2, size // 28)))
    if form == 1:
        for place in range(step // 2, size, step):
            cv2.circle(image, (place, int(y)), thick + 1, colour, -1)
        return
    along = np.arange(size)
    wave = y + rng.uniform(0.02, 0.1) * size * np.sin(2 * np.pi * along / step)
    points = np.stack([along, wave], -1).round().astype(np.int32)
    cv2.polylines(image, [points], False, colour, thick)


def cutting(rng: Rng, picture: Texture, size: int) -> Texture:
    """Return a square cutting of a picture, at least half as long as its shorter side, of size×size."""
    shorter = min(picture.shape[:2])
    side = int(rng.integers(max(shorter // 2, 1), shorter + 1))
    y, x = (int(rng.integers(length - side + 1)) for length in picture.shape[:2])
    part = picture[y : y + side, x : x + side]
    shrink = cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
    return np.ascontiguousarray(cv2.resize(part, (size, size), interpolation=shrink))
