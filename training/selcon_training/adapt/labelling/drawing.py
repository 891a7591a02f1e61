"""What is drawn on a photo: strokes of polygon, brush and eraser as they are kept, and the masks of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

import cv2
import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from selcon_ros.core.text import one_line, quoted
from selcon_training.adapt.shapes import RASTER_FACTOR, Size
from selcon_training.data.images import U8
from selcon_training.errors import DataError

MAX_STROKES, MAX_POINTS = 2000, 20_000
"""Of a photo, and of a stroke."""
MAX_FINE_PIXELS = 4_000_000
"""Pixels of a stroke's box, at most, in which its border is drawn more finely than the pixels are."""
_SUBPIXEL_BITS = 4

Number = Annotated[float, Field(ge=-100_000, le=100_000, allow_inf_nan=False)]


class Stroke(BaseModel):
    """One movement of a tool for one action; points (x, y) and the diameter `size` in the photo's pixels.

    A photo's corner is (0, 0), the middle of its first pixel (0.5, 0.5). `clear` takes away all that is drawn
    for the action.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    action: str
    tool: Literal["polygon", "brush", "eraser", "clear"]
    size: Annotated[float, Field(ge=0, le=5000, allow_inf_nan=False)] = 0.0
    points: Annotated[list[tuple[Number, Number]], Field(max_length=MAX_POINTS)] = []


class Change(BaseModel):
    """What a page sends of a photo: all that is drawn now, on top of the state `revision`."""

    model_config = ConfigDict(extra="forbid")
    revision: Annotated[int, Field(ge=0, le=1 << 40)]
    object: Annotated[str, Field(max_length=200)]
    nothing: bool
    strokes: Annotated[list[Stroke], Field(max_length=MAX_STROKES)]


class MaskDrawing(Change):
    """A photo's strokes as they are kept.

    `photo`: its path from the folder of photos; `sha256`: its content's; `actions`: those that were on the
    page when it was last changed; `nothing`: it shows nothing that affords one; `written`: the masks in the
    data set are made of these strokes.
    """

    photo: str
    sha256: str
    width: Annotated[int, Field(ge=1)]
    height: Annotated[int, Field(ge=1)]
    actions: list[str] = []
    written: bool = True

    @property
    def labelled(self) -> bool:
        """Whether something is drawn, and not taken away again, or it is said that there is nothing."""
        drawn: set[str] = set()
        for stroke in self.strokes:
            if stroke.tool == "clear":
                drawn.discard(stroke.action)
            elif stroke.tool != "eraser":
                drawn.add(stroke.action)
        return self.nothing or bool(drawn)


def parse_change(content: bytes, actions: Iterable[str]) -> Change:
    """What a page has sent. Raises DataError."""
    try:
        change = Change.model_validate_json(content)
    except ValidationError as error:
        raise DataError(f"the page sent what is no drawing: {_first_fault(error)}") from None
    unknown = {stroke.action for stroke in change.strokes} - set(actions)
    if unknown:
        raise DataError(
            f"the page sent strokes for {quoted(sorted(unknown)[0])}, which is none of its actions"
        )
    return change


def parse_drawing(content: bytes, name: str) -> MaskDrawing:
    """A drawing from its file `name`. Raises DataError."""
    try:
        return MaskDrawing.model_validate_json(content)
    except ValidationError as error:
        raise DataError(
            f"{name} is no drawing of `selcon data label` ({_first_fault(error)}): move it away, and "
            "draw anew"
        ) from None


def masks(strokes: Iterable[Stroke], size: Size) -> dict[str, U8]:
    """The mask h x w (0 or 255) of every action for which something is left, strokes one after another."""
    found: dict[str, U8] = {}
    for stroke in strokes:
        mask = found.setdefault(stroke.action, np.zeros(size, np.uint8))
        if stroke.tool == "clear":
            mask[:] = 0
        elif len(stroke.points) >= (3 if stroke.tool == "polygon" else 1):
            _apply(mask, stroke)
    return {action: mask for action, mask in found.items() if mask.any()}


def _apply(mask: U8, stroke: Stroke) -> None:
    """Add a polygon or a line with round ends to a mask, or take the line away; only its box is touched."""
    points, reach = np.asarray(stroke.points, np.float64), stroke.size / 2 + 1
    limits = np.array(mask.shape[::-1])
    low = np.clip(np.floor(points.min(axis=0) - reach), 0, limits).astype(int)
    width, height = np.clip(np.ceil(points.max(axis=0) + reach), 0, limits).astype(int) - low
    if width <= 0 or height <= 0:
        return
    finer = RASTER_FACTOR if width * height <= MAX_FINE_PIXELS else 1
    fine = np.zeros((finer * height, finer * width), np.uint8)
    # Points are on the borders between pixels, OpenCV's are their middles.
    corners = np.rint(((points - low) * finer - 0.5) * (1 << _SUBPIXEL_BITS)).astype(np.int32)
    if stroke.tool == "polygon":
        cv2.fillPoly(fine, [corners], 255, cv2.LINE_8, _SUBPIXEL_BITS)
    elif len(corners) == 1:
        radius = round(stroke.size / 2 * finer * (1 << _SUBPIXEL_BITS))
        cv2.circle(fine, corners[0].tolist(), radius, 255, cv2.FILLED, cv2.LINE_8, _SUBPIXEL_BITS)
    else:
        cv2.polylines(
            fine, [corners], False, 255, max(1, round(stroke.size * finer)), cv2.LINE_8, _SUBPIXEL_BITS
        )
    if finer > 1:
        fine = cv2.resize(fine, (int(width), int(height)), interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    region = fine > 127
    box = mask[low[1] : low[1] + height, low[0] : low[0] + width]
    box[region] = 0 if stroke.tool == "eraser" else 255


def _first_fault(error: ValidationError) -> str:
    """The first fault, on one line."""
    fault = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(map(str, fault["loc"]))
    return one_line(f"{place}: {fault['msg']}" if place else fault["msg"], 200)
