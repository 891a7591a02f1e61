"""The geometry of a hot region: its surface in the depth image, its axes and its extent."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from selcon_ros.core.cameras.depth_patch import DepthPatch
from selcon_ros.core.grasps.regions import Region
from selcon_ros.core.grasps.vectors import Vector, across, cross, dot, principal, scaled, unit

Mask = NDArray[np.bool_]
Floats = NDArray[np.float32]
Axes = NDArray[np.float64]

# Directions that are tried, over half a turn, where the thin axis is too wide.
TURNS = 8
# Ratio of variances up to which a region is called round: it has no thin axis.
MAX_ROUND_RATIO = 1.3
# A gap in a surface, in pixels, that ends it: more than the step between pixels on a steep surface.
MAX_GAP_PIXELS = 6
# What closes a body's small holes, and how far around the body that looks.
_CLOSING_KERNEL, _CLOSING_MARGIN = np.ones((5, 5), np.uint8), 4


@dataclass(frozen=True)
class Place:
    """A pixel of a surface, and half the part's thickness there in pixels."""

    u: int
    v: int
    thickness: float


@dataclass(frozen=True)
class Surface:
    """A hot part and what it belongs to, in a box of the depth image.

    `patch` is the box, `body` [h, w] what the hot part belongs to, `corner` its first row and column in the
    region's own box. `heat` [a, b] is that of the box around the hot part, 0 outside of the part, whose
    first row and column in the patch are `hot`; `count` is how many pixels the part has.
    """

    patch: DepthPatch
    body: Mask
    corner: tuple[int, int]
    heat: Floats
    hot: tuple[int, int]
    count: int

    @cached_property
    def closed(self) -> NDArray[np.uint8]:
        """The body [h + 2, w + 2], `without_holes`."""
        return without_holes(self.body)


def without_holes(mask: Mask) -> NDArray[np.uint8]:
    """Return a mask [h, w] as 0 and 1, [h + 2, w + 2] with a border of 0, without its small holes.

    Pixels whose depth is missing are of a part, too.
    """
    height, width = mask.shape
    closed = np.zeros((height + 2, width + 2), np.uint8)
    cv2.morphologyEx(mask.view(np.uint8), cv2.MORPH_CLOSE, _CLOSING_KERNEL, dst=closed[1:-1, 1:-1])
    return closed


def flat_surface(patch: DepthPatch, region: Region) -> Surface:
    """Return a hot region alone as a surface."""
    body = region.spread(region.mask)
    return _surface(patch, body, cv2.boundingRect(body.view(np.uint8)), region)


def connected_surface(patch: DepthPatch, solid: Mask, region: Region, hot: Mask, step: float) -> Surface:
    """Return the pixels of `solid` [h, w] connected to the heat's core without a jump in depth above `step`.

    `patch` is the region's box. The core is sought where `hot` [hi, wi] is true, in `solid`. A blurred
    heatmap spills over what is behind a part, or shows through its holes: of the surfaces in the core, the
    nearest one that takes up a quarter of it is meant.
    """
    rows, columns = region.inner
    core = region.core(hot & solid[region.inner])
    beside = patch.depth[region.inner]
    near = core & (beside <= _lower_quarter(beside[core]) + step)
    v, u = divmod(int((region.heat * near).argmax()), core.shape[1])
    # floodFill's mask has a border of one pixel; what is not zero stops it.
    barrier = np.logical_not(solid).view(np.uint8)
    barrier = np.asarray(cv2.copyMakeBorder(barrier, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=(1,)))
    filled = cv2.FLOODFILL_MASK_ONLY | 8 | (2 << 8)
    seed = (columns.start + u, rows.start + v)
    *_, box = cv2.floodFill(patch.depth, barrier, seed, 0, step, step, filled)
    return _surface(patch, (barrier == 2)[1:-1, 1:-1], box, region)


