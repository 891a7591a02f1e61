"""A picture over the limit is refused by its header, in every format, also where it hides its size."""

import io
import zlib
from struct import pack, unpack_from

import cv2
import numpy as np
import pytest
from PIL import Image

from selcon_ros.core.errors import ImageError
from selcon_ros.core.pictures.image_decoding import decode
from selcon_ros.core.pictures.pixel_limit import PixelLimit

HEIGHT, WIDTH = 30, 50
PIXELS = HEIGHT * WIDTH
PICTURE = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
PIL = Image.fromarray(PICTURE)

TRANSPARENT = Image.fromarray(np.dstack([PICTURE, PICTURE[..., 0]]))


def saved(kind: str, image: Image.Image = PIL, **options: object) -> bytes:
    data = io.BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


def deep(ending: str, channels: int) -> bytes:
    values = np.ones((HEIGHT, WIDTH, channels), np.uint16)
    return cv2.imencode(ending, values)[1].tobytes()


FORMATS = {
    "jpeg": saved("JPEG"),
    "cmyk": saved("JPEG", PIL.convert("CMYK")),
    "png": saved("PNG"),
    "webp": saved("WEBP"),
    "lossless webp": saved("WEBP", lossless=True),
    "webp with alpha": saved("WEBP", TRANSPARENT),
    "bmp": saved("BMP"),
    "tiff": saved("TIFF"),
    "gif": saved("GIF"),
    "ppm": saved("PPM"),
    "pbm": saved("PPM", PIL.convert("1")),
}


def read(content: bytes, limit: int, flags: int = cv2.IMREAD_COLOR) -> np.ndarray:
    return decode(content, "x", flags, ImageError, limit=PixelLimit(limit, "make it smaller"))


