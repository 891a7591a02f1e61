"""Kettles and pots with a lid and a spout. Their bodies are wide and often hot: one holds the handle."""

from __future__ import annotations

import numpy as np

from selcon_tabletop.parts import Grip, ObjectModel, Part, Rng, Z, between, choice
from selcon_tabletop.shapes import Mesh, lathe, rounded, sweep
from selcon_tabletop.walls import (
    Profile,
    dense,
    lid,
    loop,
    near_lip,
    outline,
    pulled,
    radius_at,
    split,
    spout,
)

HANDLES = ("black_plastic", "black_plastic", "wood", "plastic", "rubber", "steel")


def lid_grip(height: float) -> Grip:
    """Return where a hand takes the knob of a lid at this height, in metres."""
    return Grip(np.array([0, 0, height]), np.array([1.0, 0, 0]), 0.016, Z)


def lidded(
    kind: str,
    profile: Profile,
    look: str,
    spouts: list[Part],
    handle: Part,
    grip: Grip,
    top: Part,
    around: int = 32,
) -> ObjectModel:
    """Return a lidded vessel: body, spout, handle, lid."""
    body = lathe([(0, 0), *profile, (0, profile[-1][1])], around)
    return _with_lid(kind, [Part("plain", body, look), *spouts, handle, top], grip)


def _with_lid(kind: str, parts: list[Part], grip: Grip) -> ObjectModel:
    """Return a vessel of these parts, the last of which is its lid."""
    height = float(parts[-1].mesh.vertices[:, 2].max())
    return ObjectModel(kind, parts, {"hold": grip, "open": lid_grip(height - 0.012)}, stands=True)


def bail(rng: Rng, profile: Profile, rise: float, tilt: float, thick: float) -> tuple[Mesh, Grip]:
    """Return a handle that arches over a vessel from its front (−x) to its back."""
    top = profile[-1][1]
    foot = 0.82 * top
    out = radius_at(profile, foot) * between(rng, 0.75, 0.95)
    points = [
        (-out, foot),
        (-1.05 * out, foot + 0.7 * rise),
        (-0.6 * out + tilt, foot + 1.12 * rise),
        (0.6 * out + tilt, foot + 1.12 * rise),
        (1.05 * out, foot + 0.7 * rise),
        (out, foot),
    ]
    curve = np.array(rounded(points, 3))
    path = np.stack([curve[:, 0], 0 * curve[:, 0], curve[:, 1]], -1)
    middle = np.exp(-((np.linspace(-1, 1, len(path)) / 0.45) ** 4))
    mesh = sweep(path, thick * (0.55 + 0.45 * middle), 12, 1.25, up=(0, 1, 0))
    grip = Grip(np.array([tilt, 0, float(curve[:, 1].max())]), np.array([1.0, 0, 0]), thick, Z)
    return mesh, grip


def kettle(rng: Rng) -> ObjectModel:
    """A kettle with its handle behind: an upright electric one with a lip, or a round one with a spout."""
    radius = between(rng, 0.058, 0.075)
    upright = rng.random() < 0.6
    look = choice(rng, "steel", "steel", "white_plastic", "black_plastic", "enamel", "plastic")
    if upright:
        tall = between(rng, 0.14, 0.19)
        control = [(1.0, 0), (1.0, 0.1), (between(rng, 0.86, 0.98), 0.55), (between(rng, 0.68, 0.82), 1)]
    else:
        tall = between(rng, 0.095, 0.125)
        control = [(0.85, 0), (1.0, 0.12), (1.02, 0.5), (0.8, 0.85), (0.6, 1)]
    profile = outline(radius, tall, control, 2)
    shape = choice(rng, "d", "slanted", "ear", "square")
    mesh, grip = loop(
        profile,
        0.93 * tall,
        between(rng, 0.12, 0.3) * tall,
        between(rng, 0.042, 0.055),
        shape,
        between(rng, 0.018, 0.026),
        between(rng, 0.014, 0.019),
    )
    handle = Part("loop_handle", mesh, look if rng.random() < 0.25 else choice(rng, *HANDLES), "hold")
    share = between(rng, 0.8, 0.9) if upright else 0.98
    cover = lid(
        profile[-1][0] * share,
        tall,
        between(rng, 0.006, 0.016),
        between(rng, 0.009, 0.014),
        between(rng, 0.01, 0.02),
    )
    top = Part("lid", cover, look if rng.random() < 0.4 else choice(rng, "black_plastic", "steel"), "open")
    if not upright:
        spouts = spout(
            radius, 0.45 * tall, 1.02 * tall, between(rng, 0.05, 0.065), between(rng, 0.015, 0.019), 1.5, look
        )
        return lidded("kettle", profile, look, spouts, handle, grip, top)
    profile = dense(profile)
    width, depth = between(rng, 0.45, 0.65), between(rng, 0.25, 0.4) * tall
    body = lathe([(0, 0), *profile, (0.9 * share * profile[-1][0], tall), (0, tall)], 40)
    body = Mesh(pulled(between(rng, 0.02, 0.032), 1.3 * width, tall, depth)(body.vertices), body.faces)
    lip, rest = split(body, lambda centres: near_lip(centres, 0.85 * width, tall - 0.65 * depth))
    parts = [Part("plain", rest, look), Part("spout", lip, look, "pour"), handle, top]
    return _with_lid("kettle", parts, grip)


