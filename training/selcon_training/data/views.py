"""Random views of a picture: one affine map a sample, drawn once and applied to picture, truth and labels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from selcon_ros.core.grounding.placement import Canvas, Placement, Window
from selcon_training.data.images import F32, U8
from selcon_training.data.transforms import Size

F64 = NDArray[np.float64]
T = TypeVar("T", bound=np.generic)

ASPECT_RANGE = (1 / 3, 3.0)
"""Widths relative to heights of cameras and photos that are simulated: portrait to panorama."""
BLACK_SHARE = 0.25
"""How often what a picture does not cover is black; else it is the picture's reflection."""
MIN_SEEN_PEAK = 64
"""A truth map whose largest value within the view is lower shows the blurred fringe of a part outside."""


@dataclass(frozen=True)
class ViewRange:
    """What views are drawn from.

    `fit` and `zoom` say how a picture is brought to the network's input: "stretch" scales its sides
    apart, "cover" keeps the aspect ratio, "pad" too with black around it. Zoom is relative to that, below 1
    the picture is smaller than what is seen. `turn` degrees either way; `shift`: how far a picture may
    lie beyond where it covers the view, as a share of the view's sides; `stretch`: relative change of the
    aspect ratio, at most; `flip`: half of them mirrored; `shape_share` with "pad": how often the view is
    of another shape than the picture.
    """

    zoom: tuple[float, float] = (1.0, 1.0)
    fit: Literal["cover", "stretch", "pad"] = "stretch"
    flip: bool = False
    turn: float = 0.0
    shift: float = 0.0
    stretch: float = 0.0
    shape_share: float = 0.0


@dataclass(frozen=True)
class View:
    """A view drawn: which part of the input and of the map grid it fills, the affine map 2 x 3 from a place
    in it to the place in the picture (both x, y in shares of the sides), and whether black is around the
    picture."""

    place: Placement
    matrix: F64
    black: bool


def draw_view(picture: Size, size: Size, grid: Size, ranges: ViewRange, rng: np.random.Generator) -> View:
    """Draw a view of a picture of this shape (h, w) for an input `size` with maps on `grid`.

    Always draws the same number of values from `rng`. With zoom 1 and nothing else it is what the robot
    sees.
    """
    zoom = math.exp(rng.uniform(*np.log(ranges.zoom)))
    angle = math.radians(ranges.turn * rng.uniform(-1.0, 1.0))
    wider = (1.0 + ranges.stretch) ** rng.uniform(-1.0, 1.0)
    right, down = rng.uniform(-1.0, 1.0, 2)
    mirrored = rng.random() < 0.5 and ranges.flip
    other, shape = rng.random() < ranges.shape_share, math.exp(rng.uniform(*np.log(ASPECT_RANGE)))
    black = rng.random() < BLACK_SHARE
    own = picture[1] / picture[0]
    place = Canvas(size, grid).place(picture)
    if ranges.fit == "pad":
        seen = (3000, round(3000 * shape)) if other else picture
        place = Canvas(size, grid, "pad").place(seen)
        aspect = seen[1] / seen[0]
    else:
        aspect = own if ranges.fit == "stretch" else size[1] / size[0]
    # Lengths are relative to the height of what is seen; the picture, at zoom 1, covers it.
    height = max(1.0, aspect / own) * zoom / math.sqrt(wider)
    width = max(1.0, aspect / own) * zoom * math.sqrt(wider) * own
    cos, sin = math.cos(angle), math.sin(angle)
    slack_x = abs(width * abs(cos) + height * abs(sin) - aspect) / 2 + ranges.shift * aspect
    slack_y = abs(width * abs(sin) + height * abs(cos) - 1.0) / 2 + ranges.shift
    # From shares of the view to lengths about the picture's centre, mirrored, turned, to shares of it.
    to_lengths = np.array(
        [[aspect, 0.0, -aspect / 2 - right * slack_x], [0.0, 1.0, -0.5 - down * slack_y], [0.0, 0.0, 1.0]]
    )
    turned = np.array([[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]])
    if mirrored:
        turned[:, 0] *= -1.0
    to_shares = np.array([[1.0 / width, 0.0, 0.5], [0.0, 1.0 / height, 0.5]])
    return View(place, to_shares @ turned @ to_lengths, black)


