"""The geometry of a hot region: its surface in the depth image, its middle, its axes and its extent."""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from selcon_ros.core.camera import Intrinsics, deproject

Mask = NDArray[np.bool_]
Floats = NDArray[np.float32]

# Share of the peak's heat above which a pixel belongs to the region's core.
CORE = 0.8
# Share of the core that must rise above the table for the table to be cut away.
RISING = 0.2
# Pixels along a side that the table's plane is sought in, and planes tried.
SAMPLES = 24
TRIALS = 48
# Fewest points that a plane is sought in.
FEWEST = 10
# Pixels around a region's box that are looked at for the table, too.
MARGIN = 10
# Share of the samples that must lie on a plane for it to be called a table.
SUPPORT_SHARE = 0.3
# Directions that are tried, over half a turn, where the thin axis is too wide.
TURNS = 8
# Ratio of variances up to which a region is called round: it has no thin axis.
ROUND = 1.3
# A gap in a surface, in pixels, that ends it: more than the step between pixels on a steep surface.
GAP = 6


@dataclass(frozen=True)
class Place:
    """A pixel of a cropped region, and half the region's thickness there in pixels."""

    u: int
    v: int
    thickness: float


@dataclass(frozen=True)
class Plane:
    """The points p with `normal` · p = `offset` in metres, `normal` [3] towards the camera; a point within
    `tolerance` metres of it belongs to it."""

    normal: NDArray[np.float64]
    offset: float
    tolerance: float


def fourth_power(heat: Floats) -> Floats:
    """Return heat to the power of four: so weighted, a region's peak and not its blurred skirt leads."""
    square = heat * heat
    return square * square


