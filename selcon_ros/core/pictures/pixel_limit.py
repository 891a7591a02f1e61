"""The largest picture that is read."""

from dataclasses import dataclass
from pathlib import Path

from selcon_ros.core.errors import SelconError

MAX_PIXELS = 40_000_000
"""Of a picture, unless told otherwise: decoded it takes 120 MB."""


@dataclass(frozen=True)
class PixelLimit:
    """The largest picture that is read, in pixels of at most four bytes; larger pixels count for more."""

    pixels: int = MAX_PIXELS
    remedy: str = "shrink it first"
    """What a user can do about a picture that is larger."""

    def check(self, name: str | Path, size: tuple[int, int], weight: int, fault: type[SelconError]) -> None:
        """Raise `fault` for an empty picture, or one over the limit.

        `size` is width and height, `weight` how many pixels of four bytes reading it takes.
        """
        width, height = size
        if width < 1 or height < 1:
            raise fault(f"{name} has {width} x {height} pixels: it is damaged")
        if weight > self.pixels:
            room = "" if weight <= width * height else f", which take the room of {_count(weight)}"
            raise fault(
                f"{name} has {width} x {height} pixels{room}; at most {_count(self.pixels)} "
                f"are read: {self.remedy}"
            )


DEFAULT_LIMIT = PixelLimit()


def _count(pixels: int) -> str:
    return str(pixels) if pixels < 10**6 else f"{pixels / 1e6:.6g} million"
