"""A recording of the demo, again and again at its own pace. Needs no ROS."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from selcon_ros.recording import FRAME_ID, RecordedFrame, Recording, read_recording
from selcon_ros.view.sources.offline import Shot


class RecordingCamera:
    """Plays a recording. Raises RecordingError for one that cannot be read, when it is made."""

    def __init__(self, folder: Path) -> None:
        self.title = f"recording {folder}"
        self._recording: Recording = read_recording(folder)

    def run(self, show: Callable[[Shot], None], stop: threading.Event) -> None:
        stamps = [frame.stamp_ns / 1e9 for frame in self._recording.frames]
        for index in paced(stamps, stop):
            show(shot_of(self._recording.frames[index]))


def shot_of(frame: RecordedFrame) -> Shot:
    """Return a recorded frame as a camera would give it."""
    metres = frame.depth_mm * np.float32(0.001)
    return Shot(frame.image, metres, frame.intrinsics, FRAME_ID, frame.stamp_ns / 1e9)


def paced(stamps: list[float], stop: threading.Event) -> Iterator[int]:
    """Yield the number of each stamp (in seconds, ascending) when it is due, from the start again after the
    last, until `stop` is set. One stamp alone is yielded once."""
    if len(stamps) == 1:
        yield 0
        return
    due = [stamp - stamps[0] for stamp in stamps]
    lap = due[-1] + float(np.median(np.diff(due)))
    began, index = time.monotonic(), 0
    while not stop.wait(max(0.0, began + due[index] - time.monotonic())):
        yield index
        index += 1
        if index == len(stamps):
            # Where playing takes longer than the recording, nothing is made up for.
            began, index = max(began + lap, time.monotonic() - lap), 0
