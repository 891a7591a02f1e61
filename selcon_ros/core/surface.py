"""The geometry of a hot region: its surface in the depth image, its middle, its axes and its extent."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from selcon_ros.core.camera import Intrinsics, valid_depth

Mask = NDArray[np.bool_]
Floats = NDArray[np.float32]

# Share of the peak's heat above which a pixel belongs to the region's core.
CORE = 0.8
# Share of the core that must rise above the table for the table to be cut away.
RISING = 0.2
# Pixels that the table's plane is fitted to, along the longer side, and planes tried.
SAMPLES = 28
TRIALS = 64
# Share of the samples that must lie on a plane for it to be called a table.
SUPPORT_SHARE = 0.3
# Ratio of variances up to which a region is called round: it has no thin axis.
ROUND = 1.3


@dataclass(frozen=True)
class Place:
    """A pixel of a cropped region, and half the region's thickness there in pixels."""

    u: int
    v: int
    thickness: float


def lift(
    u: NDArray[np.integer], v: NDArray[np.integer], z: NDArray[np.floating], intrinsics: Intrinsics
) -> Floats:
    """Return the points [N, 3] in metres, optical frame, of pixels u, v [N] with depth z [N]."""
    x = (u - intrinsics.cx) / intrinsics.fx * z
    y = (v - intrinsics.cy) / intrinsics.fy * z
    return np.stack([x, y, z], axis=1).astype(np.float32)


def above_support(
    depth: Floats,
    intrinsics: Intrinsics,
    origin: tuple[int, int],
    region: Mask,
    heat: Floats,
    height: float,
) -> Mask:
    """Return the pixels [h, w] that are not on the plane (a table, a wall) that the part lies on.

    `region` [h, w] and `heat` [h, w] are a crop of `depth` [H, W] at `origin` (u, v), valid where `region`
    is true. If the region's core does not rise above a plane by `height` metres, or there is none, the part
    may itself be flat, and every pixel is kept.
    """
    everything = np.ones(region.shape, np.bool_)
    v, u = np.nonzero(region)
    z = depth[v + origin[1], u + origin[0]]
    tolerance = height * max(1.0, float(np.median(z))) ** 2
    plane = _support_plane(_around(depth, intrinsics, origin, region.shape), tolerance)
    if plane is None:
        return everything
    normal, offset = plane
    rising = lift(u + origin[0], v + origin[1], z, intrinsics) @ normal.astype(np.float32) - offset > tolerance
    core = heat[v, u] >= CORE * heat[v, u].max()
    if np.count_nonzero(rising & core) < RISING * np.count_nonzero(core):
        return everything
    kept = np.zeros(region.shape, np.bool_)
    kept[v, u] = rising
    return kept


