"""Image transforms: the paper's crop generalised to rectangular inputs, the test stretch, and colour jitter.

A crop is drawn once per image and applied to the picture and to its truth maps alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from selcon_training.data.images import F32, U8

Size = tuple[int, int]
"""(height, width) in pixels."""


@dataclass(frozen=True)
class Crop:
    """A window in fractions of the image's height and width, and whether it is mirrored afterwards."""

    top: float
    left: float
    height: float
    width: float
    flip: bool = False

    def shape(self, image: Size) -> Size:
        """The window's size in pixels in an image of (h, w)."""
        return max(1, round(self.height * image[0])), max(1, round(self.width * image[1]))


WHOLE_IMAGE = Crop(0.0, 0.0, 1.0, 1.0)


def draw_crop(
    image: Size,
    target: Size,
    zoom: tuple[float, float],
    fit: Literal["cover", "stretch", "pad"],
    flip: bool,
    rng: np.random.Generator,
) -> Crop:
    """Draw a random window of an image (h, w) that becomes the network input `target` (h, w).

    The image is scaled to z * target, z drawn from `zoom` (>= 1), and a target-sized window is cut out at a
    random place. "cover" keeps the aspect ratio (the scaled image covers z * target: with z = 8/7 and 224 x
    224 that is "short side to 256, random 224 crop", method.md §7); "stretch" scales the sides apart, as
    the test transform. "pad" keeps the aspect ratio too, the scaled image fits in z * target: what of it
    is larger than the target is cut off, and the window may be of any shape.
    """
    z = rng.uniform(*zoom)
    height, width = 1.0 / z, 1.0 / z
    if fit == "cover":
        scale = max(target[0] / image[0], target[1] / image[1])
        height = target[0] / (image[0] * scale) / z
        width = target[1] / (image[1] * scale) / z
    elif fit == "pad":
        scale = min(target[0] / image[0], target[1] / image[1])
        height = min(1.0, target[0] / (image[0] * scale) / z)
        width = min(1.0, target[1] / (image[1] * scale) / z)
    top = rng.uniform(0.0, 1.0 - height) if height < 1.0 else 0.0
    left = rng.uniform(0.0, 1.0 - width) if width < 1.0 else 0.0
    mirrored = bool(rng.random() < 0.5)
    return Crop(top, left, height, width, flip and mirrored)


def apply_crop(image: NDArray[np.uint8], crop: Crop, target: Size) -> U8:
    """Cut the window out of an H x W x 3 uint8 image and scale it to `target`; area-averaged when shrinking
    much."""
    rows, columns = image.shape[:2]
    y0, x0 = round(crop.top * rows), round(crop.left * columns)
    y1 = max(y0 + 1, round((crop.top + crop.height) * rows))
    x1 = max(x0 + 1, round((crop.left + crop.width) * columns))
    window = image[y0:y1, x0:x1]
    out = resize(window, target)
    return np.ascontiguousarray(out[:, ::-1]) if crop.flip else out


