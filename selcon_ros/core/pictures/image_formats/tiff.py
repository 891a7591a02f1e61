"""TIFF 6.0, and EXIF data, which has the same form: read the entries of the first directory."""

from collections.abc import Set
from struct import calcsize, error, unpack_from

from selcon_ros.core.pictures.image_formats.header import MAX_PARTS, ImageHeader, colours_of

MAGICS = (b"II*\0", b"MM\0*")
_TYPES = {1: "B", 3: "H", 4: "I"}
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _COLOURS, _ORIENTATION = 256, 257, 258, 259, 262, 274
_STRIPS, _STRIP_SIZES, _TILES, _TILE_SIZES = 273, 279, 324, 325
_CHANNELS, _STRIP_ROWS, _TILE_WIDTH, _TILE_HEIGHT, _EXTRA = 277, 278, 322, 323, 338
_KNOWN_TAGS = frozenset({
    _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _COLOURS, _ORIENTATION, _STRIPS, _STRIP_SIZES, _TILES, _TILE_SIZES,
    _CHANNELS, _STRIP_ROWS, _TILE_WIDTH, _TILE_HEIGHT,
})  # fmt: skip
_SINGLE_VALUE_TAGS = (
    _WIDTH, _HEIGHT, _COMPRESSION, _COLOURS, _CHANNELS, _STRIP_ROWS, _TILE_WIDTH, _TILE_HEIGHT
)  # fmt: skip
_ALL_ROWS = 2**32 - 1
_CCITT, _LZW, _JPEG, _DEFLATE, _PACKED = (2, 3, 4), 5, 7, (8, 32946), 32773
_COMPRESSIONS = frozenset({1, *_CCITT, _LZW, _JPEG, *_DEFLATE, _PACKED})
_PALETTE_COLOURS = 3


def read_tiff(content: bytes) -> ImageHeader | None:
    """The header of a TIFF's first picture, or None where its directory is damaged or cannot be judged."""
    entries = _entries(content)
    if entries is None:
        return None
    values = {tag: numbers for tag, (numbers, _) in entries.items()}
    if any(len(values.get(tag, (0,))) != 1 for tag in _SINGLE_VALUE_TAGS):
        return None

    def one(tag: int, default: int) -> int:
        return values[tag][0] if tag in values else default

    width, height, channels = one(_WIDTH, 0), one(_HEIGHT, 0), one(_CHANNELS, 1)
    if one(_COMPRESSION, 1) not in _COMPRESSIONS or channels < 1:
        return None
    rows = one(_STRIP_ROWS, _ALL_ROWS)
    largest = 0 if rows == _ALL_ROWS else width * rows
    if _TILE_WIDTH in values:
        largest = one(_TILE_WIDTH, 0) * one(_TILE_HEIGHT, 0)
    parts = _TILES if _TILES in values else _STRIPS
    sizes = values.get(_TILE_SIZES if parts == _TILES else _STRIP_SIZES, ())
    ends = [start + size for start, size in zip(values.get(parts, ()), sizes, strict=False)]
    colours = "palette" if one(_COLOURS, 0) == _PALETTE_COLOURS else colours_of(channels)
    bits = max(values.get(_BITS) or (1,))
    whole = max(ends, default=0) <= len(content)
    return ImageHeader("TIFF", width, height, bits, colours, whole, _orientation(entries), largest)


def exif_orientation(content: bytes) -> int:
    """The orientation 1..8 that EXIF data say, without the `Exif` before them; 1 where they say none."""
    return _orientation(_entries(content, {_ORIENTATION}) or {}) if content.startswith(MAGICS) else 1


def decoded_as_stored(content: bytes) -> bytes:
    """A copy of a TIFF that OpenCV decodes to the colours that it holds, in the raster that it holds them.

    It says no orientation, for OpenCV turns it unasked, and 16 bit ones the wrong way; and that alpha is
    multiplied in already, for libtiff does it otherwise, so that transparent pixels become black.
    """
    for numbers, at in (_entries(content, {_ORIENTATION, _EXTRA}) or {}).values():
        if numbers and numbers[0] != 1:  # 1 is upright, and alpha that is multiplied in
            one = b"\1\0" if content.startswith(MAGICS[0]) else b"\0\1"
            content = content[:at] + one + content[at + 2 :]
    return content


def _orientation(entries: dict[int, tuple[tuple[int, ...], int]]) -> int:
    numbers, _ = entries.get(_ORIENTATION, ((1,), 0))
    return numbers[0] if len(numbers) == 1 and 1 <= numbers[0] <= 8 else 1


def _entries(content: bytes, wanted: Set[int] = _KNOWN_TAGS) -> dict[int, tuple[tuple[int, ...], int]] | None:
    """The numbers of the wanted tags, and where they stand; None where the directory breaks off, or has one
    of them twice or as another type than whole numbers."""
    order = "<" if content.startswith(MAGICS[0]) else ">"
    entries: dict[int, tuple[tuple[int, ...], int]] = {}
    try:
        (start,) = unpack_from(f"{order}I", content, 4)
        (count,) = unpack_from(f"{order}H", content, start)
        for number in range(count):
            at = start + 2 + 12 * number
            tag, kind, length = unpack_from(f"{order}HHI", content, at)
            if tag not in wanted:
                continue
            if tag in entries or kind not in _TYPES or length > MAX_PARTS:
                return None
            form = f"{order}{length}{_TYPES[kind]}"
            at += 8
            if calcsize(form) > 4:
                (at,) = unpack_from(f"{order}I", content, at)
            if at + calcsize(form) > len(content):
                return None
            entries[tag] = unpack_from(form, content, at), at
    except error:
        return None
    return entries
