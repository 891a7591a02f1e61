"""Triangle meshes of the tabletop world: surfaces of revolution, swept tubes and flat prisms, in metres."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
Faces = NDArray[np.int32]


@dataclass(frozen=True)
class Mesh:
    """A triangle mesh: `vertices` N×3 float64 in metres, `faces` M×3 int32, counter-clockwise seen from
    outside.

    `uv` N×2 float32 are the texture coordinates of the vertices, if any: (0, 0) is the picture's lower left
    corner, (1, 1) the upper right one, and what lies outside repeats.
    """

    vertices: Points
    faces: Faces
    uv: NDArray[np.float32] | None = None

    def moved(self, offset: Sequence[float] | Points = (0, 0, 0), rotation: Points | None = None) -> Mesh:
        """Return the mesh rotated by the 3×3 `rotation`, then shifted by `offset` in metres."""
        turned = self.vertices if rotation is None else self.vertices @ rotation.T
        return replace(self, vertices=turned + np.asarray(offset, dtype=np.float64))

    def scaled(self, factors: Sequence[float]) -> Mesh:
        """Return the mesh with each axis multiplied by its (positive) factor."""
        return replace(self, vertices=self.vertices * np.asarray(factors, dtype=np.float64))


def merged(meshes: Sequence[Mesh]) -> Mesh:
    """Return one mesh that holds all of `meshes`, with texture coordinates if all have them."""
    uvs = [mesh.uv for mesh in meshes if mesh.uv is not None]
    starts = np.cumsum([0] + [len(mesh.vertices) for mesh in meshes[:-1]])
    return Mesh(
        np.concatenate([mesh.vertices for mesh in meshes]),
        np.concatenate([mesh.faces + start for mesh, start in zip(meshes, starts, strict=True)]).astype(
            np.int32
        ),
        np.concatenate(uvs) if len(uvs) == len(meshes) else None,
    )


def rotation(axis: str, angle: float) -> Points:
    """Return the 3×3 rotation by `angle` radians about the axis named x, y or z."""
    cos, sin = np.cos(angle), np.sin(angle)
    if axis == "x":
        return np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
    if axis == "y":
        return np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])
    return np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])


def _cross(a: Points, b: Points) -> Points:
    """Return the cross products of N×3 vectors (one of them may be one vector); NumPy's own takes longer."""
    (ax, ay, az), (bx, by, bz) = a.T, b.T
    product = np.empty(np.broadcast_shapes(a.shape, b.shape))
    product[:, 0], product[:, 1] = ay * bz - az * by, az * bx - ax * bz
    product[:, 2] = ax * by - ay * bx
    return product


@lru_cache(maxsize=512)
def _grid_faces(rings: int, around: int) -> Faces:
    """Return the triangles between consecutive closed rings of `around` vertices each, not to be changed."""
    i, j = np.meshgrid(np.arange(rings - 1), np.arange(around), indexing="ij")
    a, b = i * around + j, i * around + (j + 1) % around
    c, d = a + around, b + around
    return np.concatenate(
        [np.stack([a, b, d], -1).reshape(-1, 3), np.stack([a, d, c], -1).reshape(-1, 3)]
    ).astype(np.int32)


def lathe(profile: Sequence[tuple[float, float]], around: int = 28, closed: bool = False) -> Mesh:
    """Return the surface of revolution about z of `profile`, (radius, height) pairs listed along the outer
    side upwards; `closed` joins the last pair to the first, as in a ring."""
    radius, height = np.maximum(np.asarray(profile, dtype=np.float64).T, [[1e-5], [-np.inf]])
    angle = np.linspace(0, 2 * np.pi, around, endpoint=False)
    ring = np.stack([np.cos(angle), np.sin(angle)], -1)
    xy = radius[:, None, None] * ring
    z = np.broadcast_to(height[:, None, None], (*xy.shape[:2], 1))
    faces = _grid_faces(len(radius) + closed, around) % (len(radius) * around)
    return Mesh(np.concatenate([xy, z], -1).reshape(-1, 3), faces)


