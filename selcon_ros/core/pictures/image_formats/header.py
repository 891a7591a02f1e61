"""What is known of an image file before it is decoded."""

from dataclasses import dataclass
from typing import Literal

ImageFormat = Literal["JPEG", "PNG", "WebP", "BMP", "TIFF", "GIF", "PNM"]
CHANNELS = {"grey": 1, "palette": 3, "grey with alpha": 2, "colour": 3, "colour with alpha": 4, "cmyk": 4}
MAX_PARTS = 100_000
"""Of segments, chunks or blocks of a file: one that has more is taken for damaged."""


@dataclass(frozen=True)
class ImageHeader:
    """Width and height in pixels as stored (before any rotation), bits per channel, kind of colours."""

    kind: ImageFormat
    width: int
    height: int
    bits: int
    colours: str
    whole: bool
    """Whether the pixels' data are there to their end; what lies behind that end does not count."""
    orientation: int = 1
    """EXIF's, 1..8: how the picture must be turned to stand upright; 1 where the file says nothing."""
    largest: int = 0
    """Pixels of the largest part that a decoder may allocate where that is not width times height: a frame,
    a strip, a tile, another size that the file also claims."""

    most: int = 0
    """The value that stands for white where that is not the largest of so many bits, and the decoder does not
    scale by it."""

    @property
    def pixels(self) -> int:
        """Width times height."""
        return self.width * self.height

    @property
    def channels(self) -> int:
        """Channels of the decoded pixels; a palette has three."""
        known = CHANNELS.get(self.colours)
        return known if known is not None else int(self.colours.split()[0])

    @property
    def weight(self) -> int:
        """Pixels of four bytes that decoding takes: what a limit of pixels is compared with."""
        size = max(4, self.channels * max(1, self.bits // 8))
        return max(self.pixels, self.largest) * size // 4


def colours_of(channels: int) -> str:
    """The words for a number of channels."""
    names = {1: "grey", 2: "grey with alpha", 3: "colour", 4: "colour with alpha"}
    return names.get(channels, f"{channels} channels")
