"""A bundle's sample pictures, on which an engine built from it is compared with ONNX Runtime."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from selcon_ros.core.errors import BundleError
from selcon_ros.core.grounding.bundle import Bundle, sample_roles
from selcon_ros.core.pictures.image_decoding import decode
from selcon_ros.core.pictures.picture_files import read_image

MAX_SIDE_PIXELS = 640
"""Longer side in pixels; a larger picture is shrunk to it."""
MAX_TOTAL_PIXELS = 60_000_000
"""Of all pictures together: decoded they take 180 MB."""
JPEG_QUALITY = 92
"""Of the JPEG files: what a camera sees is several times larger as PNG."""


def sample_files(paths: Sequence[Path]) -> dict[str, bytes]:
    """Return the pictures in `paths` as files of a bundle by role: sample.1, sample.2 and so on.

    They are JPEG, with sides of at most MAX_SIDE_PIXELS, never enlarged. Raises ImageError for one that
    cannot be read.
    """
    return {f"sample.{number}": _encoded(read_image(path)) for number, path in enumerate(paths, 1)}


def read_samples(bundle: Bundle) -> list[NDArray[np.uint8]]:
    """Return the pictures [H, W, 3] uint8, RGB, of a bundle that was loaded with its `sample_roles`.

    Raises BundleError for a bundle that has none, and for one that is no image, naming it.
    """
    roles = sample_roles(bundle.manifest.files)
    if not roles:
        raise BundleError(
            f"bundle {bundle.path} has no sample pictures: make it with `selcon export --samples FOLDER`"
        )
    images: list[NDArray[np.uint8]] = []
    for role in roles:
        images.append(_decoded(bundle, role))
        if sum(image.shape[0] * image.shape[1] for image in images) > MAX_TOTAL_PIXELS:
            raise BundleError(
                f"bundle {bundle.path} has sample pictures of over {MAX_TOTAL_PIXELS / 1e6:g} million pixels "
                "in all: make it with smaller or fewer ones"
            )
    return images


def _encoded(image: NDArray[np.uint8]) -> bytes:
    height, width = image.shape[:2]
    scale = MAX_SIDE_PIXELS / max(height, width)
    if scale < 1:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    data = cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
    return data.tobytes()


def _decoded(bundle: Bundle, role: str) -> NDArray[np.uint8]:
    name = f"{bundle.manifest.files[role].path} of bundle {bundle.path}"
    image = decode(bundle.files[role], name, cv2.IMREAD_COLOR, BundleError)
    return np.ascontiguousarray(image[:, :, ::-1], np.uint8)
