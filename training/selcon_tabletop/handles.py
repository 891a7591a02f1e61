"""Handles of tools, and the assembly of a tool: it lies along +x with its handle at negative x. Metres."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from selcon_tabletop.parts import Grip, ObjectModel, Part, Rng, X, Z, between, choice
from selcon_tabletop.shapes import Mesh, Points, merged, sweep

SHAPES = ("straight", "bulged", "flared", "tapered", "waisted", "grooved")
LOOKS = ("wood", "black_plastic", "plastic", "rubber")


def _girth(rng: Rng, shape: str, t: Points) -> Points:
    """Return how thick a handle is along it, from its free end (0) to its neck (1), about 1 in the middle."""
    wave = between(rng, 0.08, 0.22)
    if shape == "bulged":
        return 1 + wave * np.sin(np.pi * t) - 0.1 * t
    if shape == "flared":
        return 0.9 + 1.6 * wave * np.exp(-((t / 0.22) ** 2)) + 0.5 * wave * np.exp(-(((1 - t) / 0.15) ** 2))
    if shape == "tapered":
        return 1.12 - 2.2 * wave * t
    if shape == "waisted":
        return 1.05 - wave * np.sin(np.pi * t)
    if shape == "grooved":
        return 1 - 0.5 * wave * (0.5 + 0.5 * np.cos(2 * np.pi * between(rng, 3, 5) * t))
    return np.ones_like(t) + between(rng, -0.06, 0.06) * t


def handle_mesh(
    rng: Rng, length: float, width: float, thick: float, square: float = 1.0, shape: str | None = None
) -> Mesh:
    """Return a handle from x = −`length` to 0 about the x axis, `width` wide (y) and `thick` high (z), with
    a rounded end."""
    ends = [0, 0.008, 0.03, 0.07]
    t = np.concatenate([ends, np.linspace(0.12, 0.93, 15), [0.97, 1]])
    girth = _girth(rng, shape or choice(rng, *SHAPES), t)
    girth[:4] *= np.sqrt(np.array([0.02, 0.25, 0.62, 0.92]))
    droop = between(rng, -0.04, 0.04) * length * (1 - t) ** 2
    path = np.stack([length * (t - 1), droop if width > 1.2 * thick else 0 * t, 0 * t], -1)
    return sweep(path, 0.5 * width * girth, around=14, flatten=thick / width, square=square)


def handle(
    rng: Rng,
    length: float,
    width: float,
    thick: float,
    square: float = 1.0,
    look: str | None = None,
    shape: str | None = None,
) -> tuple[Part, Grip]:
    """Return the handle as a part that affords `hold`, and where a hand closes around it."""
    mesh = handle_mesh(rng, length, width, thick, square, shape)
    grip = Grip(np.array([-0.5 * length, 0.0, 0.0]), X, 0.5 * thick, Z)
    return Part("rod_handle", mesh, look or choice(rng, *LOOKS), "hold"), grip


def strip(rng: Rng, length: float, neck: float, end: float, thick: float, rise: float) -> tuple[Mesh, Grip]:
    """Return a flat handle as cutlery has: `neck` wide at x = 0, `end` wide at x = −`length`, arched by
    `rise`."""
    t = np.linspace(0, 1, 18)
    width = neck + (end - neck) * (1 - t) ** between(rng, 0.8, 2)
    width[:3] *= np.sqrt(np.array([0.1, 0.55, 0.9]))
    path = np.stack([length * (t - 1), 0 * t, rise * np.sin(np.pi * t)], -1)
    grip = Grip(np.array([-0.5 * length, 0, rise]), X, 0.5 * thick + 0.002, Z)
    return sweep(path, width / 2, around=12, flatten=thick / width, square=0.7), grip


def tool(kind: str, grip: Grip, parts: list[Part]) -> ObjectModel:
    """Return a lying tool of `parts`, centred between its ends, its lowest point on the table."""
    vertices = np.concatenate([part.mesh.vertices for part in parts])
    low, high = vertices.min(0), vertices.max(0)
    shift = np.array([-(low[0] + high[0]) / 2, -(low[1] + high[1]) / 2, -low[2]])
    moved = [replace(part, mesh=part.mesh.moved(shift)) for part in parts]
    return ObjectModel(kind, moved, {"hold": Grip(grip.point + shift, grip.axis, grip.radius, grip.away)})


def turned(parts: list[Part], rotation: Points) -> list[Part]:
    """Return the parts turned by the 3×3 `rotation` about the origin."""
    return [replace(part, mesh=part.mesh.moved(rotation=rotation)) for part in parts]


def joined(kind: str, meshes: list[Mesh], look: str, action: str | None = None) -> Part:
    """Return one part made of several meshes."""
    return Part(kind, merged(meshes), look, action)