def _surface(patch: DepthPatch, body: Mask, box: Sequence[int], region: Region) -> Surface:
    """Return the surface of a body [h, w] in a region's box; `box` is that around the body."""
    left, top, width, height = box
    v0, u0 = max(top - _CLOSING_MARGIN, 0), max(left - _CLOSING_MARGIN, 0)
    rows, columns = slice(v0, top + height + _CLOSING_MARGIN), slice(u0, left + width + _CLOSING_MARGIN)
    part = region.mask & body[region.inner]
    u, v, width, height = cv2.boundingRect(part.view(np.uint8))
    inner = slice(v, v + height), slice(u, u + width)
    return Surface(
        patch=patch.box(rows, columns),
        body=body[rows, columns].copy(),
        corner=(v0, u0),
        heat=region.heat[inner] * part[inner],
        hot=(region.inner[0].start + v - v0, region.inner[1].start + u - u0),
        count=int(np.count_nonzero(part)),
    )


def _lower_quarter(values: Floats) -> float:
    """Return the value that a quarter of `values` [N] are below."""
    rank = len(values) // 4
    return float(np.partition(values, rank)[rank])


def nearby(surface: Surface, place: Place) -> Floats:
    """Return the body's points [3, N] within twice its half-thickness of the place, and connected to it.

    That is far enough to show which way a handle or a rim runs, and not so far as to follow its bend.
    """
    reach = int(2 * place.thickness) + 1
    v0, u0 = max(place.v - reach, 0), max(place.u - reach, 0)
    box = slice(v0, place.v + reach + 1), slice(u0, place.u + reach + 1)
    closed = surface.closed[1:-1, 1:-1][box]
    top, left = v0 - place.v + reach, u0 - place.u + reach
    disc = closed & _disc(reach)[top : top + closed.shape[0], left : left + closed.shape[1]]
    labels = cv2.connectedComponents(disc, connectivity=8)[1]
    own = labels == labels[place.v - v0, place.u - u0]
    own &= surface.body[box]
    return surface.patch.box(*box).points(own)


@lru_cache(maxsize=64)
def _disc(radius: int) -> NDArray[np.uint8]:
    v, u = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    disc: NDArray[np.uint8] = (u * u + v * v <= radius**2).view(np.uint8)
    return disc


def grasp_axes(points: Floats, ray: Vector) -> Axes:
    """Return the gripper's axes as columns x, y, z [3, 3] for surface points [3, N] seen along `ray`.

    z is the approach, into the object along the surface's normal; x closes across the thin axis. Points
    that are as thick as they are wide (a rod a few pixels wide) have no normal: the approach is the viewing
    ray then, squared to the long axis. A round region has no thin axis: x is as near to the image's
    horizontal as can be. x points to the image's right (or down), so that it does not flip.
    """
    ray = unit(ray)
    found = principal(points)
    large, medium, small = found.spread
    long_axis, _, approach = found.axes
    if small > 0.5 * medium:
        approach = across(ray, long_axis)
        if dot(approach, approach) < 0.01:
            # Seen along the rod: approach it from the side that faces up in the image.
            approach = across((0.0, 1.0, 0.0), long_axis)
        approach = unit(approach)
    elif dot(approach, ray) < 0:
        approach = scaled(approach, -1)
    if large < MAX_ROUND_RATIO * medium:
        closing = across((1.0, 0.0, 0.0), approach)
        if dot(closing, closing) < 0.01:
            closing = across((0.0, 1.0, 0.0), approach)
    else:
        closing = cross(approach, long_axis)
    return frame(unit(closing), approach)


def frame(closing: Vector, approach: Vector) -> Axes:
    """Return axes [3, 3] as columns of a closing direction, or its opposite, as good, and an approach.

    The one to the image's right (or down) is taken.
    """
    leading = closing[0] if abs(closing[0]) > 0.05 else closing[1]
    if leading < 0:
        closing = scaled(closing, -1)
    axes: Axes = np.array([closing, cross(approach, closing), approach]).T
    return axes


