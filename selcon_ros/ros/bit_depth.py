"""Whether a camera of 10 or 12 bits fills only the lower bits of a 16-bit encoding."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from selcon_ros.core.text import quoted

MIN_IMAGES = 10
"""In a row whose values are small before anything is said: a camera starts dark."""
_FULL_RANGE = 2**16 - 1


class BitDepth:
    """Watches the largest value of 16-bit images. It is a suspicion: a dark scene looks alike."""

    def __init__(self) -> None:
        self._images = self._largest = 0
        self._encoding = ""

    def look(self, encoding: str, values: npt.NDArray[Any]) -> None:
        """Take note of an image's values before they become 8 bits. A black image says nothing."""
        largest = int(values.max(initial=0)) if values.dtype == np.uint16 else _FULL_RANGE
        if encoding != self._encoding or largest >= 2**12:
            self._encoding, self._images, self._largest = encoding, 0, 0
        if 0 < largest < 2**12:
            self._images += 1
            self._largest = max(self._largest, largest)

    @property
    def suspicion(self) -> str | None:
        """What to tell the user, or None."""
        if self._images < MIN_IMAGES:
            return None
        bits = max(8, self._largest.bit_length())
        return (
            f"the values of the last {self._images} images, of encoding {quoted(self._encoding)}, reach only "
            f"{self._largest} of {_FULL_RANGE}: are these {bits} bits? Then the model sees a nearly black "
            "picture: let the camera send 8 bits, or scale its values to 16. A dark scene looks alike"
        )
