"""Which kind of source a name on the command line means."""

from __future__ import annotations

from pathlib import Path

from selcon_ros.core.errors import SelconError
from selcon_ros.core.picture_depth import Geometry
from selcon_ros.core.user_path import user_path
from selcon_ros.recording import BAG_NAME, TRUTH_NAME
from selcon_ros.view.sources.offline import Camera


def camera_of(name: str, depth: Path | None, camera: Path | None, rectified: bool) -> Camera:
    """Return the camera that a name means. Raises SelconError."""
    path = user_path(name, SelconError)
    if path.is_dir() and (path / BAG_NAME).is_file() and (path / TRUTH_NAME).is_file():
        from selcon_ros.view.sources.recording import RecordingCamera

        return RecordingCamera(path)
    from selcon_ros.view.sources.picture import PictureCamera

    geometry = Geometry(depth, camera, rectified) if depth is not None and camera is not None else None
    return PictureCamera(path, geometry)
