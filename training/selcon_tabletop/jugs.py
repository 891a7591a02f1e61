"""Open vessels that pour: pitchers, ewers, jugs, watering cans. One holds the handle."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from selcon_tabletop.parts import Grip, ObjectModel, Part, Rng, between, choice
from selcon_tabletop.pouring import HANDLES, bail
from selcon_tabletop.shapes import Mesh, line, sweep
from selcon_tabletop.walls import (
    Profile,
    lipped_wall,
    loop,
    outline,
    outside,
    spout,
    together,
    wall,
)


def _lipped(
    rng: Rng, kind: str, profile: Profile, thick: float, reach: float, look: str, handle: tuple[Mesh, Grip]
) -> ObjectModel:
    """Return an open vessel whose edge is drawn out to a lip, which pours."""
    width, depth = between(rng, 0.55, 0.8), between(rng, 0.22, 0.4) * profile[-1][1]
    lips, rest = lipped_wall(profile, thick, reach, width, depth)
    inner = look if rng.random() < 0.8 else "white_ceramic" if "ceramic" in look else look
    parts = [
        together("plain", [rest.outer, rest.rim], look),
        Part("inside", rest.inside, inner),
        together("spout", lips[:2], look, "pour"),
        Part("spout", lips[2], inner, "pour"),
        Part("loop_handle", handle[0], look if rng.random() < 0.8 else choice(rng, *HANDLES), "hold"),
    ]
    return ObjectModel(kind, parts, {"hold": handle[1]}, stands=True)


def watering_can(rng: Rng) -> ObjectModel:
    """A small watering can: a long thin spout, often with a rose; the handle behind or arched."""
    radius, tall = between(rng, 0.05, 0.065), between(rng, 0.09, 0.125)
    look = choice(rng, "plastic", "plastic", "steel", "enamel", "copper")
    profile = outline(radius, tall, [(1, 0), (1, 0.5), (between(rng, 0.75, 0.98), 1)], 1)
    walls = wall(profile, 0.002, 0.003, 0.004)
    reach, thick = between(rng, 0.09, 0.12), between(rng, 0.011, 0.015)
    parts = [together("plain", [walls.outer, walls.rim], look), Part("inside", walls.inside, look)]
    pipe, mouth = spout(
        radius, 0.2 * tall, between(rng, 1.05, 1.3) * tall, reach, thick, between(rng, 1.0, 1.3), look
    )
    parts += [replace(pipe, mesh=outside(pipe.mesh, profile)), mouth]
    if rng.random() < 0.4:
        path = parts[2].mesh.vertices
        end = path[path[:, 0] < path[:, 0].min() + 0.002].mean(0)
        rose = sweep(
            line(end + np.array([0.004, 0, -0.004]), end + np.array([-0.014, 0, 0.011]), 4),
            np.array([0.5, 0.9, 1.5, 1.55]) * thick,
            14,
        )
        parts.append(Part("spout", rose, look if rng.random() < 0.7 else "brass", "pour"))
    if rng.random() < 0.5:
        mesh, grip = loop(
            profile,
            0.97 * tall,
            0.2 * tall,
            between(rng, 0.045, 0.06),
            choice(rng, "c", "ear", "d"),
            between(rng, 0.012, 0.018),
            between(rng, 0.009, 0.012),
        )
    else:
        mesh, grip = bail(
            rng, profile, between(rng, 0.06, 0.08), between(rng, 0.01, 0.03), between(rng, 0.007, 0.01)
        )
    parts.append(Part("loop_handle", mesh, look if rng.random() < 0.7 else choice(rng, *HANDLES), "hold"))
    return ObjectModel("watering_can", parts, {"hold": grip}, stands=True)


def pitcher(rng: Rng) -> ObjectModel:
    """A pitcher or measuring jug: wide body, a lip at the rim, a big handle."""
    radius, tall = between(rng, 0.05, 0.068), between(rng, 0.13, 0.2)
    control = {
        "straight": [(0.9, 0), (0.95, 0.04), (0.97, 0.5), (1, 1)],
        "bulbous": [(0.65, 0), (1.12, 0.2), (1.08, 0.55), (0.72, 0.8), (0.85, 1)],
        "conical": [(1.05, 0), (1.05, 0.05), (0.85, 0.6), (0.78, 1)],
    }[choice(rng, "straight", "bulbous", "bulbous", "conical")]
    profile = outline(radius, tall, control, 2)
    look = choice(
        rng, "white_ceramic", "ceramic", "ceramic", "glass", "clear_glass", "steel", "enamel", "plastic"
    )
    handle = loop(
        profile,
        between(rng, 0.85, 0.95) * tall,
        between(rng, 0.2, 0.35) * tall,
        between(rng, 0.038, 0.052),
        choice(rng, "d", "c", "ear", "slanted"),
        between(rng, 0.013, 0.022),
        between(rng, 0.009, 0.013),
    )
    return _lipped(
        rng, "pitcher", profile, between(rng, 0.0025, 0.004), between(rng, 0.016, 0.028), look, handle
    )


def ewer(rng: Rng) -> ObjectModel:
    """An ewer: a round body on a foot, a long narrow neck, a flared lip or a thin spout, a high handle."""
    radius, tall = between(rng, 0.045, 0.065), between(rng, 0.19, 0.27)
    neck = between(rng, 0.3, 0.45)
    profile = outline(
        radius,
        tall,
        [
            (0.62, 0),
            (0.6, 0.02),
            (0.3, 0.09),
            (1.1, 0.22),
            (1.08, 0.45),
            (neck, 0.62),
            (neck, 0.85),
            (1.35 * neck, 1),
        ],
        2,
    )
    look = choice(rng, "brass", "copper", "steel", "white_ceramic", "ceramic", "ceramic", "glass")
    shape = choice(rng, "ear", "c", "slanted")
    handle = loop(
        profile,
        between(rng, 0.86, 0.94) * tall,
        between(rng, 0.34, 0.45) * tall,
        between(rng, 0.042, 0.06),
        shape,
        between(rng, 0.009, 0.014),
        between(rng, 0.007, 0.01),
    )
    if rng.random() < 0.6:
        return _lipped(rng, "ewer", profile, 0.0025, between(rng, 0.02, 0.035), look, handle)
    walls = wall(profile, 0.0025, 0.006, 0.005)
    spouts = spout(
        0.95 * radius,
        between(rng, 0.28, 0.4) * tall,
        between(rng, 0.8, 0.98) * tall,
        between(rng, 0.055, 0.08),
        between(rng, 0.01, 0.014),
        between(rng, 1.3, 2.2),
        look,
    )
    parts = [
        together("plain", [walls.outer, walls.rim], look),
        Part("inside", walls.inside, look),
        *spouts,
        Part("loop_handle", handle[0], look, "hold"),
    ]
    return ObjectModel("ewer", parts, {"hold": handle[1]}, stands=True)


def creamer(rng: Rng) -> ObjectModel:
    """A small milk jug."""
    radius, tall = between(rng, 0.03, 0.039), between(rng, 0.065, 0.09)
    profile = outline(radius, tall, [(0.7, 0), (1.1, 0.2), (1.0, 0.6), (0.8, 0.85), (0.9, 1)], 2)
    look = choice(rng, "white_ceramic", "ceramic", "steel", "dark_ceramic")
    handle = loop(
        profile,
        0.88 * tall,
        0.28 * tall,
        between(rng, 0.022, 0.03),
        choice(rng, "c", "ear", "d"),
        between(rng, 0.008, 0.012),
        between(rng, 0.0055, 0.008),
    )
    return _lipped(rng, "creamer", profile, 0.0025, between(rng, 0.012, 0.018), look, handle)
