"""What a stereo camera makes of exact depth."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

BASELINE = 0.05
"""Metres between the two cameras, as in common small stereo cameras."""
DISPARITY_NOISE = 0.1
"""Pixels: standard deviation of the disparity, correlated over a matching window."""
WINDOW_SIGMA = 2.0
"""Pixels: standard deviation of that window."""
STEPS_PER_PIXEL = 32
"""Disparity is rounded to this part of a pixel."""
HOLE_SHARE = 0.01
"""Share of the pixels that a matcher drops, in blotches."""
EDGE_SHARE = 0.02
"""Share of the depth that neighbours must differ by to be an edge."""


def measured(depth: NDArray[np.float32], focal: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return a depth image [H, W] in metres as stereo measures it, NaN where it does not.

    `focal` in pixels. Noise and rounding are those of the disparity, so that they grow with the square of the
    distance; at edges the nearer surface spreads by up to two pixels, or there is a hole.
    """
    height, width = depth.shape
    shift = [cv2.GaussianBlur(rng.normal(0, 1.5, depth.shape).astype(np.float32), (0, 0), 2) for _ in "uv"]
    u, v = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    moved = cv2.remap(
        depth, u + 4 * shift[0], v + 4 * shift[1], cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE
    )
    kernel = np.ones((3, 3), np.uint8)
    near, far = cv2.erode(depth, kernel), cv2.dilate(depth, kernel)
    edge = (far - near > EDGE_SHARE * near).astype(np.uint8)
    around = cv2.dilate(edge, kernel) > 0
    mixed = np.where(around, moved, depth)
    noise = np.asarray(
        cv2.GaussianBlur(rng.normal(0, 1, depth.shape).astype(np.float32), (0, 0), WINDOW_SIGMA), np.float32
    )
    noise = noise * np.float32(DISPARITY_NOISE / float(noise.std()))
    disparity = focal * BASELINE / mixed + noise
    disparity = np.rint(disparity * STEPS_PER_PIXEL) / STEPS_PER_PIXEL
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.asarray(focal * BASELINE / disparity, np.float32)
    blotches = cv2.GaussianBlur(rng.normal(0, 1, depth.shape).astype(np.float32), (0, 0), 1.5)
    dropped = blotches > np.quantile(blotches, 1 - HOLE_SHARE)
    dropped |= around & (rng.random(depth.shape) < 0.3)
    found[dropped | ~(disparity > 0)] = np.nan
    return found
