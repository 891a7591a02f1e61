"""By how much the images of a camera must be turned to be upright, by where up is."""

from __future__ import annotations

import math
from collections.abc import Sequence

KEEP_DEGREES = 55.0
"""So far off upright a turn is kept: beyond 45°, where the next is as good, so that it does not flicker."""
STEEP_DEGREES = 20.0
"""A camera that looks so nearly straight up or down has no upright image."""


class UprightTurn:
    """Chooses the turn of one image after another of a camera, and keeps it while the camera wobbles."""

    def __init__(self) -> None:
        self._last: int | None = None

    def of(self, up: Sequence[float], otherwise: int) -> int:
        """Return by how many degrees clockwise an image is turned to be upright: 0, 90, 180 or 270.

        `up` [3] is the direction of up in the camera's optical frame (REP 103: x right, y down, z forward).
        Where the camera looks straight up or down the last turn is kept; `otherwise` is that of the first.
        """
        right, down, _ = up
        if math.hypot(right, down) < math.sin(math.radians(STEEP_DEGREES)) * math.hypot(*up):
            return otherwise if self._last is None else self._last
        # Clockwise from the image's top to where up is; turned back by that, the image is upright.
        leaning = math.degrees(math.atan2(right, -down))
        if self._last is None or abs(math.remainder(leaning + self._last, 360)) > KEEP_DEGREES:
            self._last = round(-leaning / 90) % 4 * 90
        return self._last
