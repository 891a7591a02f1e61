"""GIF 89a: walk the blocks to the end of the first frame and on to the last."""

from struct import unpack

from selcon_ros.core.image_formats.header import MOST_PARTS, ImageHeader

_FRAME, _EXTENSION = 0x2C, 0x21
_MOST_BLOCKS = 1_000_000
"""Of up to 255 bytes each."""


def read_gif(content: bytes) -> ImageHeader | None:
    """The header of a GIF, or None where it breaks off before its first frame."""
    if len(content) < 13:
        return None
    width, height, flags = unpack("<HHB", content[6:11])
    at, whole, largest = 13 + _table(flags), False, 0
    for _ in range(MOST_PARTS):
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
    """Where the sub-blocks that begin at ``at`` end; beyond the content if they break off."""
    for _ in range(_MOST_BLOCKS):
        if at >= len(content) or not content[at]:
            return at + 1
        at += 1 + content[at]
    return len(content) + 1
