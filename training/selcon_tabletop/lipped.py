"""Jugs of many bodies with lips and long spouts, mostly painted. For training alone.

The measured splits do not have them, so that figures of different versions can be compared.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from selcon_tabletop.parts import Grip, ObjectModel, Part, Rng, between, choice
from selcon_tabletop.shapes import Mesh
from selcon_tabletop.surfaces import Texture, paint
from selcon_tabletop.walls import (
    Profile,
    lipped_wall,
    loop,
    outline,
    outside,
    radius_at,
    spout,
    together,
    wall,
)

CLAY = ("white_ceramic", "white_ceramic", "ceramic", "ceramic", "dark_ceramic", "clay")
METAL = ("steel", "steel", "brass", "copper", "enamel", "dark_metal")
PAINTED_SHARE = 0.6
"""Share of the clay jugs that are painted."""
BODIES: dict[str, Profile] = {  # (radius, height) as shares of the vessel's own, upwards
    "barrel": [(0.85, 0), (1.05, 0.2), (1.05, 0.7), (0.9, 1)],
    "cone": [(1.15, 0), (1.12, 0.05), (0.75, 0.75), (0.62, 1)],
    "pear": [(0.7, 0), (1.2, 0.22), (1.15, 0.45), (0.6, 0.8), (0.72, 1)],
    "globe": [(0.5, 0), (0.55, 0.03), (1.25, 0.3), (1.2, 0.55), (0.55, 0.75), (0.6, 0.88), (0.8, 1)],
    "footed": [(0.6, 0), (0.62, 0.03), (0.22, 0.12), (0.3, 0.18), (1.0, 0.42), (0.85, 0.75), (1.0, 1)],
    "urn": [(0.55, 0), (0.25, 0.1), (1.1, 0.4), (1.05, 0.58), (0.4, 0.72), (0.42, 0.88), (0.6, 1)],
    "bell": [(0.95, 0), (1.0, 0.08), (0.72, 0.5), (0.78, 0.8), (1.02, 1)],
}
SLENDER = ("globe", "urn", "pear")
HANDLES = ("d", "c", "ear", "slanted", "raised", "raised", "swan")


def _painted(rng: Rng, parts: list[Part], tall: float, painting: Texture) -> list[Part]:
    """Return the parts with a painting laid on them from the side."""
    shift = rng.random()

    def laid(mesh: Mesh) -> Mesh:
        uv = mesh.vertices[:, [0, 2]] / (1.02 * tall) * [1, -1] + [0.5 + shift, 1]
        return replace(mesh, uv=uv.astype(np.float32))

    return [replace(part, mesh=laid(part.mesh), texture=painting) for part in parts]


def _handle(rng: Rng, profile: Profile, thin: bool) -> tuple[Mesh, Grip]:
    tall = profile[-1][1]
    wide = between(rng, 0.009, 0.014) if thin else between(rng, 0.012, 0.022)
    return loop(
        profile,
        between(rng, 0.8, 0.96) * tall,
        between(rng, 0.2, 0.45) * tall,
        between(rng, 0.034, 0.06),
        choice(rng, *HANDLES),
        wide,
        between(rng, 0.5, 0.8) * wide,
    )


def _look(rng: Rng) -> tuple[str, Texture | None]:
    """Return what a jug is made of, and what is painted on it."""
    if rng.random() < 0.3:
        return choice(rng, *METAL), None
    look = choice(rng, *CLAY)
    return look, paint(rng) if rng.random() < PAINTED_SHARE else None


def jug(rng: Rng) -> ObjectModel:
    """An open jug: the rim is drawn out to a lip, which may rise far above the rest of it."""
    radius, tall = between(rng, 0.04, 0.068), between(rng, 0.1, 0.22)
    profile = outline(radius, tall, BODIES[choice(rng, *BODIES)], 2)
    look, painting = _look(rng)
    width, depth = between(rng, 0.5, 1.1), between(rng, 0.15, 0.45) * tall
    reach, rise = between(rng, 0.35, 0.9) * profile[-1][0], between(rng, 0.1, 1.2)
    lips, rest = lipped_wall(profile, between(rng, 0.002, 0.004), reach, width, depth, rise)
    mesh, grip = _handle(rng, profile, thin=False)
    body = [
        together("plain", [rest.outer, rest.rim], look),
        together("spout", lips[:2], look, "pour"),
        Part("loop_handle", mesh, look, "hold"),
    ]
    if painting is not None:
        same = _painted(rng, body[:2], tall, painting)
        body = [*same, *(_painted(rng, body[2:], tall, painting) if rng.random() < 0.5 else body[2:])]
    inner = "white_ceramic" if look in CLAY and rng.random() < 0.5 else look
    inside = [Part("inside", rest.inside, inner), Part("spout", lips[2], inner, "pour")]
    return ObjectModel("jug", [*body, *inside], {"hold": grip}, stands=True)


def flagon(rng: Rng) -> ObjectModel:
    """A slender jug with a long thin spout that leaves the body low and stands off it."""
    radius, tall = between(rng, 0.04, 0.06), between(rng, 0.15, 0.27)
    profile = outline(radius, tall, BODIES[choice(rng, *SLENDER)], 2)
    look, painting = _look(rng)
    thick = between(rng, 0.002, 0.003)
    walls = wall(profile, thick, 2 * thick, 0.005)
    start = between(rng, 0.25, 0.5) * tall
    pipe, mouth = spout(
        0.95 * radius_at(profile, start),
        start,
        between(rng, 0.75, 1.02) * tall,
        between(rng, 0.03, 0.07),
        between(rng, 0.008, 0.014),
        between(rng, 1.1, 3.0),
        look,
    )
    mesh, grip = _handle(rng, profile, thin=True)
    body = [
        together("plain", [walls.outer, walls.rim], look),
        replace(pipe, mesh=outside(pipe.mesh, profile)),
        Part("loop_handle", mesh, look, "hold"),
    ]
    if painting is not None:
        body = _painted(rng, body, tall, painting)
    parts = [*body, mouth, Part("inside", walls.inside, look)]
    return ObjectModel("flagon", parts, {"hold": grip}, stands=True)
