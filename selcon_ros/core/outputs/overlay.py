"""Draw a heatmap and its grasp points over the image they were found in."""

import math
from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from selcon_ros.core.errors import ImageError
from selcon_ros.core.grasps.grasp_result import NO_GRASPS, GraspPoint, GraspResult
from selcon_ros.core.grounding.heatmap import Heatmap
from selcon_ros.core.grounding.preprocess import check_image
from selcon_ros.core.grounding.upsampling import axis
from selcon_ros.core.text import one_line

Picture = NDArray[np.uint8]
Colour = tuple[int, int, int]
Pixel = tuple[float, float]
Fixed = tuple[int, int]
Box = tuple[slice, slice]

WHITE: Colour = (255, 255, 255)
BLACK: Colour = (0, 0, 0)
CRIMSON: Colour = (225, 29, 72)
# Heat below MIN_VISIBLE_HEAT leaves the image as it is; at full heat the colour covers MAX_OPACITY of it.
MIN_VISIBLE_HEAT = 0.15
MAX_OPACITY = 0.65
# Rows that are blended at a time, as far as they are hot: few enough for the cache of a processor.
BAND_ROWS = 64
# OpenCV draws at sixteenths of a pixel.
SUBPIXEL_BITS = 4
# How far the contour's line may be from its pixels.
CONTOUR_TOLERANCE_PIXELS = 0.95
# Characters of a line of the caption, at most: the longer, the smaller it is written.
MAX_CAPTION_LENGTH = 160


def _tables() -> tuple[Picture, Picture]:
    """Return per level of heat 0..255 what blending adds, [256, 1, 3] in RGB, and the rest of 255 that it
    leaves of the picture, [256]."""
    levels = np.arange(256, dtype=np.uint8)
    # Both ends of the map are nearly black: heat starts at its blue and ends at its red.
    shades = (60 + levels.astype(np.float32) * (225 - 60) / 255).astype(np.uint8)
    colours = cv2.applyColorMap(shades[:, None], cv2.COLORMAP_TURBO)[..., ::-1]
    ramp = np.clip((levels / 255 - MIN_VISIBLE_HEAT) / (1 - MIN_VISIBLE_HEAT), 0, 1)
    shares = MAX_OPACITY * ramp * (2 - ramp)
    tints = np.rint(colours * shares[:, None, None]).astype(np.uint8)
    return np.ascontiguousarray(tints), np.rint(255 * (1 - shares)).astype(np.uint8)


TINT_TABLE, IMAGE_SHARE_TABLE = _tables()
TINT_TABLE_BGR = np.ascontiguousarray(TINT_TABLE[..., ::-1])


def draw(
    image: Picture, heatmap: Heatmap, grasps: GraspResult = NO_GRASPS, note: str = "", bgr: bool = False
) -> Picture:
    """Return a copy of an RGB image [H, W, 3] uint8 with heat, half-maximum contour, grasps and a caption.

    The best grasp point is drawn largest, each with the line that the gripper closes along. Without one,
    the caption says why, if `grasps` does. A `note` takes the place of the confidence, for a heatmap that has
    none. With `bgr` the copy is in that order. Raises ImageError when the heatmap has another size than the
    image.
    """
    check_image(image)
    if heatmap.values.shape != image.shape[:2]:
        raise ImageError(f"image is {image.shape[:2]}, heatmap {heatmap.values.shape}: they must be equal")
    picture: Picture = np.empty(image.shape, np.uint8)
    if bgr:
        cv2.cvtColor(image, cv2.COLOR_RGB2BGR, dst=picture)
    else:
        picture[:] = image
    level, box = _hot(heatmap.values, heatmap.cells)
    unit = max(1.0, min(picture.shape[:2]) / 480)
    _blend(picture[box], level, TINT_TABLE_BGR if bgr else TINT_TABLE)
    _contour(picture, level, (box[1].start, box[0].start), unit)
    for rank, point in reversed(list(enumerate(grasps.points))):
        _marker(picture, point, unit * (1.0 if rank == 0 else 0.7), CRIMSON[::-1] if bgr else CRIMSON)
    lines = [f"{heatmap.action}  {note or f'confidence {heatmap.confidence:.2f}'}"]
    if not grasps.points and grasps.refused:
        lines.append(f"no grasp: {grasps.refused[0]}")
    _caption(picture, lines, unit)
    return picture


def tint(picture: Picture, values: NDArray[np.float32]) -> None:
    """Tint the picture where it is hot; only the hot pixels' box is touched."""
    level, box = _hot(values)
    _blend(picture[box], level, TINT_TABLE)


def _hot(values: NDArray[np.float32], cells: NDArray[np.float32] | None = None) -> tuple[Picture, Box]:
    """Return the box [h, w] around what is hot, as levels 1..255 and 0 for what is not; empty for none.

    `cells` are those that `values` was enlarged from: it is looked at only where they are hot.
    """
    everything = slice(0, values.shape[0]), slice(0, values.shape[1])
    rows, columns = everything if cells is None else _hot_cells(cells, values.shape)
    if rows.stop == rows.start:
        return np.empty((0, 0), np.uint8), (rows, columns)
    # The offset makes rounding the whole part.
    levels: Picture = np.empty((rows.stop - rows.start, columns.stop - columns.start), np.uint8)
    cv2.convertScaleAbs(values[rows, columns], dst=levels, alpha=255, beta=-0.5)
    cv2.threshold(levels, MIN_VISIBLE_HEAT * 255, 0, cv2.THRESH_TOZERO, dst=levels)
    u, v, width, height = cv2.boundingRect(levels)
    box = slice(rows.start + v, rows.start + v + height), slice(columns.start + u, columns.start + u + width)
    return levels[v : v + height, u : u + width], box


