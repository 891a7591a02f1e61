"""Walls, handles, spouts and lids of vessels: they stand on z = 0, spouts at −x, handles at +x. Metres."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from selcon_tabletop.parts import Grip, Part, Rng, X, Z, between
from selcon_tabletop.shapes import Mesh, Points, lathe, merged, rounded, sweep

Profile = list[tuple[float, float]]


@dataclass(frozen=True)
class Wall:
    """A hollow vessel in three meshes: the outer side with the foot, the rim at the top, and the inner side
    with the floor."""

    outer: Mesh
    rim: Mesh
    inside: Mesh

    def moved(self, move: Callable[[Points], Points]) -> Wall:
        """Return the wall with every vertex moved by `move` (N×3 to N×3)."""
        return Wall(*(Mesh(move(mesh.vertices), mesh.faces) for mesh in (self.outer, self.rim, self.inside)))


def outline(radius: float, tall: float, shares: Profile, times: int = 2) -> Profile:
    """Return a rounded profile, upwards, of (radius, height) as shares of the vessel's own."""
    return rounded([(r * radius, z * tall) for r, z in shares], times)


def radius_at(profile: Profile, height: float) -> float:
    """Return the radius of a profile, listed upwards, at a height."""
    return float(np.interp(height, [z for _, z in profile], [r for r, _ in profile]))


def wall(profile: Profile, thick: float, floor: float, lip: float, around: int = 32) -> Wall:
    """Return the wall whose outer side is `profile` ((radius, height), upwards from height 0).

    `thick` is its thickness, `floor` the height of its floor; the rim is the topmost `lip`. The three meshes
    are closed; they meet inside the wall, where no camera sees.
    """
    top = profile[-1][1]
    edge = top - lip
    at_edge = radius_at(profile, edge)
    low = [point for point in profile if point[1] < edge - 1e-5] + [(at_edge, edge)]
    high = [(at_edge, edge)] + [point for point in profile if point[1] > edge + 1e-5]

    def shifted(points: Profile, by: float, least: float) -> Profile:
        return [(max(r - by, 0.001), max(z, least)) for r, z in points]

    middle = shifted(low, thick / 2, floor / 2)
    inner = shifted(low, thick, floor)
    outer = lathe([(0, 0), *low, *reversed(middle), (0, floor / 2)], around)
    inside = lathe([(0, floor / 2), *middle, *reversed(inner), (0, floor)], around)
    crest = (high[-1][0] - thick / 2, top + 0.3 * thick)
    rim = lathe([*high, crest, *reversed(shifted(high, thick, 0))], around, closed=True)
    return Wall(outer, rim, inside)


def liquid(profile: Profile, thick: float, level: float) -> Mesh:
    """Return the surface of what a vessel is filled with up to height `level`."""
    radius = radius_at(profile, level) - 0.8 * thick
    return lathe([(0, level - 0.001), (radius, level - 0.001), (radius, level), (0, level)], 28)


def split(mesh: Mesh, chosen: Callable[[Points], NDArray[np.bool_]]) -> tuple[Mesh, Mesh]:
    """Return the quads of a surface of revolution whose centres `chosen` picks, and the others."""
    centres = mesh.vertices[mesh.faces].mean(1).reshape(2, -1, 3).mean(0)  # of the two triangles of a quad
    picked = np.tile(chosen(centres), 2)
    halves = []
    for faces in (mesh.faces[picked], mesh.faces[~picked]):
        used, index = np.unique(faces, return_inverse=True)
        halves.append(Mesh(mesh.vertices[used], index.reshape(-1, 3).astype(np.int32)))
    return halves[0], halves[1]


