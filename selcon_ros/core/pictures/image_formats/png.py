"""PNG (ISO/IEC 15948, third edition): walk the chunks."""

from struct import unpack

from selcon_ros.core.pictures.image_formats.header import MAX_PARTS, ImageHeader
from selcon_ros.core.pictures.image_formats.tiff import exif_orientation

MAGIC = b"\x89PNG\r\n\x1a\n"
END_OF_IMAGE = b"\0\0\0\0IEND\xaeB`\x82"
_COLOURS = {0: "grey", 2: "colour", 3: "palette", 4: "grey with alpha", 6: "colour with alpha"}


def read_png(content: bytes) -> ImageHeader | None:
    """The header of a PNG, or None where its first chunk is not the one that says the size."""
    if not content.startswith(b"\0\0\0\rIHDR", len(MAGIC)) or len(content) < 33:
        return None
    width, height, bits, colours = unpack(">IIBB", content[16:26])
    at, whole, orientation, largest = 33, False, 1, 0
    for _ in range(MAX_PARTS):
        length, name = int.from_bytes(content[at : at + 4], "big"), content[at + 4 : at + 8]
        if name == b"IEND":
            whole = content.startswith(END_OF_IMAGE, at)
            break
        if name == b"IHDR":
            return None
        if at + 12 + length > len(content) or not name.isalpha():
            break
        if name == b"eXIf":
            orientation = exif_orientation(content[at + 8 : at + 8 + length])
        elif name == b"fcTL" and length == 26:  # a frame of an animation
            across, down = unpack(">II", content[at + 12 : at + 20])
            largest = max(largest, across * down)
        at += 12 + length
    named = _COLOURS.get(colours, "4 channels of an unknown kind")
    return ImageHeader("PNG", width, height, bits, named, whole, orientation, largest)