def surroundings(
    depth: Floats, intrinsics: Intrinsics, origin: tuple[int, int], step: int, shape: tuple[int, ...]
) -> NDArray[np.float64]:
    """Return points [N, 3] on a coarse grid over a box of `shape` (h, w) pixels and a little around it.

    `origin` is the box's first pixel (u, v) in the depth image [H, W], `step` the spacing of its pixels.
    """
    height, width = shape[0] * step, shape[1] * step
    u0, v0 = max(origin[0] - MARGIN, 0), max(origin[1] - MARGIN, 0)
    u1, v1 = origin[0] + width + MARGIN, origin[1] + height + MARGIN
    sparse = max(1, max(width, height) // SAMPLES)
    points = deproject(depth[v0:v1:sparse, u0:u1:sparse], intrinsics, (u0, v0), sparse)
    return points[np.isfinite(points[..., 2])].astype(np.float64)


def above_support(points: Floats, hot: Mask, heat: Floats, plane: Plane | None) -> Mask | None:
    """Return the pixels [h, w] of what rises above the plane that the hot part lies on.

    `points` [h, w, 3], NaN where there is no depth. None if there is no plane, or if the core of the heat,
    `heat` [h, w] where `hot` [h, w] is true, does not rise above it: the part may itself be flat.
    """
    if plane is None:
        return None
    rising: Mask = points @ plane.normal.astype(np.float32) > plane.offset + plane.tolerance
    core = hot & (heat >= CORE * heat[hot].max())
    if np.count_nonzero(rising & core) < RISING * np.count_nonzero(core):
        return None
    return rising


def support(points: NDArray[np.float64], height: float) -> Plane | None:
    """Return the plane (a table, a wall) most points [N, 3] lie on, or None; things rise from it by `height`
    metres.

    RANSAC with a fixed seed, so that equal images give equal answers, then least squares.
    """
    if len(points) < FEWEST:
        return None
    tolerance = height * max(1.0, float(np.median(points[:, 2]))) ** 2
    a, b, c = points[_triples(len(points))]
    normals = cross((b - a).T, (c - a).T).T
    lengths = np.linalg.norm(normals, axis=1)
    usable = lengths > 1e-12
    if not usable.any():
        return None
    normals, a = normals[usable] / lengths[usable, None], a[usable]
    distances = np.abs(normals @ points.T - np.sum(normals * a, axis=1)[:, None])
    near = distances < tolerance
    votes = [np.count_nonzero(row) for row in near]
    best = int(np.argmax(votes))
    if votes[best] < SUPPORT_SHARE * len(points):
        return None
    members = points[near[best]]
    centre = members.mean(axis=0)
    centred = members - centre
    normal = np.linalg.eigh(centred.T @ centred)[1][:, 0]
    # The camera is at the origin: a normal that points to it makes the plane's offset negative.
    offset = float(normal @ centre)
    return Plane(normal, offset, tolerance) if offset < 0 else Plane(-normal, -offset, tolerance)


@lru_cache(maxsize=256)
def _triples(count: int) -> NDArray[np.int64]:
    """Return the indices [3, TRIALS] of points, of `count`, that planes are laid through."""
    triples: NDArray[np.int64] = np.random.default_rng(0).integers(0, count, (TRIALS, 3)).T
    return triples


def connected_surface(depth: Floats, solid: Mask, hot: Mask, heat: Floats, step: float) -> Mask:
    """Return the pixels [h, w] of `solid` connected to the heat's core without a jump in depth above `step`.

    The core is sought where `hot` [h, w] is true, in `solid`. A blurred heatmap spills over what is behind a
    part, or shows through its holes: of the surfaces in the core, the nearest one that takes up a quarter of
    it is meant.
    """
    hot = hot & solid
    core = hot & (heat >= CORE * heat[hot].max())
    near = core & (depth <= _lower_quarter(depth[core]) + step)
    seed = int(np.where(near, heat, -1).argmax())
    height, width = depth.shape
    # floodFill's mask has a border of one pixel; what is not zero stops it.
    barrier = np.ones((height + 2, width + 2), np.uint8)
    barrier[1:-1, 1:-1] = ~solid
    clean = np.where(solid, depth, 0).astype(np.float32)
    filled = cv2.FLOODFILL_MASK_ONLY | 8 | (2 << 8)
    cv2.floodFill(clean, barrier, (seed % width, seed // width), 0, step, step, filled)
    connected: Mask = barrier[1:-1, 1:-1] == 2
    return connected


def _lower_quarter(values: Floats) -> float:
    """Return the value that a quarter of `values` [N] are below."""
    rank = len(values) // 4
    return float(np.partition(values, rank)[rank])


def cross(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the cross product of vectors [3] or of columns [3, N], at a tenth of numpy's overhead."""
    return np.stack([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]])


def _closed(part: Mask) -> NDArray[np.uint8]:
    """Return `part` as 0 and 1 without its small holes: pixels whose depth is missing are of the part too."""
    closed = np.empty(part.shape, np.uint8)
    kernel = np.ones((5, 5), np.uint8)
    cv2.morphologyEx(part.astype(np.uint8), cv2.MORPH_CLOSE, kernel, dst=closed)
    return closed


def middle(part: Mask, body: Mask, heat: Floats) -> Place:
    """Return the place of `part` [h, w] to grasp: hot, near the centre of heat, well inside `body` [h, w].

    `body` is what the hot part belongs to: its outline, not the heat's, says where its middle is. The centre
    of heat itself may be outside: in the hole of a ring, or in the bend of a handle.
    """
    padded = cv2.copyMakeBorder(_closed(body), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=(0,))
    # Only the box around the part counts.
    left, top, width, height = cv2.boundingRect(part.view(np.uint8))
    box = (slice(top, top + height), slice(left, left + width))
    thickness = cv2.distanceTransform(padded, cv2.DIST_L2, 3)[1:-1, 1:-1][box]
    part, heat = part[box], heat[box]
    warmth = np.where(part, heat / heat[part].max(), np.float32(0))
    weight = fourth_power(warmth)
    u, v = (np.arange(size, dtype=np.float32) for size in part.shape[::-1])
    total = weight.sum()
    distance = (u - weight.sum(axis=0) @ u / total) ** 2 + (v - weight.sum(axis=1) @ v / total)[:, None] ** 2
    # A region's size is the root of its area; half of it is how far the point may wander.
    # Being thick counts less than being hot: the bottom of a mug is well inside it, its hot rim is not.
    score = weight * np.sqrt(thickness) * np.exp(-2 / np.count_nonzero(part) * distance)
    best_v, best_u = divmod(int(score.argmax()), part.shape[1])
    return Place(left + best_u, top + best_v, float(thickness[best_v, best_u]))


def nearby(points: Floats, body: Mask, place: Place) -> Floats:
    """Return the points [N, 3] of `body` within twice its half-thickness of the place, and connected to it.

    That is far enough to show which way a handle or a rim runs, and not so far as to follow its bend.
    """
    reach = int(2 * place.thickness) + 1
    v0, u0 = max(place.v - reach, 0), max(place.u - reach, 0)
    box = (slice(v0, place.v + reach + 1), slice(u0, place.u + reach + 1))
    v, u = np.ogrid[: body[box].shape[0], : body[box].shape[1]]
    disc = (u - place.u + u0) ** 2 + (v - place.v + v0) ** 2 <= reach**2
    labels = cv2.connectedComponents(_closed(body[box]) * disc, connectivity=8)[1]
    connected: Floats = points[box][(labels == labels[place.v - v0, place.u - u0]) & body[box]]
    return connected


def grasp_axes(points: Floats, ray: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the gripper's axes as columns x, y, z [3, 3] for surface points [N, 3] seen along `ray` [3].

    z is the approach, into the object along the surface's normal; x closes across the thin axis. Points
    that are as thick as they are wide (a rod a few pixels wide) have no normal: the approach is the viewing
    ray then, squared to the long axis. A round region has no thin axis: x is as near to the image's
    horizontal as can be. x points to the image's right (or down), so that it does not flip.
    """
    ray = ray / np.linalg.norm(ray)
    centred = points.astype(np.float64) - points.mean(axis=0, dtype=np.float64)
    variances, vectors = np.linalg.eigh(centred.T @ centred / max(len(points), 1))
    long_axis, approach = vectors[:, 2], vectors[:, 0]
    if variances[0] > 0.5 * variances[1]:
        approach = ray - (ray @ long_axis) * long_axis
        if np.linalg.norm(approach) < 0.1:
            # Seen along the rod: approach it from the side that faces up in the image.
            approach = np.array([0.0, 1.0, 0.0]) - long_axis[1] * long_axis
        approach /= np.linalg.norm(approach)
    elif approach @ ray < 0:
        approach = -approach
    if variances[2] < ROUND * variances[1]:
        closing = np.array([1.0, 0.0, 0.0]) - approach[0] * approach
        if np.linalg.norm(closing) < 0.1:
            closing = np.array([0.0, 1.0, 0.0]) - approach[1] * approach
    else:
        closing = cross(approach, long_axis)
    closing = forward(closing / np.linalg.norm(closing))
    return np.stack([closing, cross(approach, closing), approach], axis=1)


def extent_across(local: Floats, thickness: float, spacing: float) -> tuple[float, float]:
    """Return how far (low <= 0 <= high) points reach along x from the origin without a gap.

    `local` [N, 2] are their x and y along the gripper's axes, measured from the grasp point. Only points near
    it along y count, within half of `thickness` (in pixels, half the part's), and a gap ends the part: the
    far side of a ring is not its rim. `spacing` is that of neighbouring pixels facing the camera, in the
    points' unit.
    """
    across = np.sort(local[np.abs(local[:, 1]) <= max(thickness / 2, 1) * spacing, 0])
    if len(across) == 0:
        return 0.0, 0.0
    # The run of points without a gap that the origin is in.
    ends = np.flatnonzero(np.diff(across) > GAP * spacing) + 1
    run = int(np.searchsorted(ends, np.abs(across).argmin(), side="right"))
    own = np.split(across, ends)[run]
    # Flying pixels at a depth edge would widen the part: one in fifty on each side may be one. What
    # that cuts off a part without them is added again.
    spare = len(own) // 50
    low, high = float(own[spare]), float(own[len(own) - 1 - spare])
    cut = (high - low) * spare / (len(own) - 2 * spare)
    return min(low - cut, 0.0), max(high + cut, 0.0)


def narrowest(
    local: Floats, axes: NDArray[np.float64], thickness: float, spacing: float
) -> tuple[NDArray[np.float64], float, float]:
    """Return the axes turned about the approach to where the extent is smallest, and that extent.

    The other arguments are those of `extent_across`.
    """
    turns = []
    for angle in np.linspace(0, np.pi, TURNS, endpoint=False):
        closing = forward(np.cos(angle) * axes[:, 0] + np.sin(angle) * axes[:, 1])
        turned = np.stack([closing, cross(axes[:, 2], closing), axes[:, 2]], axis=1)
        turn = (axes[:, :2].T @ turned[:, :2]).astype(np.float32)
        turns.append((turned, *extent_across(local @ turn, thickness, spacing)))
    return min(turns, key=lambda turn: turn[2] - turn[1])


def forward(closing: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a closing direction or its opposite, as good: the one to the image's right (or down)."""
    leading = closing[0] if abs(closing[0]) > 0.05 else closing[1]
    return -closing if leading < 0 else closing
