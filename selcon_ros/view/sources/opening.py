"""Which kind of source a name on the command line means, and what goes with it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

from selcon_ros.core.cameras.picture_depth import Geometry
from selcon_ros.core.errors import SelconError
from selcon_ros.core.files.user_path import user_path
from selcon_ros.core.text import quoted
from selcon_ros.recording import BAG_NAME, TRUTH_NAME
from selcon_ros.view.sources.offline import CameraFeed

BAG_SUFFIXES = frozenset({".mcap", ".db3", ".bag"})
"""Endings of files that are bags."""
ACCEPTED_SOURCES = "a picture, a video, a bag, a recording, the number of a webcam or its /dev/video"


class SourceError(SelconError):
    """A source that is none, or that an option does not go with."""


@dataclass(frozen=True)
class Given:
    """What goes with some sources alone; None where it is not given.

    depth: of a picture its file, of a bag the topic. camera: a picture's calibration file. image,
    camera_info: topics of a bag; target_frame: one of its transforms. rectified: of a picture or a bag.
    """

    depth: str | None = None
    camera: Path | None = None
    image: str | None = None
    camera_info: str | None = None
    rectified: bool = False
    target_frame: str | None = None

    def only(self, what: str, *names: str) -> None:
        """Raise SourceError if anything but these is given."""
        for each in fields(self):
            if each.name not in names and getattr(self, each.name):
                option = each.name.replace("_", "-")
                raise SourceError(f"--{option} does not go with {what}")


def open_camera(name: str, given: Given) -> CameraFeed:
    """Return the camera that a name means. Raises SelconError where it is none or cannot be opened."""
    path = user_path(name, SourceError)
    number = name.isascii() and name.isdigit() and len(name) < 10  # as OpenCV counts
    if number or path.is_char_device():
        given.only("a webcam")
        from selcon_ros.view.sources.video import VideoCamera

        return VideoCamera(int(name) if number else path)
    if not path.exists():
        raise SourceError(f"there is no {quoted(name, 300)}: give {ACCEPTED_SOURCES}")
    if path.is_dir() and (path / BAG_NAME).is_file() and (path / TRUTH_NAME).is_file():
        given.only("a recording")
        from selcon_ros.view.sources.recording import RecordingCamera

        return RecordingCamera(path)
    if path.is_dir() or path.suffix.lower() in BAG_SUFFIXES:
        return _bag(path, given)
    from selcon_ros.view.sources.video import VIDEO_SUFFIXES, VideoCamera

    if path.suffix.lower() in VIDEO_SUFFIXES:
        given.only("a video")
        return VideoCamera(path)
    return _picture(path, given)


def _bag(path: Path, given: Given) -> CameraFeed:
    given.only("a bag", "depth", "image", "camera_info", "rectified", "target_frame")
    from selcon_ros.ros.parameters import Settings
    from selcon_ros.view.sources.bag import BagCamera

    settings = Settings(rectified=given.rectified, target_frame=given.target_frame or "")
    return BagCamera(path, given.image, given.depth, given.camera_info, settings)


def _picture(path: Path, given: Given) -> CameraFeed:
    given.only("a picture", "depth", "camera", "rectified")
    from selcon_ros.view.sources.picture import PictureCamera

    if (given.depth is None) != (given.camera is None):
        raise SourceError("--depth and --camera go together: the depth's unit and the focal length")
    if given.depth is None or given.camera is None:
        if given.rectified:
            raise SourceError("--rectified says how to read --camera, which is not given")
        return PictureCamera(path)
    depth = user_path(given.depth, SourceError)
    return PictureCamera(path, Geometry(depth, given.camera, given.rectified))