def extent_of(
    surface: Surface, place: Place, position: Vector, axes: Axes, reach: float, spacing: float
) -> tuple[float, float]:
    """Return how far (low <= 0 <= high) a body reaches along x of `axes` from a position at a place.

    What lies deeper than `reach` along z does not count. For `spacing` see `extent_across`.
    """
    x, y, z = axes.T
    # Of all points only those beside it are worked out.
    distance = surface.patch.along(y)
    distance -= float(y @ position)
    near = np.abs(distance, out=distance) <= aside(place.thickness, spacing)
    near &= surface.body
    points = surface.patch.points(near)
    along = x.astype(np.float32) @ points - float(x @ position)
    if reach < math.inf:
        along = along[z.astype(np.float32) @ points <= reach + float(z @ position)]
    return extent(along, spacing)


def narrowest_of(
    surface: Surface, place: Place, position: Vector, axes: Axes, spacing: float
) -> tuple[Axes, float, float]:
    """Return `narrowest` of a body at a position at a place."""
    local = [surface.patch.along(each)[surface.body] - float(each @ position) for each in axes.T[:2]]
    return narrowest(np.stack(local), axes, place.thickness, spacing)


def extent_across(local: Floats, thickness: float, spacing: float) -> tuple[float, float]:
    """Return how far (low <= 0 <= high) points reach along x from the origin without a gap.

    `local` [2, N] are their x and y along the gripper's axes, measured from the grasp point. Only points near
    it along y count, within half of `thickness` (in pixels, half the part's). `spacing` is that of
    neighbouring pixels facing the camera, in the points' unit.
    """
    return extent(local[0, np.abs(local[1]) <= aside(thickness, spacing)], spacing)


def aside(thickness: float, spacing: float) -> float:
    """Return how far from a grasp point along y points count for the extent along x."""
    return max(thickness / 2, 1) * spacing


def extent(along: Floats, spacing: float) -> tuple[float, float]:
    """Return how far (low <= 0 <= high) places [N] on a line reach from the origin without a gap.

    A gap ends the part: the far side of a ring is not its rim.
    """
    if len(along) == 0:
        return 0.0, 0.0
    along = np.sort(along)
    # The run of places without a gap that the origin is in.
    ends = np.flatnonzero(along[1:] - along[:-1] > MAX_GAP_PIXELS * spacing)
    first, last = 0, len(along) - 1
    if len(ends) > 0:
        nearest = int(np.abs(along).argmin())
        run = int(np.searchsorted(ends, nearest))
        first = int(ends[run - 1]) + 1 if run > 0 else 0
        last = int(ends[run]) if run < len(ends) else last
    # Flying pixels at a depth edge would widen the part: one in fifty on each side may be one. What
    # that cuts off a part without them is added again.
    count = last - first + 1
    spare = count // 50
    low, high = float(along[first + spare]), float(along[last - spare])
    cut = (high - low) * spare / (count - 2 * spare)
    return min(low - cut, 0.0), max(high + cut, 0.0)


def narrowest(local: Floats, axes: Axes, thickness: float, spacing: float) -> tuple[Axes, float, float]:
    """Return the axes turned about the approach to where the extent is smallest, and that extent.

    The other arguments are those of `extent_across`.
    """
    x, y, approach = (tuple(each) for each in axes.T.tolist())
    turns = []
    for turn in range(TURNS):
        c, s = math.cos(math.pi * turn / TURNS), math.sin(math.pi * turn / TURNS)
        turned = frame((c * x[0] + s * y[0], c * x[1] + s * y[1], c * x[2] + s * y[2]), approach)
        # `frame` may have taken the opposite direction.
        sign = 1 if float(turned[:, 0] @ axes[:, 0]) * c + float(turned[:, 0] @ axes[:, 1]) * s > 0 else -1
        c, s = np.float32(sign * c), np.float32(sign * s)
        own = np.stack([c * local[0] + s * local[1], c * local[1] - s * local[0]])
        turns.append((turned, *extent_across(own, thickness, spacing)))
    return min(turns, key=lambda each: each[2] - each[1])