@pytest.fixture
def undecoded(monkeypatch: pytest.MonkeyPatch) -> None:
    def imdecode(*_: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(cv2, "imdecode", imdecode)


@pytest.mark.parametrize("name", FORMATS)
def test_the_limit_itself_is_read(name: str) -> None:
    if name == "gif" and cv2.imdecode(np.frombuffer(FORMATS[name], np.uint8), cv2.IMREAD_COLOR) is None:
        pytest.skip("this OpenCV reads no GIF")
    assert read(FORMATS[name], PIXELS).shape == (HEIGHT, WIDTH, 3)


@pytest.mark.usefixtures("undecoded")
@pytest.mark.parametrize("name", FORMATS)
def test_a_pixel_more_is_refused_before_it_is_decoded(name: str) -> None:
    with pytest.raises(ImageError, match="x has 50 x 30 pixels; at most 1499 are read: make it smaller"):
        read(FORMATS[name], PIXELS - 1)


@pytest.mark.usefixtures("undecoded")
@pytest.mark.parametrize(("ending", "channels"), [(".png", 4), (".tiff", 4)])
def test_deep_values_count_for_more(ending: str, channels: int) -> None:
    with pytest.raises(ImageError, match="50 x 30 pixels, which take the room of 3000; at most 2999"):
        read(deep(ending, channels), 2 * PIXELS - 1)


def test_deep_values_within_the_limit_are_read() -> None:
    assert read(deep(".png", 4), 2 * PIXELS, cv2.IMREAD_UNCHANGED).shape == (HEIGHT, WIDTH, 4)
    assert read(deep(".tiff", 1), PIXELS, cv2.IMREAD_UNCHANGED).shape == (HEIGHT, WIDTH)


def chunk(name: bytes, data: bytes) -> bytes:
    return pack(">I", len(data)) + name + data + pack(">I", zlib.crc32(name + data))


def animated_png() -> bytes:
    png = FORMATS["png"]
    frame = chunk(b"fcTL", pack(">IIIIIHHBB", 0, 500, 300, 0, 0, 1, 1, 0, 0))
    return png[:33] + chunk(b"acTL", pack(">II", 1, 0)) + frame + png[33:]


def tall_strips() -> bytes:
    tiff = saved("TIFF")
    entry = pack("<HHII", 278, 3, 1, HEIGHT)  # rows per strip, as 16 bit
    found = tiff.find(entry) if entry in tiff else tiff.find(entry := pack("<HHII", 278, 4, 1, HEIGHT))
    assert found > 0
    return tiff[:found] + pack("<HHII", 278, 4, 1, 3000) + tiff[found + 12 :]


def wide_gif_frame() -> bytes:
    gif = FORMATS["gif"]
    at = gif.index(b"\x2c\0\0\0\0" + pack("<HH", WIDTH, HEIGHT))
    return gif[: at + 5] + pack("<HH", 500, 300) + gif[at + 9 :]


def large_gif_screen() -> bytes:
    gif = FORMATS["gif"]
    return gif[:6] + pack("<HH", 500, 300) + gif[10:]


def webp_canvas() -> bytes:
    webp = FORMATS["webp with alpha"]
    assert webp[12:16] == b"VP8X"
    return webp[:24] + (499).to_bytes(3, "little") + (299).to_bytes(3, "little") + webp[30:]


def webp_frame() -> bytes:
    """An ordinary canvas, and a picture in it that says it is larger."""
    webp = FORMATS["webp"]
    start = webp.index(b"\x9d\x01\x2a") + 3
    return webp[:start] + pack("<HH", 500, 300) + webp[start + 4 :]


def webp_animation() -> bytes:
    webp = saved("WEBP", save_all=True, append_images=[PIL.rotate(180)])
    at = webp.index(b"ANMF") + 8 + 6
    return webp[:at] + (499).to_bytes(3, "little") + (299).to_bytes(3, "little") + webp[at + 6 :]


def bmp_from_the_top(height: int = -300) -> bytes:
    bmp = FORMATS["bmp"]
    return bmp[:18] + pack("<ii", 500, height) + bmp[26:] + bytes(3 * 500 * 300)


@pytest.mark.usefixtures("undecoded")
@pytest.mark.parametrize(
    "make",
    [
        animated_png, tall_strips, wide_gif_frame, large_gif_screen, webp_canvas, webp_frame, webp_animation,
        bmp_from_the_top,
    ],
)  # fmt: skip
def test_the_largest_size_in_a_file_counts(make: object) -> None:
    with pytest.raises(ImageError, match="x has .* x .*0 pixels.*; at most 100000 are read"):
        read(make(), 100_000)  # type: ignore[operator]


def test_a_thumbnail_of_another_size_does_not_count() -> None:
    exif = Image.Exif()
    exif[274] = 1
    jpeg = saved("JPEG", exif=exif.tobytes() + saved("JPEG", PIL.resize((150, 90))))
    assert read(jpeg, PIXELS).shape == (HEIGHT, WIDTH, 3)


def test_rows_from_the_top_are_read() -> None:
    bmp = FORMATS["bmp"]
    upside_down = bmp[:22] + pack("<i", -HEIGHT) + bmp[26:]
    np.testing.assert_array_equal(read(upside_down, PIXELS)[::-1, :, ::-1], PICTURE)


def test_the_first_of_several_pictures_counts() -> None:
    tiff = saved("TIFF", save_all=True, append_images=[PIL.resize((100, 90))])
    assert read(tiff, PIXELS).shape == (HEIGHT, WIDTH, 3)


TIFF = saved("TIFF")


def tiff_tag(tag: int, **changes: int) -> bytes:
    """A TIFF whose entry of this tag says another type, length or value."""
    (start,) = unpack_from("<I", TIFF, 4)
    (count,) = unpack_from("<H", TIFF, start)
    places = range(start + 2, start + 2 + 12 * count, 12)
    at = next(at for at in places if unpack_from("<H", TIFF, at)[0] == tag)
    entry = dict(zip(("kind", "length", "value"), unpack_from("<HII", TIFF, at + 2), strict=True)) | changes
    return TIFF[:at] + pack("<HHII", tag, *entry.values()) + TIFF[at + 12 :]


PNG = FORMATS["png"]
JPEG = FORMATS["jpeg"]
FRAME = JPEG.index(b"\xff\xc0")


@pytest.mark.usefixtures("undecoded")
@pytest.mark.parametrize(
    ("content", "says"),
    [
        (PNG[:8] + chunk(b"tEXt", b"x\0y") + PNG[8:], "begins like a PNG whose size cannot be found"),
        (PNG[:33] + chunk(b"IHDR", PNG[16:29]) + PNG[33:], "begins like a PNG whose size cannot be found"),
        (JPEG[: FRAME + 19] + JPEG[FRAME:], "x is cut short or damaged: its JPEG data"),
        (JPEG[:FRAME] + JPEG[FRAME + 19 :], "begins like a JPEG whose size cannot be found"),
        (PNG[:16] + bytes(8) + PNG[24:], "x has 0 x 0 pixels: it is damaged"),
        (b"BM" + bytes(60), "begins like a BMP whose size cannot be found"),
        (b"II*\0" + pack("<IH", 8, 9), "begins like a TIFF whose size cannot be found"),
        (TIFF[:4] + pack("<I", len(TIFF)) + TIFF[8:], "begins like a TIFF whose size cannot be found"),
        (tiff_tag(257, kind=9), "begins like a TIFF whose size cannot be found"),
        (tiff_tag(257, length=2), "begins like a TIFF whose size cannot be found"),
        (tiff_tag(259, value=34892), "size cannot be found: it is damaged, or of a kind that is not read"),
        (b"P5 9999999999 3 255\n", "begins like a PNM whose size cannot be found"),
        (b"P5 10 10 255\n" + bytes(99), "x is cut short or damaged: its PNM data"),
        (FORMATS["bmp"][:-1], "x is cut short or damaged: its BMP data"),
        (b"GIF89a" + bytes(40), "begins like a GIF whose size"),
        (b"\0\0\0\x1cftypavif" + bytes(40), "x has the format AVIF; read are JPEG, PNG, WebP"),
        (b"\0\0\0\x18ftypheic" + bytes(40), "x has the format HEIC"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "x has the format JPEG 2000"),
        (b"v/1\x01" + bytes(40), "x has the format OpenEXR"),
        (b"<svg>", "x is not an image: it begins with the bytes 3c 73 76 67 3e"),
        (b"../../pictures/mug.jpg", "a symbolic link that git wrote as a file: set git config"),
        (b"", "x is empty"),
    ],
)
def test_what_cannot_be_judged_is_refused_by_name(content: bytes, says: str) -> None:
    with pytest.raises(ImageError, match=says):
        read(content, 10**9)
