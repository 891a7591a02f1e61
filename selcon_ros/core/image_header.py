"""What a JPEG or PNG file says about itself, found without decoding it: size, colours, and whether its end is
there."""

from dataclasses import dataclass
from struct import unpack
from typing import Literal

JPEG_START, JPEG_END = b"\xff\xd8", b"\xff\xd9"
PNG_START, PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"
# Markers of a frame (its size follows), and those that stand alone.
JPEG_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
JPEG_SCAN = 0xDA
JPEG_ALONE = frozenset({0x01, *range(0xD0, 0xD8)})
JPEG_COLOURS = {1: "grey", 3: "colour", 4: "cmyk"}
PNG_COLOURS = {0: "grey", 2: "colour", 3: "palette", 4: "grey with alpha", 6: "colour with alpha"}


@dataclass(frozen=True)
class ImageHeader:
    """Width and height in pixels as stored (before any EXIF rotation), bits per channel, kind of colours."""

    kind: Literal["JPEG", "PNG"]
    width: int
    height: int
    bits: int
    colours: str
    whole: bool
    """Whether the mark that ends the file is there. Some decoders fill what is missing with grey."""

    @property
    def pixels(self) -> int:
        """Width times height."""
        return self.width * self.height


def read_header(content: bytes) -> ImageHeader | None:
    """The header of a JPEG or PNG file, or None if ``content`` is neither or breaks off before its size."""
    if content.startswith(JPEG_START):
        return _jpeg(content)
    if content.startswith(PNG_START) and len(content) >= 26:
        width, height, bits, colours = unpack(">IIBB", content[16:26])
        named = PNG_COLOURS.get(colours, f"type {colours}")
        return ImageHeader("PNG", width, height, bits, named, content.rfind(PNG_END) > 0)
    return None


def _jpeg(content: bytes) -> ImageHeader | None:
    """Walk the segments up to the first scan: thumbnails and profiles, which hold marks too, are stepped
    over. Inside a scan a mark's first byte is always escaped, so the end mark found after it is real."""
    at, frame = len(JPEG_START), None
    while at + 4 <= len(content):
        if content[at] != 0xFF:
            return None
        marker = content[at + 1]
        if marker == 0xFF or marker in JPEG_ALONE:
            at += 1 if marker == 0xFF else 2
            continue
        if marker in JPEG_FRAMES and at + 10 <= len(content):
            frame = unpack(">BHHB", content[at + 4 : at + 10])
        if marker == JPEG_SCAN:
            break
        at += 2 + int.from_bytes(content[at + 2 : at + 4], "big")
    if frame is None:
        return None
    bits, height, width, channels = frame
    colours = JPEG_COLOURS.get(channels, f"{channels} channels")
    return ImageHeader("JPEG", width, height, bits, colours, content.rfind(JPEG_END, at) > 0)
