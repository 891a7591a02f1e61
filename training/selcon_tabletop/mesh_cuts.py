"""Cut meshes of files into parts: canonical pose, then rules over each face's material and place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
from numpy.typing import NDArray

from selcon_tabletop.mesh_files import Piece
from selcon_tabletop.shapes import Mesh, Points, rotation

Chosen = NDArray[np.bool_]
CONDITIONS = ("material", "along", "across", "height", "beyond", "within", "inside", "sector")
"""What a rule may ask of a face; all that it asks must hold."""
POSES = ("stand", "lie", "level")
BANDS = 24
MIN_INWARD = 0.15
MAX_MAPPED_FACES = 16000


@dataclass(frozen=True)
class Cut:
    """The faces of a piece that one rule took; `rule` is its place in the list."""

    rule: int
    piece: Piece


def wanted(pieces: Sequence[Piece], take: Sequence[str], drop: Sequence[str]) -> list[Piece]:
    """Return the pieces whose name or material matches a pattern of `take` (all, if none) and none of
    `drop`; `*` stands for any text."""

    def matches(piece: Piece, patterns: Sequence[str]) -> bool:
        return any(
            fnmatchcase(name, pattern) for name in (piece.name, piece.material) for pattern in patterns
        )

    return [piece for piece in pieces if (not take or matches(piece, take)) and not matches(piece, drop)]


def posed(
    pieces: Sequence[Piece], pose: str, size: float, turn: float, tilt: Sequence[float] = ()
) -> list[Piece]:
    """Return the pieces in metres and z up, on z = 0 with the centre of their bounding box at x = y = 0.

    `pose` is "stand" (the file's y axis is up), or "lie": the longest extent along x, the shortest upwards;
    "level" is the same by principal axes, for what lies askew in its file. `size` is the longest extent in
    metres; then all is turned by `tilt` degrees about x and y, and by `turn` degrees about the vertical.
    """
    points = np.concatenate([piece.mesh.vertices for piece in pieces])
    frame = rotation("x", np.pi / 2)
    if pose == "level":
        frame = _principal(points)
    elif pose == "lie":
        order = np.argsort(-np.ptp(points, axis=0), kind="stable")
        frame = np.eye(3)[order]
        frame[2] *= np.linalg.det(frame)
    for axis, degrees in zip("xy", tilt, strict=False):
        frame = rotation(axis, np.deg2rad(degrees)) @ frame
    frame = rotation("z", np.deg2rad(turn)) @ frame
    points = points @ frame.T
    low, high = points.min(0), points.max(0)
    scale = size / float((high - low).max())
    middle = np.array([*(low[:2] + high[:2]) / 2, low[2]])
    return [
        replace(piece, mesh=piece.mesh.moved((-middle).tolist(), frame).scaled([scale] * 3))
        for piece in pieces
    ]


def _principal(points: Points) -> Points:
    """Return the rotation that brings the first principal axis to x and the last to z."""
    centred = points - points.mean(0)
    frame = np.linalg.svd(centred, full_matrices=False)[2]
    # An axis may point either way: its largest component is made positive, whatever the library returned.
    frame *= np.sign(frame[np.arange(3), np.abs(frame).argmax(1)])[:, None]
    frame[2] *= np.sign(np.linalg.det(frame))
    return np.asarray(frame)


def cut(
    pieces: Sequence[Piece], rules: Sequence[Mapping[str, Any]], body: Sequence[Piece] | None = None
) -> list[Cut]:
    """Return the posed `pieces` cut by `rules`: every face goes to the first rule whose conditions it meets.

    Places are measured on `body` (all pieces, unless given): a cup without its saucer.

    Conditions of a rule: `material` (a pattern of the piece's name or material); `along`, `across`, `height`
    ([from, to], shares of the extent in x, y, z); `beyond` and `within` (distance from the vertical axis in
    radii of the body at that height); `inside` (true: faces that look at the axis, or upwards within the
    body, and the top of the wall); `sector` ([from, to] degrees about the axis, anticlockwise from +x).
    Faces that no rule takes are left out.
    """
    shape = _Shape(body or pieces)
    cuts = []
    for piece in pieces:
        place = shape.places(piece.mesh)
        left = np.ones(len(piece.mesh.faces), bool)
        for index, rule in enumerate(rules):
            chosen = left & _meets(rule, piece, place)
            if chosen.any():
                cuts.append(Cut(index, replace(piece, mesh=_only(piece.mesh, chosen))))
            left &= ~chosen
    return cuts


@dataclass(frozen=True)
class _Places:
    """Per face: the centre as shares of the extents, its distance from the axis in metres and in radii of
    the body, its direction about the axis in degrees, and whether it is of the inside."""

    share: Points
    ratio: NDArray[np.float64]
    angle: NDArray[np.float64]
    inside: Chosen


class _Shape:
    """The bounding box of an object, and its body as a surface of revolution about the vertical."""

    def __init__(self, pieces: Sequence[Piece]) -> None:
        points = np.concatenate([_spread(piece.mesh) for piece in pieces])
        self.low, self.size = points.min(0), np.maximum(np.ptp(points, axis=0), 1e-9)
        # Handles and spouts lie in the plane y = 0, so the widest place in y tells where the axis is.
        widest = np.abs(points[:, 1] - (self.low[1] + self.size[1] / 2)) > 0.485 * self.size[1]
        self.axis = np.array(
            [np.ptp(points[widest, 0]) / 2 + points[widest, 0].min(), self.low[1] + self.size[1] / 2]
        )
        offset = points[:, :2] - self.axis
        across = np.abs(offset[:, 1]) > 0.8 * np.linalg.norm(offset, axis=1)
        if not across.any():  # a box without corners there
            across[:] = True
        band = self._band(points[:, 2])
        self.radius = np.zeros(BANDS)
        np.maximum.at(self.radius, band[across], np.linalg.norm(offset[across], axis=1))
        known = np.nonzero(self.radius)[0]
        self.radius = np.interp(np.arange(BANDS), known, self.radius[known])
        body = points[across]
        self.top = float(body[:, 2].max())

    def _band(self, height: NDArray[np.float64]) -> NDArray[np.int64]:
        share = (height - self.low[2]) / self.size[2]
        return np.asarray(np.clip((BANDS * share).astype(np.int64), 0, BANDS - 1))

    def body(self, height: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the body's radius at heights in metres, between bands."""
        middles = self.low[2] + (np.arange(BANDS) + 0.5) / BANDS * self.size[2]
        return np.maximum(np.interp(height, middles, self.radius), 1e-6)

    def places(self, mesh: Mesh) -> _Places:
        corners = mesh.vertices[mesh.faces]
        centre = corners.mean(1)
        normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
        offset = centre[:, :2] - self.axis
        distance = np.linalg.norm(offset, axis=1)
        outward = (normal[:, :2] * offset).sum(1) / np.maximum(distance, 1e-9)
        ratio = distance / self.body(centre[:, 2])
        share = (centre - self.low) / self.size
        floor = (normal[:, 2] > 0.5) & (ratio < 0.97)
        above = centre[:, 2] > self.low[2] + 0.05 * self.size[2]
        lip = (centre[:, 2] > self.top - 0.03 * self.size[2]) & (ratio < 1.1) & (outward < 0.7)
        inside = ((outward < -MIN_INWARD) & (ratio < 1.02) | floor) & above | lip
        return _Places(share, ratio, np.rad2deg(np.arctan2(offset[:, 1], offset[:, 0])), inside)


def _spread(mesh: Mesh) -> Points:
    """Return points along the edges of all faces: corners alone leave most heights of a plain wall empty."""
    corners = mesh.vertices[mesh.faces]
    shares = np.linspace(0, 1, 2 * BANDS + 1)[:, None, None, None]
    tall = np.ptp(corners[..., 2], axis=1) > np.ptp(mesh.vertices[:, 2]) / BANDS
    along = corners[tall] + shares * (np.roll(corners[tall], 1, axis=1) - corners[tall])
    return np.concatenate([corners.reshape(-1, 3), along.reshape(-1, 3)])


def _meets(rule: Mapping[str, Any], piece: Piece, place: _Places) -> Chosen:
    """Return which faces of a piece meet all conditions of a rule."""
    met = np.ones(len(place.ratio), bool)
    if "material" in rule:
        met &= any(fnmatchcase(name, str(rule["material"])) for name in (piece.name, piece.material))
    for name, column in (("along", 0), ("across", 1), ("height", 2)):
        if name in rule:
            low, high = rule[name]
            met &= (place.share[:, column] >= low) & (place.share[:, column] <= high)
    if "beyond" in rule:
        met &= place.ratio > rule["beyond"]
    if "within" in rule:
        met &= place.ratio <= rule["within"]
    if "inside" in rule:
        met &= place.inside
    if "sector" in rule:
        low, high = rule["sector"]
        met &= (place.angle - low) % 360 <= (high - low) % 360
    return met


def _only(mesh: Mesh, faces: Chosen) -> Mesh:
    """Return the chosen faces with the vertices they use."""
    used, index = np.unique(mesh.faces[faces], return_inverse=True)
    return Mesh(
        mesh.vertices[used],
        index.reshape(-1, 3).astype(np.int32),
        None if mesh.uv is None else mesh.uv[used],
    )


def lightened(mesh: Mesh, share: float) -> Mesh:
    """Return the mesh with about `share` of its faces; texture coordinates are kept from nearby vertices.

    Meshes with a map stay as they are up to MAX_MAPPED_FACES: a label that wraps around a bottle would smear.
    """
    target = round(share * len(mesh.faces))
    if share >= 1 or target < 40 or (mesh.uv is not None and len(mesh.faces) <= MAX_MAPPED_FACES):
        return mesh
    import fast_simplification

    # Vertices doubled at seams are one again, so that the surface does not tear.
    places, first, index = np.unique(mesh.vertices.round(6), axis=0, return_index=True, return_inverse=True)
    faces = index.ravel()[mesh.faces]
    points, triangles, collapses = fast_simplification.simplify(
        places, faces, target_count=target, return_collapses=True
    )
    if mesh.uv is None:
        return Mesh(points.astype(np.float64), triangles.astype(np.int32))
    points, triangles, moved = fast_simplification.replay_simplification(places, faces, collapses)
    nearest = np.zeros(len(points), np.int64)
    away = np.linalg.norm(places - points[moved], axis=1)
    for old in np.argsort(-away):  # the nearest comes last
        nearest[moved[old]] = old
    return Mesh(points.astype(np.float64), triangles.astype(np.int32), mesh.uv[first[nearest]])
