"""The depth and the camera that belong to a picture, read from files."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from selcon_ros.core.cameras.camera import Intrinsics
from selcon_ros.core.cameras.camera_files import read_camera
from selcon_ros.core.cameras.depth_points import check_metres
from selcon_ros.core.errors import DepthError
from selcon_ros.core.pictures.depth_files import read_depth
from selcon_ros.core.pictures.orientation import check_stored
from selcon_ros.core.pictures.pixel_limit import PixelLimit


@dataclass(frozen=True)
class Geometry:
    """The files that give poses: depth and calibration; rectified: use the calibration's P."""

    depth: Path
    camera: Path
    rectified: bool


def read_geometry(
    files: Geometry, stored: NDArray[np.uint8], orientation: int, limit: PixelLimit
) -> tuple[NDArray[np.float32], Intrinsics]:
    """Return the depth in metres and the camera of a picture [H, W, 3] as it is stored.

    `orientation` is the picture's, of EXIF. Raises DepthError, CameraError and ImageError, as the readers do
    and where they do not belong to the picture.
    """
    intrinsics, scale = read_camera(files.camera, files.rectified)
    metres = read_depth(files.depth, scale, limit, orientation)
    sizes = {
        str(files.depth): (metres.shape[1], metres.shape[0]),
        str(files.camera): (intrinsics.width, intrinsics.height),
    }
    check_stored(orientation, (stored.shape[1], stored.shape[0]), sizes)
    try:
        check_metres(metres, f"floats must be metres, whole numbers units of depth_scale, here {scale:g} m")
    except DepthError as error:
        raise DepthError(f"{files.depth}: {error}") from None
    return metres, intrinsics