def see(image: U8, view: View, blank: bool | None = None) -> U8:
    """The picture h x w x 3, or mask h x w, in the view: of its size, uint8, interpolated.

    Around it is black (0) or its reflection, as the view says unless `blank` does. Shrunk beyond half, it
    is averaged first.
    """
    size = view.place.pixels.size
    matrix = _in_pixels(view.matrix, image.shape[:2], size)
    while max(math.hypot(*matrix[:, 0]), math.hypot(*matrix[:, 1])) > 2.0 and min(image.shape[:2]) > 8:
        image = cv2.resize(image, (image.shape[1] // 2, image.shape[0] // 2), interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
        matrix = _in_pixels(view.matrix, image.shape[:2], size)
    return _warp(image, matrix, size, cv2.INTER_LINEAR, view.black if blank is None else blank)


def see_truth(truth: U8, view: View, grid: Size, blank: bool | None = None) -> F32:
    """A truth map h x w uint8, 0..255, in the view: its mean over every cell of the map grid, float32 0..1.

    Cells that the view does not fill are 0, and all are where only the fringe of a part is left.
    """
    seen = _over_cells(truth, view, blank)
    if int(seen.max()) < MIN_SEEN_PEAK:
        return np.zeros(grid, np.float32)
    means: F32 = _means(seen, view, grid) / np.float32(255.0)
    return means


def see_heat(heat: F32, view: View, grid: Size) -> F32:
    """A map h x w float32 of any scale in the view: its mean over every cell of the map grid, float32.

    Unlike a truth map it may be much coarser than the grid, and hot up to its border. It is 0 where the view
    shows black or is not filled.
    """
    seen = _over_cells(heat, view, False)
    if view.black:
        seen = seen * _shows_picture(view, (seen.shape[0], seen.shape[1]))
    return _means(seen, view, grid)


def _shows_picture(view: View, size: Size) -> NDArray[np.bool_]:
    """Which of (h, w) evenly spaced places in the view lie in the picture."""
    y, x = ((np.arange(side) + 0.5) / side for side in size)
    places = [row[0] * x[None] + row[1] * y[:, None] + row[2] for row in view.matrix]
    inside: NDArray[np.bool_] = np.logical_and.reduce([(each >= 0) & (each < 1) for each in places])
    return inside


def _over_cells(values: NDArray[Any], view: View, blank: bool | None) -> NDArray[Any]:
    """A map in the view, with a whole number of samples in every cell that the view fills."""
    cells = view.place.cells
    shape = (values.shape[0], values.shape[1])
    step = _in_pixels(view.matrix, shape, cells.size)
    # At least two samples a cell and side, and none of the map's pixels left out.
    longest = max(math.hypot(*step[:, 0]), math.hypot(*step[:, 1]))
    samples = min(8, max(2, math.ceil(longest)))
    size = (cells.height * samples, cells.width * samples)
    matrix = _in_pixels(view.matrix, shape, size)
    return _warp(values, matrix, size, cv2.INTER_LINEAR, view.black if blank is None else blank)


def _means(seen: NDArray[Any], view: View, grid: Size) -> F32:
    cells = view.place.cells
    means = cv2.resize(seen.astype(np.float32), cells.size[::-1], interpolation=cv2.INTER_AREA)
    return on_canvas(np.asarray(means, np.float32), grid, cells)


def see_labels(labels: U8, view: View, grid: Size, blank: bool | None = None) -> U8:
    """The label at the centre of every cell of the map grid; 0 where there is nothing of the picture."""
    cells = view.place.cells
    matrix = _in_pixels(view.matrix, labels.shape, cells.size)
    blank = view.black if blank is None else blank
    return on_canvas(_warp(labels, matrix, cells.size, cv2.INTER_NEAREST, blank), grid, cells)


def on_canvas(values: NDArray[T], size: Size, window: Window) -> NDArray[T]:
    """Pixels or cells in their window of an array of `size` (h, w), 0 around them."""
    if window.size == tuple(size):
        return values
    whole = np.zeros((*size, *values.shape[2:]), values.dtype)
    whole[window.slices] = values
    return whole


def _in_pixels(matrix: F64, source: Size, target: Size) -> F64:
    """The affine map from a target's pixel centres to the source's, both of (h, w) pixels."""
    to_shares = np.array(
        [
            [1.0 / target[1], 0.0, 0.5 / target[1]],
            [0.0, 1.0 / target[0], 0.5 / target[0]],
            [0.0, 0.0, 1.0],
        ]
    )
    found: F64 = np.array([[source[1], 0.0], [0.0, source[0]]]) @ matrix @ to_shares
    found[:, 2] -= 0.5
    return found


def _warp(image: NDArray[Any], matrix: F64, size: Size, how: int, blank: bool) -> NDArray[Any]:
    return cv2.warpAffine(
        image,
        matrix,
        size[::-1],
        flags=how | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT if blank else cv2.BORDER_REFLECT,
        borderValue=0,
    )
