"""From a camera image to the network's input."""

from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from selcon_ros.core.errors import ImageError
from selcon_ros.core.grounding.manifest import Manifest
from selcon_ros.core.grounding.placement import Canvas, Window

FRAMES, ROWS, COLUMNS = "frames", "rows", "columns"
"""Inputs of a graph that resizes by itself: images [N, H, W, 3] uint8 and the matrices of `interpolation`."""


def check_image(image: NDArray[np.uint8]) -> None:
    """Raise ImageError unless `image` is [H, W, 3] uint8 with at least one pixel."""
    if image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise ImageError(f"image has shape {image.shape}: it must be [height, width, 3], not empty")
    if image.dtype != np.uint8:
        raise ImageError(f"image is of type {image.dtype}: it must be uint8, RGB in 0..255")


def check_frames(frames: NDArray[np.uint8]) -> None:
    """Raise ImageError unless `frames` is [N, H, W, 3] uint8 with at least one image and pixel."""
    if frames.ndim != 4 or frames.shape[3] != 3 or 0 in frames.shape:
        raise ImageError(
            f"images have shape {frames.shape}: it must be [images, height, width, 3], not empty"
        )
    if frames.dtype != np.uint8:
        raise ImageError(f"images are of type {frames.dtype}: they must be uint8, RGB in 0..255")


def preprocess(image: NDArray[np.uint8], manifest: Manifest) -> NDArray[np.float32]:
    """Return the network input [1, 3, h, w] float32 of an RGB image [H, W, 3] uint8.

    The image is brought to the manifest's input size as its `fit` says (stretched: the test transform of
    method.md §8), divided by 255 and normalised with the manifest's mean and std. Raises ImageError.
    """
    check_image(image)
    height, width = manifest.input_size
    resized = fitted(image, manifest.canvas)
    tensor = np.empty((1, 3, height, width), np.float32)
    for channel, (mean, std) in enumerate(
        zip(manifest.normalisation.mean, manifest.normalisation.std, strict=True)
    ):
        plane = tensor[0, channel]
        np.multiply(resized[:, :, channel], np.float32(1 / (255 * std)), out=plane)
        plane -= np.float32(mean / std)
    return tensor


def fitted(image: NDArray[np.uint8], canvas: Canvas) -> NDArray[np.uint8]:
    """Return an RGB image [H, W, 3] uint8 at the canvas's input size, black where it does not cover it."""
    pixels = canvas.place((image.shape[0], image.shape[1])).pixels
    if pixels.size == canvas.input_size:
        return _resize(image, pixels.size)
    whole = np.zeros((*canvas.input_size, 3), np.uint8)
    whole[pixels.slices] = _resize(image, pixels.size)
    return whole


def graph_inputs(
    frames: NDArray[np.uint8], manifest: Manifest, largest: tuple[int, int] | None = None
) -> dict[str, NDArray[Any]]:
    """Return the inputs of a graph that resizes by itself, by name.

    Images larger than `largest` (H, W) on a side are brought to the network's size here. Raises ImageError.
    """
    check_frames(frames)
    if largest is not None and (frames.shape[1] > largest[0] or frames.shape[2] > largest[1]):
        # Of the input's own aspect ratio, they then cover all of it.
        frames = np.stack([fitted(frame, manifest.canvas) for frame in frames])
    size = frames.shape[1], frames.shape[2]
    rows, columns = interpolation(size, manifest.input_size, manifest.canvas.place(size).pixels)
    return {FRAMES: frames, ROWS: rows, COLUMNS: columns}


@lru_cache(maxsize=16)
def interpolation(
    size: tuple[int, int], target: tuple[int, int], pixels: Window | None = None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the matrices `rows` [h, H] and `columns` [w, W] that resize as `preprocess` does.

    A plane [H, W] of an image of `size` (H, W) becomes rows @ plane @ columns.T at `target` (h, w), to be
    rounded to whole numbers: GPUs resize so, in the network's own graph. The image covers `pixels` of the
    target, None for all; around it the weights are 0, and black comes out.
    """
    pixels = pixels or Window(0, 0, *target)
    weights = _area if _averages(size, pixels.size) else _linear
    rows, columns = (np.zeros(lengths, np.float32) for lengths in zip(target, size, strict=True))
    down, right = pixels.slices
    rows[down], columns[right] = (weights(*lengths) for lengths in zip(size, pixels.size, strict=True))
    rows.flags.writeable = columns.flags.writeable = False  # every caller gets the same
    return rows, columns


def _resize(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return the image stretched to `size` (h, w)."""
    method = cv2.INTER_AREA if _averages(image.shape[:2], size) else cv2.INTER_LINEAR
    resized: NDArray[np.uint8] = np.empty((*size, 3), np.uint8)
    if image.shape[:2] == (1, 1):  # OpenCV before 4.6 takes no colour image of one pixel
        resized[:] = image
        return resized
    cv2.resize(image, size[::-1], dst=resized, interpolation=method)
    return resized


def _averages(size: tuple[int, ...], target: tuple[int, int]) -> bool:
    """Whether areas are averaged, rather than neighbours interpolated.

    Beyond half the size, bilinear sampling leaves pixels out, and thin parts would alias away. Averaging over
    areas is for shrinking only: an enlarged side would come out in blocks.
    """
    factors = [length / wanted for length, wanted in zip(size, target, strict=True)]
    return max(factors) > 2 and min(factors) >= 1


def _linear(length: int, target: int) -> NDArray[np.float32]:
    """Weights [target, length] of the two nearest pixel centres; at the border, of the outermost alone."""
    at = np.clip((np.arange(target) + 0.5) * length / target - 0.5, 0, length - 1)
    weights: NDArray[np.float64] = np.maximum(0, 1 - np.abs(at[:, None] - np.arange(length)))
    return weights.astype(np.float32)


def _area(length: int, target: int) -> NDArray[np.float32]:
    """Weights [target, length]: the share of each pixel in the stretch that becomes one."""
    edges = np.arange(target + 1) * length / target
    pixels = np.arange(length)
    covered = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    weights: NDArray[np.float64] = np.maximum(0, covered) * target / length
    return weights.astype(np.float32)
