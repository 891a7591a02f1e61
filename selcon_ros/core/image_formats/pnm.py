"""PBM, PGM and PPM (P1 to P6): numbers in words, then pixels in words or bytes."""

import re

from selcon_ros.core.image_formats.header import ImageHeader

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
