"""How far a grasp point lies from the part it was meant for, by the recording's truth."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from selcon_ros.core.cameras.depth_points import deproject
from selcon_ros.recording import PartLabel, RecordedFrame, Recording


@dataclass(frozen=True)
class Nearest:
    """The true part nearest to a grasp point, and its distance in metres."""

    label: PartLabel
    distance: float


class DemoTruth:
    """Finds the recorded frame behind a camera message, and the parts seen in it."""

    def __init__(self, recording: Recording) -> None:
        self._labels = recording.labels
        self._frames = {_digest(frame.image): frame for frame in recording.frames}

    def frame(self, image: NDArray[np.uint8]) -> RecordedFrame | None:
        """The recorded frame with exactly these pixels (H×W×3 uint8 RGB), or None."""
        return self._frames.get(_digest(image))

    def nearest(
        self, frame: RecordedFrame, action: str, position: tuple[float, float, float]
    ) -> Nearest | None:
        """The part affording `action` with the visible point nearest to `position` (m, optical frame).

        None where no such part with valid depth is in view.
        """
        points = deproject(frame.depth_mm * np.float32(0.001), frame.intrinsics)
        distances = np.linalg.norm(points - np.asarray(position, np.float32), axis=2)
        found: Nearest | None = None
        for number, label in self._labels.items():
            on_part = distances[(frame.labels == number) & np.isfinite(distances)]
            if label.action == action and on_part.size:
                distance = float(on_part.min())
                if found is None or distance < found.distance:
                    found = Nearest(label, distance)
        return found


def _digest(image: NDArray[np.uint8]) -> bytes:
    return hashlib.sha256(image.tobytes()).digest()