def _around(
    depth: Floats, intrinsics: Intrinsics, origin: tuple[int, int], shape: tuple[int, ...]
) -> NDArray[np.float64]:
    """Return points [N, 3] on a coarse grid over the region's box and as much again around it."""
    margin = max(shape) // 2 + 20
    u0, v0 = max(origin[0] - margin, 0), max(origin[1] - margin, 0)
    u1 = min(origin[0] + shape[1] + margin, depth.shape[1])
    v1 = min(origin[1] + shape[0] + margin, depth.shape[0])
    step = max(1, max(u1 - u0, v1 - v0) // SAMPLES)
    coarse = depth[v0:v1:step, u0:u1:step]
    v, u = np.nonzero(valid_depth(coarse))
    return lift(u0 + u * step, v0 + v * step, coarse[v, u], intrinsics).astype(np.float64)


def _support_plane(points: NDArray[np.float64], tolerance: float) -> tuple[NDArray[np.float64], float] | None:
    """Return the plane (unit normal towards the camera, offset: n . p = offset) most points lie on, or None.

    RANSAC with a fixed seed, so that equal images give equal answers, then least squares.
    """
    if len(points) < 10:
        return None
    triples = np.random.default_rng(0).integers(0, len(points), (TRIALS, 3))
    a, b, c = points[triples[:, 0]], points[triples[:, 1]], points[triples[:, 2]]
    normals = np.cross(b - a, c - a)
    lengths = np.linalg.norm(normals, axis=1)
    usable = lengths > 1e-12
    if not usable.any():
        return None
    normals, a = normals[usable] / lengths[usable, None], a[usable]
    distances = np.abs(points @ normals.T - np.sum(normals * a, axis=1))
    votes = np.count_nonzero(distances < tolerance, axis=0)
    best = int(votes.argmax())
    if votes[best] < SUPPORT_SHARE * len(points):
        return None
    members = points[distances[:, best] < tolerance]
    centre = members.mean(axis=0)
    normal = np.linalg.eigh(np.cov((members - centre).T))[1][:, 0]
    # The camera is at the origin: a normal that points to it makes the plane's offset negative.
    offset = float(normal @ centre)
    return (normal, offset) if offset < 0 else (-normal, -offset)


def connected_surface(depth: Floats, valid: Mask, heat: Floats, step: float) -> Mask:
    """Return the pixels [h, w] of `valid` that the core is connected to without a jump in depth above `step`.

    A blurred heatmap spills over what is behind a part, or shows through its holes: of the surfaces in the
    core, the nearest one that takes up a quarter of it is meant.
    """
    if not valid.any():
        return valid
    core = valid & (heat >= CORE * heat[valid].max())
    near = core & (depth <= np.quantile(depth[core], 0.25) + step)
    seed = int(np.where(near, heat, -1).argmax())
    height, width = depth.shape
    # floodFill's mask has a border of one pixel; what is not zero stops it.
    barrier = np.ones((height + 2, width + 2), np.uint8)
    barrier[1:-1, 1:-1] = ~valid
    clean = np.where(valid, depth, 0).astype(np.float32)
    filled = cv2.FLOODFILL_MASK_ONLY | 8 | (2 << 8)
    cv2.floodFill(clean, barrier, (seed % width, seed // width), 0, step, step, filled)
    connected: Mask = barrier[1:-1, 1:-1] == 2
    return connected


def middle(part: Mask, heat: Floats) -> Place:
    """Return the place of `part` [h, w] to grasp: hot, thick and near the centre of heat, so inside the part.

    The centre of heat itself may be outside: in the hole of a ring, or in the bend of a handle.
    """
    thickness = cv2.distanceTransform(np.pad(part, 1).astype(np.uint8), cv2.DIST_L2, 3)[1:-1, 1:-1]
    v, u = np.nonzero(part)
    weight = (heat[v, u] / heat[v, u].max()) ** 4
    total = weight.sum()
    centre_u, centre_v = float((weight * u).sum() / total), float((weight * v).sum() / total)
    distance = (u - centre_u) ** 2 + (v - centre_v) ** 2
    # A region's size is the root of its area; half of it is how far the point may wander.
    score = np.sqrt(weight) * thickness[v, u] * np.exp(-2 * distance / len(u))
    best = int(score.argmax())
    return Place(int(u[best]), int(v[best]), float(thickness[v[best], u[best]]))


def neighbourhood(part: Mask, place: Place) -> Mask:
    """Return the piece of `part` around the place, twice as long as it is thick, that is connected to it.

    It is long enough to show which way a handle or a rim runs, and short enough not to follow its bend.
    """
    v, u = np.ogrid[: part.shape[0], : part.shape[1]]
    radius = 2 * place.thickness + 1
    disc = part & ((u - place.u) ** 2 + (v - place.v) ** 2 <= radius**2)
    labels = cv2.connectedComponents(disc.astype(np.uint8), connectivity=8)[1]
    connected: Mask = labels == labels[place.v, place.u]
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
    if approach @ ray < 0:
        approach = -approach
    if variances[2] < ROUND * variances[1]:
        closing = np.array([1.0, 0.0, 0.0]) - approach[0] * approach
        if np.linalg.norm(closing) < 0.1:
            closing = np.array([0.0, 1.0, 0.0]) - approach[1] * approach
    else:
        closing = np.cross(approach, long_axis)
    closing /= np.linalg.norm(closing)
    leading = closing[0] if abs(closing[0]) > 0.05 else closing[1]
    if leading < 0:
        closing = -closing
    return np.stack([closing, np.cross(approach, closing), approach], axis=1)


def extent_across(
    points: Floats, centre: Floats, axes: NDArray[np.float64], slab: float, gap: float
) -> tuple[float, float]:
    """Return how far (low <= 0 <= high) the points [N, 3] reach along x from the centre without a gap.

    Only points within `slab` of the centre along y count, and a step of more than `gap` ends the part: the
    far side of a ring is not its rim. Units are the points'.
    """
    local = (points - centre) @ axes[:, :2].astype(np.float32)
    across = np.sort(local[np.abs(local[:, 1]) <= slab, 0])
    if len(across) == 0:
        return 0.0, 0.0
    breaks = np.diff(across) > gap
    runs = np.concatenate([[0], np.cumsum(breaks)])
    own = across[runs == runs[int(np.abs(across).argmin())]]
    # Flying pixels at a depth edge would widen the part: one in fifty on each side may be one.
    low, high = np.quantile(own, [0.02, 0.98])
    return min(float(low), 0.0), max(float(high), 0.0)


def quaternion(axes: NDArray[np.float64]) -> tuple[float, float, float, float]:
    """Return the unit quaternion (x, y, z, w), w >= 0, of a rotation matrix [3, 3]."""
    m = axes
    # The largest of the four gives the others without cancellation.
    squares = np.array([
        1 + m[0, 0] - m[1, 1] - m[2, 2], 1 - m[0, 0] + m[1, 1] - m[2, 2],
        1 - m[0, 0] - m[1, 1] + m[2, 2], 1 + m[0, 0] + m[1, 1] + m[2, 2],
    ])
    rows = np.array([
        [squares[0], m[0, 1] + m[1, 0], m[0, 2] + m[2, 0], m[2, 1] - m[1, 2]],
        [m[0, 1] + m[1, 0], squares[1], m[1, 2] + m[2, 1], m[0, 2] - m[2, 0]],
        [m[0, 2] + m[2, 0], m[1, 2] + m[2, 1], squares[2], m[1, 0] - m[0, 1]],
        [m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1], squares[3]],
    ])
    q = rows[int(squares.argmax())]
    q = q / np.linalg.norm(q)
    q = q if q[3] >= 0 else -q
    return float(q[0]), float(q[1]), float(q[2]), float(q[3])
