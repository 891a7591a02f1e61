"""Takes frames from a source and hands them to whatever shows them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from selcon_ros.view.scene import ViewFrame
from selcon_ros.view.sources.base import FrameSource

MIN_PERIOD_SECONDS = 0.1
"""Seconds between two frames, at least."""


class Viewer(Protocol):
    """Shows frames: the page, or a recorder."""

    @property
    def wanted(self) -> bool:
        """Whether anybody looks: nothing is computed for nobody."""

    def show(self, frame: ViewFrame) -> None:
        """Replace what is shown."""


def run(source: FrameSource, viewers: Sequence[Viewer], stopped: Callable[[float], bool]) -> None:
    """Show the newest frames of a started source until `stopped`, which waits so many seconds, says so.

    Raises SelconError when the source has no more.
    """
    while not stopped(0.0):
        looking = [viewer for viewer in viewers if viewer.wanted]
        if not looking:
            stopped(MIN_PERIOD_SECONDS)
            continue
        began = time.monotonic()
        frame = source.newest(MIN_PERIOD_SECONDS)
        if frame is None:
            continue
        for viewer in looking:
            viewer.show(frame)
        stopped(max(0.0, began + MIN_PERIOD_SECONDS - time.monotonic()))
