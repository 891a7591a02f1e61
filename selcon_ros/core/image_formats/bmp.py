"""BMP: the file header and the one after it, of OS/2 (12 bytes) or Windows (40 and more)."""

from struct import unpack

from selcon_ros.core.image_formats.header import ImageHeader

_OLD = 12
_UNCOMPRESSED, _MASKS = 0, 3


def read_bmp(content: bytes) -> ImageHeader | None:
    """The header of a BMP, or None where it breaks off. A negative height means rows from the top."""
    if len(content) < 26:
        return None
    start, length = unpack("<II", content[10:18])
    compression = _UNCOMPRESSED
    if length == _OLD:
        width, height, _, depth = unpack("<HHHH", content[18:26])
    elif length >= 36 and len(content) >= 34:
        width, height, _, depth, compression = unpack("<iiHHI", content[18:34])
    else:
        return None
    width, height = abs(width), abs(height)
    whole = True
    if compression in (_UNCOMPRESSED, _MASKS):
        whole = start + (width * depth + 31) // 32 * 4 * height <= len(content)
    colours = {32: "colour with alpha", 24: "colour", 16: "colour"}.get(depth, "palette")
    return ImageHeader("BMP", width, height, 8, colours, whole)
