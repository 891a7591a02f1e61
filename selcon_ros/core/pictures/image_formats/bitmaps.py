"""PBM, PGM and PPM (P1 to P6), GIF, and BMP with a header of OS/2 (12 bytes) or Windows (40 and more)."""

import re
from struct import unpack

from selcon_ros.core.pictures.image_formats.header import MAX_PARTS, ImageHeader

_NUMBER = re.compile(rb"(?:\s|#[^\r\n]*[\r\n])+(\d{1,9})(?=\s)")
_BITMAP, _GREY = (b"1", b"4"), (b"2", b"5")


def read_pnm(content: bytes) -> ImageHeader | None:
    """The header of a PNM file, or None where its numbers are not found."""
    kind, at = content[1:2], 2
    numbers: list[int] = []
    for _ in range(2 if kind in _BITMAP else 3):
        found = _NUMBER.match(content, at, at + 10_000)
        if found is None:
            return None
        numbers.append(int(found[1]))
        at = found.end()
    width, height = numbers[:2]
    most = numbers[2] if len(numbers) > 2 else 1
    if not 0 < most <= 65535:
        return None
    bits, channels = (16 if most > 255 else 8), (1 if kind in _BITMAP + _GREY else 3)
    if kind == b"4":
        needed = (width + 7) // 8 * height
    elif kind in (b"5", b"6"):
        needed = width * height * channels * bits // 8
    else:  # in words: a digit each, in bitmaps with nothing between them
        needed = width * height * channels * (1 if kind in _BITMAP else 2) - 1
    colours = "grey" if channels == 1 else "colour"
    whole = at + 1 + needed <= len(content)
    # OpenCV scales values of 8 bits in words, and no others; bitmaps have no such value.
    scaled = most == 2**bits - 1 or (bits == 8 and kind not in (b"5", b"6"))
    return ImageHeader("PNM", width, height, bits, colours, whole, most=0 if scaled else most)


_FRAME, _EXTENSION = 0x2C, 0x21
_MAX_BLOCKS = 1_000_000
"""Of up to 255 bytes each."""


def read_gif(content: bytes) -> ImageHeader | None:
    """The header of a GIF, or None where it breaks off before its first frame."""
    if len(content) < 13:
        return None
    width, height, flags = unpack("<HHB", content[6:11])
    at, whole, largest = 13 + _table(flags), False, 0
    for _ in range(MAX_PARTS):
        if content[at : at + 1] == bytes([_EXTENSION]):
            at = _skip(content, at + 2)
        elif content[at : at + 1] == bytes([_FRAME]) and len(content) >= at + 10:
            across, down, flags = unpack("<HHB", content[at + 5 : at + 10])
            largest = max(largest, across * down)
            at = _skip(content, at + 11 + _table(flags))
            whole |= at <= len(content)
        else:
            break
        if at > len(content):
            break
    # A transparent colour makes four channels of the palette.
    return ImageHeader("GIF", width, height, 8, "palette", whole, 1, largest) if largest else None


def _table(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _skip(content: bytes, at: int) -> int:
    """Where the sub-blocks that begin at `at` end; beyond the content if they break off."""
    for _ in range(_MAX_BLOCKS):
        if at >= len(content) or not content[at]:
            return at + 1
        at += 1 + content[at]
    return len(content) + 1


_OLD_HEADER_BYTES = 12
_UNCOMPRESSED, _MASKS = 0, 3


def read_bmp(content: bytes) -> ImageHeader | None:
    """The header of a BMP, or None where it breaks off. A negative height means rows from the top."""
    if len(content) < 26:
        return None
    start, length = unpack("<II", content[10:18])
    compression = _UNCOMPRESSED
    if length == _OLD_HEADER_BYTES:
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