def apply_crop_to_truth(truth: NDArray[np.uint8], crop: Crop, grid: Size) -> F32:
    """Average a truth map (h x w uint8, 0..255) over the grid cells of the window: gh x gw float32 in 0..1.

    Sampled with sub-pixel accuracy at 4 x 4 points per cell, so that the target stays aligned with the
    picture.
    """
    oversample = 4
    height, width = grid[0] * oversample, grid[1] * oversample
    rows, columns = truth.shape
    sy, sx = crop.height * rows / height, crop.width * columns / width
    # Destination pixel centres to source pixel centres.
    matrix = np.array(
        [
            [sx, 0.0, crop.left * columns + 0.5 * sx - 0.5],
            [0.0, sy, crop.top * rows + 0.5 * sy - 0.5],
        ]
    )
    if crop.flip:
        matrix[0] = [-sx, 0.0, (crop.left + crop.width) * columns - 0.5 * sx - 0.5]
    sampled = cv2.warpAffine(
        truth,
        matrix,
        (width, height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    cells = sampled.reshape(grid[0], oversample, grid[1], oversample).astype(np.float32)
    means: F32 = cells.mean(axis=(1, 3)) / np.float32(255.0)
    return means


def apply_crop_to_labels(labels: NDArray[np.uint8], crop: Crop, grid: Size) -> U8:
    """The label in the middle of every grid cell of the window: gh x gw uint8."""
    rows, columns = labels.shape
    y = (crop.top + crop.height * (np.arange(grid[0]) + 0.5) / grid[0]) * rows
    x = (crop.left + crop.width * (np.arange(grid[1]) + 0.5) / grid[1]) * columns
    seen = labels[y.astype(int).clip(0, rows - 1)[:, None], x.astype(int).clip(0, columns - 1)]
    return np.ascontiguousarray(seen[:, ::-1] if crop.flip else seen)


def resize(image: NDArray[np.uint8], size: Size) -> U8:
    """Stretch an image to (h, w) by the rule of `core.grounding.preprocess`: training sees what use shows.

    Area-averaged when shrinking beyond half, else bilinear.
    """
    if image.shape[:2] == tuple(size):
        return np.ascontiguousarray(image)
    down, right = image.shape[0] / size[0], image.shape[1] / size[1]
    method = cv2.INTER_AREA if max(down, right) > 2 and min(down, right) >= 1 else cv2.INTER_LINEAR
    return cv2.resize(np.ascontiguousarray(image), (size[1], size[0]), interpolation=method)  # type: ignore[return-value]


def decode_size(size: Size, zoom: float = 1.0) -> Size:
    """The least (h, w) at which a picture may be decoded for `resize` to `zoom` times `size`.

    Twice what is needed, so that `resize` averages as it does from the full picture: what comes out differs
    from that by less than JPEG compression does.
    """
    return math.ceil(2 * size[0] * zoom), math.ceil(2 * size[1] * zoom)


@dataclass(frozen=True)
class Jitter:
    """Half-widths of the random colour changes: relative brightness, contrast, saturation; hue in turns
    (0..0.5)."""

    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0

    def __call__(self, image: U8, rng: np.random.Generator) -> U8:
        """Return a recoloured copy of an H x W x 3 uint8 RGB image; draws four numbers from `rng`."""
        b, c, s, h = (float(rng.uniform(-1.0, 1.0)) for _ in range(4))
        if self.hue or self.saturation:
            image = recolour(image, 1.0 + s * self.saturation, h * self.hue)
        if self.brightness or self.contrast:
            gain = (1.0 + b * self.brightness) * (1.0 + c * self.contrast)
            pivot = float(cv2.mean(image)[1]) * (1.0 + b * self.brightness)
            ramp = np.arange(256, dtype=np.float32) * gain + pivot * (1.0 - (1.0 + c * self.contrast))
            image = cv2.LUT(image, np.clip(np.rint(ramp), 0, 255).astype(np.uint8))  # type: ignore[assignment]
        return image


def recolour(image: U8, saturation: float, turns: float) -> U8:
    """Scale the saturation of an RGB picture, and turn its hue by a share of the circle."""
    # Rotation about the grey axis in RGB (a linear stand-in for hue), blended with the luma for saturation.
    angle = 2.0 * np.pi * turns
    cos, sin = np.cos(angle), np.sin(angle)
    third, root = 1.0 / 3.0, np.sqrt(1.0 / 3.0)
    rotation = np.full((3, 3), (1.0 - cos) * third) + cos * np.eye(3)
    rotation += sin * root * np.array([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]])
    luma = np.tile(np.array([0.299, 0.587, 0.114]), (3, 1))
    matrix = (saturation * np.eye(3) + (1.0 - saturation) * luma) @ rotation
    return cv2.transform(image, matrix.astype(np.float32))  # type: ignore[return-value]