def sweep(
    path: Points,
    radius: float | Sequence[float] | Points,
    around: int = 12,
    flatten: float | Sequence[float] | Points = 1.0,
    up: Sequence[float] = (0, 0, 1),
    square: float = 1.0,
) -> Mesh:
    """Return a capped tube along `path` (N×3); `flatten` scales it along `up`; both may vary along the path.

    The section is a superellipse: round where `square` is 1, nearly a rectangle where it is 0.3.
    """
    path = np.asarray(path, dtype=np.float64)
    radii = np.broadcast_to(np.asarray(radius, dtype=np.float64), (len(path),))
    heights = radii * np.asarray(flatten, dtype=np.float64)
    tangent = np.gradient(path, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    reference = np.asarray(up, dtype=np.float64)
    if np.abs(tangent @ reference).max() > 0.95:
        reference = (
            np.array([1.0, 0.0, 0.0]) if np.abs(tangent[:, 0]).max() < 0.95 else np.array([0.0, 1.0, 0.0])
        )
    side = _cross(reference, tangent)
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    above = _cross(tangent, side)
    angle = np.linspace(0, 2 * np.pi, around, endpoint=False)
    across, upright = (np.sign(wave) * np.abs(wave) ** square for wave in (np.cos(angle), np.sin(angle)))
    rings = (
        path[:, None]
        + (radii[:, None] * across)[..., None] * side[:, None]
        + (heights[:, None] * upright)[..., None] * above[:, None]
    )
    return loft(rings)


def loft(rings: Points) -> Mesh:
    """Return the capped surface through `rings` (N×K×3), closed curves of K points each; it faces outwards
    whichever way they run."""
    return lofts(rings[None])


def lofts(rings: Points) -> Mesh:
    """Return the capped surfaces through each of B×N×K×3 `rings` in one mesh; all must run the same way."""
    bodies, count, around = rings.shape[:3]
    ends = rings[:, [0, -1]].mean(2, keepdims=True)
    ends = ends + 1e-6 * (rings[:, [0, -1]] - ends)  # distinct: a mesh compiler merges coincident vertices
    vertices = np.concatenate([ends[:, :1], rings, ends[:, 1:]], axis=1).reshape(-1, 3)
    one = _grid_faces(count + 2, around)
    if volume(Mesh(vertices[: (count + 2) * around], one)) < 0:
        one = one[:, ::-1]
    starts = (count + 2) * around * np.arange(bodies, dtype=np.int32)
    return Mesh(vertices, (one + starts[:, None, None]).reshape(-1, 3))


def volume(mesh: Mesh) -> float:
    """Return the volume in cubic metres that a closed mesh holds, negative where it faces inwards."""
    a, b, c = (mesh.vertices[mesh.faces[:, i]] - mesh.vertices[0] for i in range(3))
    return float(np.einsum("ij,ij->i", a, _cross(b, c)).sum() / 6)


def plate(
    along: Sequence[float] | Points,
    low: Sequence[float] | Points,
    high: Sequence[float] | Points,
    thick: tuple[float, float],
    bend: Sequence[float] | Points | float = 0.0,
) -> Mesh:
    """Return a plate in the xy plane: at each x of `along` it reaches from y = `low` to `high`.

    `thick` are its thicknesses at the low and the high side; `bend` is the height z of its middle, one number
    or one an x.
    """
    x, low, high = (np.asarray(values, dtype=np.float64) for values in (along, low, high))
    z = np.broadcast_to(np.asarray(bend, dtype=np.float64), x.shape)
    corners = ((low, -thick[0]), (high, -thick[1]), (high, thick[1]), (low, thick[0]))
    return loft(np.stack([np.stack([x, y, z + t / 2], -1) for y, t in corners], 1))


def slab(length: float, width: float, height: float, corner: float = 0.3) -> Mesh:
    """Return a flat body with rounded corners: `corner` is the exponent of its outline's superellipse."""
    angle = np.linspace(0, 2 * np.pi, 33)[:-1]
    x, y = (np.sign(w) * np.abs(w) ** corner for w in (np.cos(angle), np.sin(angle)))
    flat = np.stack([length / 2 * x, width / 2 * y], -1)
    layers = [(0.97, 0), (1, 0.15 * height), (1, 0.85 * height), (0.97, height)]
    return loft(np.stack([np.concatenate([s * flat, np.full((32, 1), z)], -1) for s, z in layers]))


def rounded(points: Sequence[tuple[float, float]], times: int = 2) -> list[tuple[float, float]]:
    """Return the open curve with its corners cut `times` times (Chaikin); its ends stay."""
    curve = np.asarray(points, dtype=np.float64)
    for _ in range(times):
        first, second = 0.75 * curve[:-1] + 0.25 * curve[1:], 0.25 * curve[:-1] + 0.75 * curve[1:]
        curve = np.concatenate([curve[:1], np.stack([first, second], 1).reshape(-1, 2)[1:-1], curve[-1:]])
    return [(float(x), float(y)) for x, y in curve]


def prism(outline: Sequence[tuple[float, float]], thickness: float) -> Mesh:
    """Return a flat prism: the star-shaped `outline` (counter-clockwise, x and y) extruded by `thickness`
    about z = 0."""
    flat = np.asarray(outline, dtype=np.float64)
    count, centre = len(flat), flat.mean(0)
    layers = []
    for z in (-thickness / 2, thickness / 2):
        layers.append(
            np.concatenate([np.concatenate([flat, centre[None]]), np.full((count + 1, 1), z)], axis=1)
        )
    following = (np.arange(count) + 1) % count
    index = np.arange(count)
    hub = np.full(count, count)
    top = count + 1
    faces = np.concatenate(
        [
            np.stack([hub, following, index], -1),
            np.stack([hub + top, index + top, following + top], -1),
            np.stack([index, following, following + top], -1),
            np.stack([index, following + top, index + top], -1),
        ]
    )
    return Mesh(np.concatenate(layers), faces.astype(np.int32))


def box(size: Sequence[float] | Points) -> Mesh:
    """Return a box of full edge lengths `size`, centred on the origin."""
    x, y = size[0] / 2, size[1] / 2
    return prism([(-x, -y), (x, -y), (x, y), (-x, y)], size[2])


def arc(
    centre: Sequence[float], radius: float, start: float, stop: float, plane: str = "xz", count: int = 14
) -> Points:
    """Return `count` points of a circular arc in `plane`, angles in radians from the plane's first axis."""
    angle = np.linspace(start, stop, count)
    points = np.zeros((count, 3))
    first, second = "xyz".index(plane[0]), "xyz".index(plane[1])
    points[:, first], points[:, second] = radius * np.cos(angle), radius * np.sin(angle)
    return points + np.asarray(centre, dtype=np.float64)


def line(start: Sequence[float] | Points, stop: Sequence[float] | Points, count: int = 2) -> Points:
    """Return `count` points from `start` to `stop`."""
    return np.linspace(np.asarray(start, dtype=np.float64), np.asarray(stop, dtype=np.float64), count)
