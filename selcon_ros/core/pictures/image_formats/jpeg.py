"""JPEG (ITU-T T.81): walk the markers from the start of the picture to its end."""

import re
from struct import unpack

from selcon_ros.core.pictures.image_formats.header import MAX_PARTS, ImageHeader
from selcon_ros.core.pictures.image_formats.tiff import exif_orientation

MAGIC, END_OF_IMAGE = b"\xff\xd8\xff", b"\xff\xd9"
# Not 0xFF00, a byte of a scan's data, nor the restart marks in it.
_MARKER = re.compile(rb"\xff([\x01-\xcf\xd8-\xfe])")
_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_ALONE, _BEGIN, _END, _SCAN, _APP1 = 0x01, 0xD8, 0xD9, 0xDA, 0xE1
_COLOURS = {1: "grey", 3: "colour", 4: "cmyk"}
_MAX_SCANS = 200
"""Each scan costs a pass over the whole picture; encoders make about ten."""


def read_jpeg(content: bytes) -> ImageHeader | None:
    """The header of a JPEG, or None where its segments are damaged.

    Segments are stepped over, with the thumbnails and profiles in them. In a scan a mark's first byte is
    always escaped, so the first end mark outside of segments is the picture's. One that is cut inside its
    scan and goes on with another picture's start is not whole; one that goes on with the rest of another
    picture's scan cannot be told from a whole one without decoding it.
    """
    at, marker, scans, whole, orientation = len(MAGIC) - 1, _BEGIN, 0, False, 1
    frame: tuple[int, int, int, int] | None = None
    for _ in range(MAX_PARTS):
        found = _MARKER.search(content, at)
        if found is None or (scans > 0 and marker != _SCAN and content[at] != 0xFF):
            break  # behind the first scan, more than a mark behind a segment is another picture's
        marker, at = found[1][0], found.end()
        if marker == _ALONE:
            continue
        if marker in (_BEGIN, _END):
            whole = marker == _END and scans > 0
            break
        length = int.from_bytes(content[at : at + 2], "big")
        if length < 2 or at + length > len(content):
            break
        if marker in _FRAMES:
            if frame is not None or length < 8:  # a picture has one
                break
            frame = unpack(">BHHB", content[at + 2 : at + 8])
        elif marker == _APP1 and content.startswith(b"Exif\0\0", at + 2) and orientation == 1:
            orientation = exif_orientation(content[at + 8 : at + length])
        elif marker == _SCAN:
            scans += 1
        at += length
    if frame is None or scans > _MAX_SCANS:
        return None
    bits, height, width, channels = frame
    colours = _COLOURS.get(channels, f"{channels} channels")
    return ImageHeader("JPEG", width, height, bits, colours, whole, orientation)
