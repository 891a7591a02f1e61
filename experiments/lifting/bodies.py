"""What can be touched: an object as hulls with a mass, what of it stays, and things that stand about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from experiments.lifting.decomposition import convex_pieces
from selcon_tabletop.parts import ObjectModel, Part
from selcon_tabletop.shapes import Points, volume

DENSITY = {
    "steel": 7800.0,
    "metal": 7800.0,
    "brass": 8500.0,
    "copper": 8900.0,
    "ceramic": 2400.0,
    "enamel": 2500.0,
    "glass": 2500.0,
    "wood": 650.0,
    "rubber": 1200.0,
    "bristle": 300.0,
    "paper": 700.0,
    "cardboard": 700.0,
}
"""Kilograms a cubic metre, by the last word of a part's look; plastic and everything else 1000."""
DEFAULT_DENSITY = 1000.0
MAX_WALL_THICKNESS = 0.0015
"""Metres: what is not of wood or rubber is hollow with walls of this thickness at most. Only the heads of
hammers and the like are solid."""

MIN_SUPPORT_THICKNESS = 0.001
"""Metres: a thinner slice of a piece supports no lid."""


@dataclass(frozen=True)
class Body:
    """An object in its own frame: points [N, 3] of each convex piece in metres, the mass in kilograms of each
    piece, and whether it belongs to a part at which a hand is to close."""

    pieces: list[Points]
    masses: list[float]
    held: list[bool]

    @property
    def mass(self) -> float:
        """Kilograms of the whole."""
        return sum(self.masses)

    def parted(self) -> tuple[Body, list[Points]]:
        """Return what is held as a body of its own, and the pieces of the rest."""
        own = [number for number, held in enumerate(self.held) if held]
        rest = [piece for piece, held in zip(self.pieces, self.held, strict=True) if not held]
        body = Body([self.pieces[n] for n in own], [self.masses[n] for n in own], [True] * len(own))
        return body, rest


def body_of(model: ObjectModel, action: str = "hold") -> Body:
    """Return the body of an object, of which the parts of `action` are held.

    The inner half of a hollow wall, and what is filled in, are not there to be touched; vessels are empty.
    """
    pieces: list[Points] = []
    masses: list[float] = []
    held: list[bool] = []
    for part in model.parts:
        if part.kind == "inside":
            continue
        own = convex_pieces(part.mesh)
        if not own:
            continue
        sizes = np.array([float(np.prod(np.ptp(piece, axis=0) + 1e-4)) for piece in own])
        pieces += own
        masses += [float(share) for share in part_mass(part) * sizes / sizes.sum()]
        held += [part.action == action] * len(own)
    # The walls' inner halves, that do not collide, weigh as much as they do.
    inside = sum(part_mass(part) for part in model.parts if part.kind == "inside" and part.look in DENSITY)
    factor = 1 + inside / sum(masses)
    return Body(pieces, [factor * mass for mass in masses], held)


def part_mass(part: Part) -> float:
    """Return kilograms of a part: its volume, or its wall's, times the density of what it looks like."""
    look = part.look.split("_")[-1]
    triangles = part.mesh.vertices[part.mesh.faces]
    crossed = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    area = float(np.linalg.norm(crossed, axis=1).sum()) / 2
    size = abs(volume(part.mesh))
    if part.kind != "head" and look not in ("wood", "rubber"):
        size = min(size, MAX_WALL_THICKNESS * area)
    return max(size * DENSITY.get(look, DEFAULT_DENSITY), 1e-4)


def support_of(lid: Body, fixed: Sequence[Points]) -> list[Points]:
    """Return what of `fixed` pieces a lid rests on: what is below the lid's lowest point.

    The models are solid, and what a lid covers reaches into it, as a neck into its cap.
    """
    floor = min(float(piece[:, 2].min()) for piece in lid.pieces)
    return [
        np.minimum(piece, [np.inf, np.inf, floor])
        for piece in fixed
        if piece[:, 2].min() < floor - MIN_SUPPORT_THICKNESS
    ]


def obstacles_of(parts: Sequence[Part]) -> list[Points]:
    """Return points [N, 3] of the hull of each thing that stands about, where it stands."""
    return [np.unique(part.mesh.vertices.round(5), axis=0) for part in parts]