def pulled(
    reach: float, width: float, top: float, depth: float, rise: float = 0.25
) -> Callable[[Points], Points]:
    """Return a move that draws a wall's upper edge out to a lip at −x: by `reach`, over `width` radians to
    either side and `depth` downwards from `top`; up by `rise` times as much."""

    def move(points: Points) -> Points:
        angle = np.arctan2(points[:, 1], -points[:, 0])
        share = (
            np.clip(1 - np.abs(angle) / width, 0, 1) ** 2
            * np.clip(1 - (top - points[:, 2]) / depth, 0, 2) ** 1.5
        )
        share *= np.clip(np.hypot(points[:, 0], points[:, 1]) / 0.012, 0, 1) ** 2  # the axis stays
        moved: Points = points + share[:, None] * np.array([-reach, 0, rise * reach])
        return moved

    return move


def near_lip(points: Points, width: float, low: float) -> NDArray[np.bool_]:
    """Return which points lie within `width` radians of −x, off the axis and above height `low`."""
    angle = np.abs(np.arctan2(points[:, 1], -points[:, 0]))
    return (angle < width) & (points[:, 2] > low) & (np.hypot(points[:, 0], points[:, 1]) > 0.012)


def lip_parts(walls: Wall, width: float, low: float) -> tuple[list[Mesh], Wall]:
    """Return what of a pulled wall is its lip, and the rest of it."""
    meshes = (walls.outer, walls.rim, walls.inside)
    pairs = [split(mesh, lambda centres: near_lip(centres, width, low)) for mesh in meshes]
    return [first for first, _ in pairs], Wall(*(second for _, second in pairs))


def lipped_wall(
    profile: Profile, thick: float, reach: float, width: float, depth: float, rise: float = 0.25
) -> tuple[list[Mesh], Wall]:
    """Return what of a vessel's wall is its lip, and the rest: the upper edge is drawn out as by `pulled`."""
    top = profile[-1][1]
    move = pulled(reach, 1.3 * width, top, depth, rise)
    walls = wall(dense(profile), thick, 2 * thick, 0.005, 40).moved(move)
    return lip_parts(walls, 0.95 * width, top - 0.7 * depth)


LOOPS: dict[str, Profile] = {  # how far out (of the reach) and how high (of the height) from end to end
    "d": [(0, 1), (1, 1), (1, 0), (0, 0)],
    "c": [(0, 1), (0.7, 1.12), (1.15, 0.5), (0.7, -0.12), (0, 0)],
    "ear": [(0, 1), (0.8, 1.15), (1.25, 0.75), (0.75, 0.2), (0, 0)],
    "square": [(0, 1), (0.5, 1), (1, 1), (1, 0.5), (1, 0), (0.5, 0), (0, 0)],
    "slanted": [(0, 1), (1.1, 1.02), (0.95, 0.55), (0.35, 0.06), (0, 0)],
}
HIGH_LOOPS: dict[str, Profile] = {  # those that rise above where they begin
    "raised": [(0, 1), (0.35, 1.5), (1.15, 1.4), (1.2, 0.8), (0.7, 0.15), (0, 0)],
    "swan": [(0, 1), (0.3, 1.3), (1.0, 1.35), (1.15, 0.9), (0.6, 0.5), (0.75, 0.15), (0.3, -0.05), (0, 0)],
}


def loop(
    profile: Profile, high: float, low: float, reach: float, shape: str, wide: float, thick: float
) -> tuple[Mesh, Grip]:
    """Return a handle at +x that leaves the wall `profile` at height `high` and meets it again at `low`."""
    upper, lower = radius_at(profile, high), radius_at(profile, low)
    points = [
        (out * reach + up * upper + (1 - up) * lower, low + up * (high - low))
        for out, up in {**LOOPS, **HIGH_LOOPS}[shape]
    ]
    curve = np.array(rounded(points, 2 if shape == "square" else 3))
    curve[0, 0] = upper - 0.0025
    curve[-1, 0] = lower - 0.0025
    path = np.stack([curve[:, 0], 0 * curve[:, 0], curve[:, 1]], -1)
    mesh = sweep(path, thick / 2, 10, wide / thick, up=(0, 1, 0), square=0.8)
    out = float(curve[:, 0].max())
    grip = Grip(np.array([out, 0, (high + low) / 2]), Z, 0.5 * thick + 0.002, X)
    return outside(mesh, profile), grip


