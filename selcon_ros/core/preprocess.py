"""From a camera image to the network's input."""

import cv2
import numpy as np
from numpy.typing import NDArray

from selcon_ros.core.errors import ImageError
from selcon_ros.core.manifest import Manifest


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

    The image is stretched to the manifest's input size (the test transform of section "Inference"),
    divided by 255 and normalised with the manifest's mean and std. Raises ImageError.
    """
    check_image(image)
    height, width = manifest.input_size
    down, right = image.shape[0] / height, image.shape[1] / width
    # Beyond half the size, bilinear sampling leaves pixels out, and thin parts would alias away.
    # Averaging over areas is for shrinking only: an enlarged side would come out in blocks.
    method = cv2.INTER_AREA if max(down, right) > 2 and min(down, right) >= 1 else cv2.INTER_LINEAR
    resized = cv2.resize(image, (width, height), interpolation=method)
    tensor = np.empty((1, 3, height, width), np.float32)
    for channel, (mean, std) in enumerate(
        zip(manifest.normalisation.mean, manifest.normalisation.std, strict=True)
    ):
        plane = tensor[0, channel]
        np.multiply(resized[:, :, channel], np.float32(1 / (255 * std)), out=plane)
        plane -= np.float32(mean / std)
    return tensor
