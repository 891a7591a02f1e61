"""One picture from a file, with depth and calibration where they are given."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from selcon_ros.core.cameras.picture_depth import Geometry, read_geometry
from selcon_ros.core.errors import ImageError
from selcon_ros.core.pictures.orientation import upright
from selcon_ros.core.pictures.picture_files import read_stored
from selcon_ros.core.pictures.pixel_limit import DEFAULT_LIMIT
from selcon_ros.view.sources.offline import Shot


class PictureCamera:
    """Shows one picture once.

    Raises ImageError, DepthError and CameraError for files that cannot be used, when it is made.
    """

    def __init__(self, path: Path, geometry: Geometry | None = None) -> None:
        self.title = str(path)
        stored, orientation = read_stored(path)
        if geometry is None:
            note = "one picture without depth: no cloud and no poses (--depth and --camera give them)"
            self._shot = Shot(upright(stored, orientation), notes=(note,))
            return
        if orientation != 1:
            raise ImageError(
                f"{path} has EXIF orientation {orientation}, and its depth belongs to it as it is stored: "
                "store it without one (exiftool -Orientation= takes it away), or leave --depth out"
            )
        metres, intrinsics = read_geometry(geometry, stored, orientation, DEFAULT_LIMIT)
        self._shot = Shot(stored, metres, intrinsics)

    def run(self, show: Callable[[Shot], None], stop: threading.Event) -> None:
        show(self._shot)
