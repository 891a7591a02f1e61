"""A webcam, or a video file again and again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from selcon_ros.core.errors import SelconError
from selcon_ros.view.sources.offline import Shot

NO_DEPTH_NOTE = "a camera without depth: no cloud and no poses"
VIDEO_SUFFIXES = frozenset({".mp4", ".avi", ".mkv", ".mov", ".webm", ".m4v", ".mpg", ".mpeg"})
"""Of video files."""
RATE_RANGE = (1.0, 120.0)
"""Pictures a second of a video file, as far as what it says of itself is believed."""
MAX_MISSED = 10
"""Pictures that a webcam may fail to give, one after the other."""


class VideoError(SelconError):
    """A webcam or a video that gives no pictures."""


class VideoCamera:
    """Shows the pictures of a webcam (its number or its device) as they come, of a video file at its rate.

    Raises VideoError where it cannot be opened, when it is made.
    """

    def __init__(self, device: int | Path) -> None:
        self._device = device
        self._live = isinstance(device, int) or not device.is_file()
        self.title = f"webcam {device}" if self._live else f"video {device}"
        self._capture = self._open()

    def run(self, show: Callable[[Shot], None], stop: threading.Event) -> None:
        try:
            for picture in self._live_pictures(stop) if self._live else self._played(stop):
                rgb = np.ascontiguousarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)
                show(Shot(rgb, frame_id=self.title, stamp=time.time(), notes=(NO_DEPTH_NOTE,)))
        finally:
            self._capture.release()

    def _open(self) -> Any:
        with _silent():
            # Not whatever OpenCV guesses from a name: a text could be the address of a stream.
            capture = cv2.VideoCapture(self._device if isinstance(self._device, int) else str(self._device))
        if not capture.isOpened():
            capture.release()
            remedy = (
                "is it plugged in, used by another program, or not allowed to you? ls -l /dev/video*"
                if self._live
                else "it is no video that OpenCV reads"
            )
            raise VideoError(f"{self.title} cannot be opened: {remedy}")
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # the newest picture, not the oldest that waits
        return capture

    def _live_pictures(self, stop: threading.Event) -> Iterator[Any]:
        missed = 0
        while not stop.is_set():
            done, picture = self._capture.read()
            if done:
                missed = 0
                yield picture
                continue
            missed += 1
            if missed > MAX_MISSED:
                raise VideoError(f"{self.title} gives no more pictures: plug it in and start again")
            stop.wait(0.1)

    def _played(self, stop: threading.Event) -> Iterator[Any]:
        said = self._capture.get(cv2.CAP_PROP_FPS)
        rate = min(max(said, RATE_RANGE[0]), RATE_RANGE[1]) if said == said else RATE_RANGE[1]
        due, since = time.monotonic(), 0
        while not stop.wait(max(0.0, due - time.monotonic())):
            done, picture = self._capture.read()
            if done:
                due, since = max(due + 1 / rate, time.monotonic() - 1.0), since + 1
                yield picture
                continue
            if since == 0:
                raise VideoError(f"{self.title} has no picture that OpenCV reads")
            since = 0
            self._capture.release()
            self._capture = self._open()


@contextmanager
def _silent() -> Iterator[None]:
    """Within this, OpenCV does not tell on stderr what it has tried."""
    logging = getattr(getattr(cv2, "utils", None), "logging", None)
    if logging is None:  # an old OpenCV
        yield
        return
    before = logging.getLogLevel()
    logging.setLogLevel(logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        logging.setLogLevel(before)
