"""Cut a triangle mesh into nearly convex pieces, for collisions: the hull of a piece is as good as its
surface.

Libraries for this (CoACD 1.0.14, V-HACD in vhacdx 0.1.1) took up to a minute for one mug; here every trial
has objects of its own.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from selcon_tabletop.shapes import Mesh, Points

DEVIATION_SHARE = 0.1
"""How far points of a piece may lie beyond the plane of another of its triangles, as a share of the smallest
extent of what it is cut from, within `MIN_DEVIATION` and `MAX_DEVIATION` metres. Where a surface
bends evenly, the hull is off it by a quarter of this."""
MIN_DEVIATION, MAX_DEVIATION = 0.0008, 0.005
MIN_PIECE_SIZE = 0.006
"""Metres: a piece of this size is not cut further."""
MIN_THICKNESS = 0.0006
"""Metres: a flat piece of surface is made this thick, inwards."""
SECTOR_COUNT = 16
"""What is hollow and round about the vertical is first cut like a cake."""

Triangles = NDArray[np.float64]
"""Corners [N, 3, 3] in metres, counter-clockwise seen from outside."""


def convex_pieces(mesh: Mesh) -> list[Points]:
    """Return the points [N, 3] of pieces whose hulls are the mesh, within the limits above.

    What is not connected is cut apart first.
    """
    pieces = []
    for body in _bodies(mesh):
        extent = np.ptp(body.reshape(-1, 3), axis=0)
        allowed = float(np.clip(DEVIATION_SHARE * extent.min(), MIN_DEVIATION, MAX_DEVIATION))
        round_about_z = abs(extent[0] - extent[1]) < 0.25 * max(extent[:2])
        hollow = _deviation(body) > 0.25 * max(extent[:2])
        for part in _sectors(body) if round_about_z and hollow else [body]:
            pieces += _cut(part, allowed)
    return pieces


def _bodies(mesh: Mesh) -> list[Triangles]:
    """Return the triangles of each connected part of a mesh."""
    label = np.arange(len(mesh.vertices))
    corners = mesh.faces
    while True:  # each round every vertex takes the lowest label of a triangle of its
        lowest = label[corners].min(axis=1)
        new = label.copy()
        for column in range(3):
            np.minimum.at(new, corners[:, column], lowest)
        new = new[new]
        if np.array_equal(new, label):
            break
        label = new
    owners = label[corners[:, 0]]
    triangles = mesh.vertices[corners]
    return [triangles[owners == owner] for owner in np.unique(owners)]


def _sectors(triangles: Triangles) -> list[Triangles]:
    points = triangles.reshape(-1, 3)
    centre = (points.min(axis=0) + points.max(axis=0)) / 2
    pieces = [triangles]
    for angle in np.linspace(0, np.pi, SECTOR_COUNT // 2, endpoint=False):
        normal = np.array([np.cos(angle), np.sin(angle), 0.0])
        pieces = [half for piece in pieces for half in _halved(piece, normal, float(normal @ centre))]
    return pieces


def _cut(triangles: Triangles, allowed: float) -> list[Points]:
    """Return the pieces of one connected surface: it is halved where that leaves the least deviation."""
    pieces: list[Points] = []
    waiting = [triangles]
    while waiting:
        piece = waiting.pop()
        points = piece.reshape(-1, 3)
        extent = np.ptp(points, axis=0)
        if extent.max() <= MIN_PIECE_SIZE or _deviation(piece) <= allowed:
            pieces += _solid(piece)
            continue
        middle = (points.min(axis=0) + points.max(axis=0)) / 2
        best: tuple[float, list[Triangles]] | None = None
        for axis in np.flatnonzero(extent > max(MIN_PIECE_SIZE, 0.5 * extent.max())):
            halves = _halved(piece, np.eye(3)[axis], float(middle[axis]))
            # Of equally good cuts the one across the longest side.
            left = sum(_deviation(half) for half in halves) * (1 + 0.1 * extent.max() / extent[axis])
            if best is None or left < best[0]:
                best = float(left), halves
        assert best is not None
        waiting += best[1]
    return pieces


def _normals(triangles: Triangles) -> Points:
    """Return the unit normals [N, 3] of triangles, zero of degenerate ones."""
    first, second = triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]
    normals = np.cross(first, second)
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    unit: Points = np.divide(normals, length, out=np.zeros_like(normals), where=length > 1e-10)
    return unit


def _deviation(triangles: Triangles) -> float:
    """Return how far points of a surface lie beyond the plane of any of its triangles: 0 if it is convex."""
    normals = _normals(triangles)
    offsets = np.sum(normals * triangles[:, 0], axis=1)
    points = triangles.reshape(-1, 3)
    if len(points) > 200:
        points = np.unique(points.round(6), axis=0)
    sparse = max(1, len(points) * len(normals) // 100_000)
    return float((points @ normals[::sparse].T - offsets[::sparse]).max())


def _halved(triangles: Triangles, normal: Points, at: float) -> list[Triangles]:
    """Return what of triangles lies below and above the plane of the points p with normal · p = at."""
    side = triangles @ normal - at
    halves = []
    for sign in (1.0, -1.0):
        inside = sign * side <= 0
        count = inside.sum(axis=1)
        kept = [triangles[count == 3]]
        for number in (1, 2):
            chosen = np.flatnonzero(count == number)
            if not len(chosen):
                continue
            # Turn each so that the corner that is alone on its side comes first.
            alone = (inside if number == 1 else ~inside)[chosen].argmax(axis=1)
            order = (alone[:, None] + np.arange(3)) % 3
            rows = chosen[:, None]
            a, b, c = triangles[rows, order].transpose(1, 0, 2)
            da, db, dc = side[rows, order].T
            ab = a + (da / (da - db))[:, None] * (b - a)
            ac = a + (da / (da - dc))[:, None] * (c - a)
            if number == 1:
                kept.append(np.stack([a, ab, ac], axis=1))
            else:
                kept += [np.stack([ab, b, c], axis=1), np.stack([ab, c, ac], axis=1)]
        half = np.concatenate(kept)
        if len(half):
            halves.append(half)
    return halves


def _solid(triangles: Triangles) -> list[Points]:
    """Return the points of a piece, thickened inwards if they lie in one plane; none for a sliver."""
    points = np.unique(triangles.reshape(-1, 3).round(6), axis=0)
    if _thickness(points) < MIN_THICKNESS:
        inward = (triangles - MIN_THICKNESS * _normals(triangles)[:, None]).reshape(-1, 3)
        points = np.unique(np.concatenate([points, inward]).round(6), axis=0)
    return [points] if _thickness(points) > 0.5 * MIN_THICKNESS else []


def _thickness(points: Points) -> float:
    """Return the extent of points along the direction in which they spread least."""
    if len(points) < 4:
        return 0.0
    centred = points - points.mean(axis=0)
    return float(np.ptp(centred @ np.linalg.eigh(centred.T @ centred)[1][:, 0]))
