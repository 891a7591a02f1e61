"""What an image file says about itself, found without decoding it: format, size, colours, orientation, and
whether its data are all there."""

from collections.abc import Callable

from selcon_ros.core.pictures.image_formats import bitmaps, jpeg, png, tiff, webp
from selcon_ros.core.pictures.image_formats.header import ImageFormat, ImageHeader

__all__ = ["FORMATS", "ImageHeader", "image_format", "read_header"]

_READERS: dict[ImageFormat, Callable[[bytes], ImageHeader | None]] = {
    "JPEG": jpeg.read_jpeg,
    "PNG": png.read_png,
    "WebP": webp.read_webp,
    "BMP": bitmaps.read_bmp,
    "TIFF": tiff.read_tiff,
    "GIF": bitmaps.read_gif,
    "PNM": bitmaps.read_pnm,
}
FORMATS: tuple[str, ...] = tuple(_READERS)
"""The formats whose size is known before they are decoded; no other is."""
_FORMAT_OF_MAGIC: dict[bytes, str] = {
    jpeg.MAGIC: "JPEG",
    png.MAGIC: "PNG",
    b"BM": "BMP",
    **dict.fromkeys(tiff.MAGICS, "TIFF"),
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    # Those that OpenCV may read, or that people have, and that are named when they are refused.
    b"II+\0": "BigTIFF",
    b"MM\0+": "BigTIFF",
    b"\0\0\0\x0cjP  ": "JPEG 2000",
    b"\xff\x4f\xff\x51": "JPEG 2000",
    b"\xff\x0a": "JPEG XL",
    b"\0\0\0\x0cJXL ": "JPEG XL",
    b"v/1\x01": "OpenEXR",
    b"#?R": "Radiance HDR",
    b"\x59\xa6\x6a\x95": "Sun raster",
    b"P7": "PAM",
    b"Pf": "PFM",
    b"PF": "PFM",
    b"%PDF": "PDF",
    b"8BPS": "Photoshop",
}


def image_format(content: bytes) -> str | None:
    """The name of the format that `content` begins like, one of `FORMATS` or another; None if unknown."""
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "WebP"
    if content[:1] == b"P" and content[1:2] in b"123456" and content[2:3].isspace():
        return "PNM"
    if content[4:8] == b"ftyp":
        return "AVIF" if content[8:12] in (b"avif", b"avis") else "HEIC"
    return next((name for start, name in _FORMAT_OF_MAGIC.items() if content.startswith(start)), None)


def read_header(content: bytes) -> ImageHeader | None:
    """The header of an image file of one of `FORMATS`, or None if `content` is none, or breaks off before
    its size, or contradicts itself."""
    kind = image_format(content)
    return _READERS[kind](content) if kind in _READERS else None  # type: ignore[index]