def _hot_cells(cells: NDArray[np.float32], size: tuple[int, ...]) -> Box:
    """Return the box of the pixels, of an image of `size` (H, W), that hot cells have a part in."""
    hot = (cells >= MIN_VISIBLE_HEAT).view(np.uint8)
    left, top, width, height = cv2.boundingRect(hot)
    if width == 0:
        return slice(0, 0), slice(0, 0)
    spans = (top, top + height), (left, left + width)
    axes = (axis(*each) for each in zip(cells.shape, size, strict=True))
    rows, columns = (slice(*each.pixels_of(span)) for each, span in zip(axes, spans, strict=True))
    return rows, columns


def _blend(picture: Picture, level: Picture, tints: Picture) -> None:
    """Blend the colours of `tints` into a picture of the level's size.

    In eight bits, which OpenCV does sixteen times as fast as NumPy in floats. Level 0 has no share.
    """
    for top in range(0, level.shape[0], BAND_ROWS):
        u, v, width, height = cv2.boundingRect(level[top : top + BAND_ROWS])
        box = slice(top + v, top + v + height), slice(u, u + width)
        if width > 0:
            own, hot = picture[box], level[box]
            remains = cv2.merge([cv2.LUT(hot, IMAGE_SHARE_TABLE)] * 3)
            cv2.multiply(own, remains, dst=own, scale=1 / 255)
            cv2.add(own, cv2.applyColorMap(hot, tints), dst=own)


def _contour(picture: Picture, level: Picture, place: tuple[int, int], unit: float) -> None:
    """Draw the line at half the maximum; the levels begin at `place` (u, v)."""
    if level.size == 0:
        return
    _, most, _, _ = cv2.minMaxLoc(level)
    _, mask = cv2.threshold(level, max(1, math.ceil(most / 2)) - 1, 1, cv2.THRESH_BINARY)
    outlines, _ = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE, offset=place)
    # A thick line costs by its corners: most of them are steps from pixel to pixel.
    outlines = [cv2.approxPolyDP(each, CONTOUR_TOLERANCE_PIXELS, closed=True) for each in outlines]
    cv2.drawContours(picture, outlines, -1, BLACK, round(3 * unit), cv2.LINE_AA)
    cv2.drawContours(picture, outlines, -1, WHITE, max(1, round(unit)), cv2.LINE_AA)


def _marker(picture: Picture, grasp: GraspPoint, unit: float, colour: Colour) -> None:
    """Draw the closing line with the two fingers, and the point in a colour."""
    point, lines = _fixed(grasp.pixel), _gripper(grasp, unit)
    for shade, extra in ((BLACK, 2.0), (WHITE, 0.0)):
        for start, end, width in lines:
            thickness = max(1, round((width + extra) * unit))
            cv2.line(picture, start, end, shade, thickness, cv2.LINE_AA, SUBPIXEL_BITS)
        radius = round((6 + extra / 2) * unit * 2**SUBPIXEL_BITS)
        cv2.circle(picture, point, radius, shade, cv2.FILLED, cv2.LINE_AA, SUBPIXEL_BITS)
    radius = round(3.5 * unit * 2**SUBPIXEL_BITS)
    cv2.circle(picture, point, radius, colour, cv2.FILLED, cv2.LINE_AA, SUBPIXEL_BITS)


def _gripper(grasp: GraspPoint, unit: float) -> list[tuple[Fixed, Fixed, float]]:
    """Return the closing line and the two fingers: start, end and width."""
    if grasp.jaws is None:
        return []
    first, second = grasp.jaws
    along = (second[0] - first[0], second[1] - first[1])
    length = math.hypot(*along)
    if length == 0:
        return []
    right, down = (9 * unit * each / length for each in (-along[1], along[0]))
    fingers = [(_fixed((u - right, v - down)), _fixed((u + right, v + down)), 3.0) for u, v in grasp.jaws]
    return [(_fixed(first), _fixed(second), 2.0), *fingers]


def _fixed(pixel: Pixel) -> Fixed:
    """Return a pixel in OpenCV's fixed point; far outside the image is as good as at its limit."""
    u, v = (int(min(max(value, -20_000), 20_000) * 2**SUBPIXEL_BITS) for value in pixel)
    return u, v


@lru_cache(maxsize=256)
def _text_size(text: str, scale: float, weight: int) -> tuple[tuple[int, int], int]:
    """Return width and height of a text, and how far it goes below its line, in pixels."""
    (width, height), base = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, weight)
    return (width, height), base


def _caption(picture: Picture, lines: Sequence[str], unit: float) -> None:
    """Write lines at the top left on a darkened band; text that is too long for the image is made smaller."""
    margin = round(8 * unit)
    v = 0
    for line in lines:
        # The built-in font has ASCII only.
        text = one_line(line, MAX_CAPTION_LENGTH).encode("ascii", "replace").decode()
        scale, weight = 0.6 * unit, max(1, round(1.3 * unit))
        (width, height), base = _text_size(text, scale, weight)
        room = picture.shape[1] - 2 * margin
        if width > room > 0:
            scale *= room / width
            (width, height), base = _text_size(text, scale, weight)
        bottom = v + height + base + margin
        band = picture[v:bottom, : width + 2 * margin]
        band //= 3
        cv2.putText(
            picture,
            text,
            (margin, v + height + margin // 2),
            cv2.FONT_HERSHEY_SIMPLEX,
            scale,
            WHITE,
            weight,
            cv2.LINE_AA,
        )
        v = bottom