def outside(mesh: Mesh, profile: Profile, depth: float = 0.0012) -> Mesh:
    """Return the mesh with what reaches into a vessel moved to `depth` below the outer side `profile`."""
    inner = np.interp(mesh.vertices[:, 2], [z for _, z in profile], [r for r, _ in profile]) - depth
    radius = np.maximum(np.hypot(mesh.vertices[:, 0], mesh.vertices[:, 1]), 1e-6)
    factor = np.maximum(inner / radius, 1.0)
    return Mesh(mesh.vertices * np.stack([factor, factor, np.ones_like(factor)], -1), mesh.faces)


def dense(profile: Profile, count: int = 44) -> Profile:
    """Return the profile (heights rising) with `count` evenly spaced heights."""
    heights = np.linspace(profile[0][1], profile[-1][1], count)
    return [(radius_at(profile, float(z)), float(z)) for z in heights]


def body_grip(radius: float, height: float) -> Grip:
    """Return the grip of a hand around a vessel's wall."""
    return Grip(np.array([0, 0, height]), Z, radius, X)


def spout(
    start: float, low: float, high: float, reach: float, thick: float, curl: float, look: str
) -> list[Part]:
    """Return a spout at −x that rises from height `low` at the wall's radius `start` to `high`, and its dark
    opening; `curl` 1 is straight, more bends it up later."""
    t = np.linspace(0, 1, 12)
    path = np.stack(
        [-start + 0.6 * thick - (reach + 0.6 * thick) * t, 0 * t, low + (high - low) * t**curl], -1
    )
    girth = thick * (1.2 - 0.6 * t**0.7)
    end = path[-1] - path[-2]
    mouth = np.stack([path[-1] - 0.2 * end, path[-1] + 0.02 * end])
    return [
        Part("spout", sweep(path, girth, 14, up=(0, 1, 0)), look, "pour"),
        Part("spout", sweep(mouth, 0.78 * girth[-1], 14, up=(0, 1, 0)), "black_plastic", "pour"),
    ]


def lid(radius: float, height: float, dome: float, knob: float, tall: float = 0.02) -> Mesh:
    """Return a round lid at `height` with a knob of radius `knob`."""
    profile = [
        (0, -0.002),
        (radius, -0.002),
        (radius, 0.15 * dome),
        *rounded([(0.95 * radius, 0.25 * dome), (0.7 * radius, 0.9 * dome), (0.6 * knob, dome)], 2),
        (0.55 * knob, dome + 0.25 * tall),
        (knob, dome + 0.5 * tall),
        (0.95 * knob, dome + 0.85 * tall),
        (0.5 * knob, dome + tall),
        (0, dome + tall),
    ]
    return lathe(profile).moved((0, 0, height))


def cap(rng: Rng, radius: float, tall: float, height: float) -> Mesh:
    """Return a screw cap, plain, stepped or ribbed."""
    ribs = 24 if rng.random() < 0.5 else 0
    step = between(rng, 0.85, 1)
    side = [(radius, 0), (radius, 0.45 * tall), (step * radius, 0.55 * tall), (step * radius, 0.92 * tall)]
    mesh = lathe([(0, 0), *side, (0.9 * step * radius, tall), (0, tall)], 2 * ribs or 28)
    vertices = mesh.vertices.copy()
    if ribs:
        vertices[::2, :2] *= 0.95
    return Mesh(vertices, mesh.faces).moved((0, 0, height))


def together(kind: str, meshes: list[Mesh], look: str, action: str | None = None) -> Part:
    """Return one part made of several meshes."""
    return Part(kind, merged(meshes), look, action)
