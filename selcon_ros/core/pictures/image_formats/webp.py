"""WebP (RFC 9649): walk the chunks of the RIFF file, and those of an animation's frames."""

from struct import unpack

from selcon_ros.core.pictures.image_formats.header import MAX_PARTS, ImageHeader
from selcon_ros.core.pictures.image_formats.tiff import exif_orientation

_ALPHA_FLAG = 0x10


def read_webp(content: bytes) -> ImageHeader | None:
    """The header of a WebP, or None where no picture's size is found in it."""
    # The container says its length, and decoders look at nothing behind it.
    content = content[: 8 + int.from_bytes(content[4:8], "little")]
    sizes: list[tuple[int, int]] = []
    orientation, alpha, whole, at = 1, False, False, 12
    for _ in range(MAX_PARTS):
        name, length = content[at : at + 4], int.from_bytes(content[at + 4 : at + 8], "little")
        start, end = at + 8, at + 8 + length
        if len(name) < 4 or start > len(content):
            break
        complete = end <= len(content)
        if name == b"VP8X" and length >= 10 and complete:
            alpha = bool(content[start] & _ALPHA_FLAG)
            sizes.append((_uint24(content, start + 4) + 1, _uint24(content, start + 7) + 1))
        elif name == b"ANMF" and length >= 16:
            sizes.append((_uint24(content, start + 6) + 1, _uint24(content, start + 9) + 1))
            at = start + 16  # the chunks of the frame follow
            continue
        elif name in (b"VP8 ", b"VP8L"):
            size = _lossy(content, start) if name == b"VP8 " else _lossless(content, start)
            if size is None:
                return None
            sizes.append(size)
            alpha |= name == b"VP8L"
            whole = complete
        elif name == b"EXIF" and complete:
            orientation = exif_orientation(content[start:end].removeprefix(b"Exif\0\0"))
        if not complete:
            whole = False
            break
        at = end + length % 2
    if not sizes:
        return None
    colours = "colour with alpha" if alpha else "colour"
    largest = max(width * height for width, height in sizes)
    return ImageHeader("WebP", *sizes[0], 8, colours, whole, orientation, largest)


def _uint24(content: bytes, at: int) -> int:
    return int.from_bytes(content[at : at + 3], "little")


def _lossy(content: bytes, at: int) -> tuple[int, int] | None:
    """RFC 6386, section 9.1: 14 bits each for width and height, then two for a scale."""
    if len(content) < at + 10 or content[at + 3 : at + 6] != b"\x9d\x01\x2a":
        return None
    width, height = unpack("<HH", content[at + 6 : at + 10])
    return width & 0x3FFF, height & 0x3FFF


def _lossless(content: bytes, at: int) -> tuple[int, int] | None:
    if len(content) < at + 5 or content[at] != 0x2F:
        return None
    (bits,) = unpack("<I", content[at + 1 : at + 5])
    return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