def bail_kettle(rng: Rng) -> ObjectModel:
    """A stove kettle: a handle that arches over the lid, a short spout."""
    radius, tall = between(rng, 0.07, 0.09), between(rng, 0.085, 0.115)
    profile = outline(radius, tall, [(0.92, 0), (1, 0.06), (1.0, 0.35), (0.82, 0.75), (0.48, 1)], 2)
    look = choice(rng, "steel", "steel", "enamel", "enamel", "dark_metal", "copper")
    spouts = spout(
        0.88 * radius,
        0.5 * tall,
        1.02 * tall,
        between(rng, 0.028, 0.045),
        between(rng, 0.015, 0.02),
        1.25,
        look,
    )
    mesh, grip = bail(
        rng, profile, between(rng, 0.075, 0.1), between(rng, 0, 0.015), between(rng, 0.009, 0.012)
    )
    cover = lid(0.5 * radius, tall - 0.002, between(rng, 0.008, 0.014), between(rng, 0.008, 0.012), 0.018)
    return lidded(
        "bail_kettle",
        profile,
        look,
        spouts,
        Part("loop_handle", mesh, choice(rng, "black_plastic", "black_plastic", "wood", "steel"), "hold"),
        grip,
        Part("lid", cover, look, "open"),
    )


def coffee_pot(rng: Rng) -> ObjectModel:
    """A coffee pot: tall and tapered with a spout, or a moka pot with flat sides and a pointed lip."""
    moka = rng.random() < 0.45
    if moka:
        radius, tall = between(rng, 0.04, 0.05), between(rng, 0.14, 0.18)
        profile = [
            (radius, 0),
            (0.78 * radius, 0.42 * tall),
            (0.82 * radius, 0.46 * tall),
            (0.72 * radius, 0.52 * tall),
            (0.98 * radius, tall),
        ]
        look = choice(rng, "steel", "steel", "dark_metal")
        spouts = spout(0.86 * radius, 0.83 * tall, 1.01 * tall, between(rng, 0.018, 0.026), 0.017, 1.0, look)
        mesh, grip = loop(profile, 0.93 * tall, 0.6 * tall, between(rng, 0.04, 0.05), "slanted", 0.02, 0.014)
        handle = Part(
            "loop_handle", mesh, choice(rng, "black_plastic", "black_plastic", "wood", "red_plastic"), "hold"
        )
        cover = lid(0.95 * radius, tall, 0.012, 0.008, 0.02)
        return lidded(
            "coffee_pot",
            profile,
            look,
            spouts,
            handle,
            grip,
            Part("lid", cover, choice(rng, look, "black_plastic"), "open"),
            8,
        )
    radius, tall = between(rng, 0.045, 0.056), between(rng, 0.14, 0.19)
    look = choice(rng, "steel", "white_ceramic", "ceramic", "enamel", "copper")
    profile = outline(radius, tall, [(1, 0), (1.02, 0.15), (0.85, 0.6), (0.62, 1)], 2)
    spouts = spout(
        0.9 * radius,
        0.35 * tall,
        0.97 * tall,
        between(rng, 0.045, 0.065),
        between(rng, 0.012, 0.016),
        between(rng, 1.2, 2),
        look,
    )
    mesh, grip = loop(
        profile,
        0.88 * tall,
        0.2 * tall,
        between(rng, 0.04, 0.052),
        choice(rng, "c", "ear", "d"),
        between(rng, 0.012, 0.018),
        between(rng, 0.008, 0.012),
    )
    handle = Part("loop_handle", mesh, look if rng.random() < 0.5 else choice(rng, *HANDLES), "hold")
    cover = lid(0.64 * radius, tall, between(rng, 0.01, 0.02), 0.01, 0.02)
    return lidded(
        "coffee_pot",
        profile,
        look,
        spouts,
        handle,
        grip,
        Part("lid", cover, look if rng.random() < 0.7 else choice(rng, *HANDLES), "open"),
    )


def teapot(rng: Rng) -> ObjectModel:
    """A teapot with spout, handle and lid."""
    radius = between(rng, 0.055, 0.07)
    tall = between(rng, 1.3, 1.6) * radius
    profile = outline(radius, tall, [(0.55, 0), (0.62, 0.03), (1.05, 0.3), (1.05, 0.65), (0.5, 1)], 2)
    look = choice(rng, "white_ceramic", "ceramic", "ceramic", "dark_ceramic", "glass", "dark_metal")
    spouts = spout(
        0.95 * radius,
        0.35 * tall,
        between(rng, 0.88, 1.02) * tall,
        between(rng, 0.045, 0.06),
        between(rng, 0.013, 0.017),
        between(rng, 1.1, 1.8),
        look,
    )
    mesh, grip = loop(
        profile,
        0.82 * tall,
        0.22 * tall,
        between(rng, 0.034, 0.045),
        choice(rng, "c", "ear", "d"),
        between(rng, 0.011, 0.016),
        between(rng, 0.008, 0.011),
    )
    cover = lid(0.52 * radius, tall - 0.001, between(rng, 0.008, 0.016), between(rng, 0.008, 0.011), 0.018)
    return lidded(
        "teapot",
        profile,
        look,
        spouts,
        Part("loop_handle", mesh, look, "hold"),
        grip,
        Part("lid", cover, look, "open"),
    )
