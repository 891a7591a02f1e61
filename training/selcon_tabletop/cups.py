"""What one drinks from, and bowls. The outer wall is held; one drinks at the rim and the inside."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from selcon_tabletop.parts import Grip, ObjectModel, Part, Rng, between, choice
from selcon_tabletop.shapes import Mesh, lathe, merged, rounded
from selcon_tabletop.walls import LOOPS, Profile, body_grip, liquid, loop, outline, radius_at, wall

DRINKS = ("coffee", "tea", "milk", "water", "juice")
CERAMIC = ("white_ceramic", "white_ceramic", "ceramic", "ceramic", "dark_ceramic")


def _cup(
    rng: Rng,
    kind: str,
    profile: Profile,
    thick: float,
    look: str,
    handle: tuple[Mesh, Grip] | None = None,
    below: list[Mesh] | None = None,
    drink: float = 0.35,
    around: int = 32,
) -> ObjectModel:
    """Return a drinking vessel of the outer wall `profile`; `below` is what it stands on (stem and foot)."""
    top = profile[-1][1]
    bottom = profile[0][1]
    lip = between(rng, 0.006, 0.01)
    flat = [(r, z - bottom) for r, z in profile]
    walls = wall(flat, thick, between(rng, 1.2, 2) * thick, lip, around)
    lifted = [mesh.moved((0, 0, bottom)) for mesh in (walls.outer, walls.rim, walls.inside)]
    inner = (
        look
        if rng.random() < 0.75
        else choice(rng, "white_ceramic", "ceramic")
        if "ceramic" in look
        else look
    )
    parts = [
        Part("body", merged([lifted[0], *(below or [])]), look, "hold"),
        Part("rim", lifted[1], look if rng.random() < 0.85 else inner, "drink_with"),
        Part("inside", lifted[2], inner, "drink_with"),
    ]
    if rng.random() < drink:
        level = (top - bottom) * between(rng, 0.5, 0.92)
        parts.append(
            Part(
                "inside", liquid(flat, thick, level).moved((0, 0, bottom)), choice(rng, *DRINKS), "drink_with"
            )
        )
    grip = body_grip(radius_at(profile, 0.5 * (top + bottom)), 0.5 * (top + bottom))
    if handle is not None:
        same = rng.random() < 0.85
        parts.append(
            Part(
                "loop_handle",
                handle[0],
                look if same else choice(rng, "black_plastic", "wood", "ceramic"),
                "hold",
            )
        )
        grip = handle[1]
    return ObjectModel(kind, parts, {"hold": grip}, stands=True)


def _ear(
    rng: Rng, profile: Profile, reach: tuple[float, float], shapes: tuple[str, ...] = tuple(LOOPS)
) -> tuple[Mesh, Grip]:
    """Return a cup's handle."""
    top = profile[-1][1]
    high, low = between(rng, 0.76, 0.9) * top, between(rng, 0.14, 0.32) * top
    return loop(
        profile,
        high,
        low,
        between(rng, *reach),
        choice(rng, *shapes),
        between(rng, 0.009, 0.016),
        between(rng, 0.006, 0.009),
    )


def mug(rng: Rng) -> ObjectModel:
    """A mug: straight, conical, bulbous or waisted; its handle a D, a C or an ear."""
    radius, tall = between(rng, 0.036, 0.046), between(rng, 0.08, 0.112)
    form = choice(rng, "straight", "straight", "conical", "bulbous", "waisted", "tulip")
    control = {
        "straight": [(0.9, 0), (0.97, 0.02), (1, 0.06), (1, 0.5), (1, 1)],
        "conical": [(between(rng, 0.62, 0.8), 0), (between(rng, 0.8, 0.86), 0.5), (1, 1)],
        "bulbous": [(0.65, 0), (0.95, 0.12), (1.12, 0.45), (1.0, 0.8), (0.92, 1)],
        "waisted": [(0.98, 0), (1, 0.1), (0.84, 0.5), (0.92, 0.85), (1.02, 1)],
        "tulip": [(0.6, 0), (0.75, 0.05), (1.0, 0.3), (0.92, 0.7), (1.03, 1)],
    }[form]
    profile = outline(radius, tall, control, 2)
    look = choice(rng, *CERAMIC, *CERAMIC, "steel", "plastic", "enamel")
    return _cup(rng, "mug", profile, between(rng, 0.0025, 0.0045), look, _ear(rng, profile, (0.024, 0.036)))


def teacup(rng: Rng) -> ObjectModel:
    """A low, wide cup with a small handle, now and then on its saucer."""
    radius, tall = between(rng, 0.04, 0.05), between(rng, 0.05, 0.068)
    profile = outline(radius, tall, [(0.5, 0), (0.5, 0.06), (0.85, 0.3), (0.97, 0.7), (1.02, 1)], 2)
    cup = _cup(
        rng,
        "teacup",
        profile,
        0.0022,
        choice(rng, *CERAMIC),
        _ear(rng, profile, (0.018, 0.026), ("c", "ear", "slanted")),
    )
    if rng.random() < 0.4:
        wide = between(rng, 0.064, 0.075)
        saucer = lathe(
            [(0, 0), (0.5 * wide, 0), (wide, 0.012), (0.98 * wide, 0.015), (0.5 * wide, 0.004), (0, 0.004)],
            36,
        )
        raised = [replace(p, mesh=p.mesh.moved((0, 0, 0.004))) for p in cup.parts]
        return ObjectModel(
            "teacup", [*raised, Part("plain", saucer, cup.parts[0].look)], cup.grips, stands=True
        )
    return cup


def cup(rng: Rng) -> ObjectModel:
    """A cup without a handle: a paper or plastic cup, a beaker, a tea bowl."""
    form = choice(rng, "paper", "plastic", "beaker", "round")
    radius, tall = between(rng, 0.034, 0.045), between(rng, 0.07, 0.115)
    if form in ("paper", "plastic"):
        taper = between(rng, 0.66, 0.8)
        profile = [
            (taper * radius, 0),
            (0.5 * (1 + taper) * radius, 0.5 * tall),
            (radius, tall - 0.004),
            (1.05 * radius, tall - 0.003),
            (1.05 * radius, tall),
        ]
        look = (
            choice(rng, "paper", "white_plastic", "cardboard")
            if form == "paper"
            else choice(rng, "plastic", "red_plastic", "blue_plastic", "white_plastic")
        )
        return _cup(rng, "cup", profile, 0.0012, look)
    if form == "beaker":
        profile = outline(radius, tall, [(0.86, 0), (0.98, 0.05), (1, 0.5), (between(rng, 0.95, 1.05), 1)], 2)
    else:
        tall = between(rng, 0.055, 0.075)
        profile = outline(radius, tall, [(0.55, 0), (0.58, 0.08), (1.0, 0.3), (1.05, 0.7), (1.08, 1)], 2)
    return _cup(rng, "cup", profile, between(rng, 0.0022, 0.004), choice(rng, *CERAMIC, "steel", "wood"))


def glass(rng: Rng) -> ObjectModel:
    """A tall glass."""
    radius, tall = between(rng, 0.029, 0.039), between(rng, 0.11, 0.155)
    foot = between(rng, 0.68, 0.97)
    profile = outline(radius, tall, [(foot, 0), (between(rng, 0.84, 1), 0.5), (1, 1)], 2)
    return _cup(
        rng,
        "glass",
        profile,
        0.0018,
        choice(rng, "glass", "clear_glass", "clear_glass", "plastic"),
        drink=0.5,
    )


def tumbler(rng: Rng) -> ObjectModel:
    """A short, wide glass or beaker, round or many-sided."""
    radius, tall = between(rng, 0.036, 0.045), between(rng, 0.072, 0.1)
    waist = between(rng, 0.8, 0.98)
    profile = outline(radius, tall, [(0.84, 0), (waist, 0.35), (1, 1)], 1)
    look = choice(rng, "glass", "clear_glass", "clear_glass", "steel", "plastic")
    return _cup(rng, "tumbler", profile, 0.0026, look, drink=0.5, around=int(rng.choice([32, 32, 12])))


def _stemmed(
    rng: Rng,
    kind: str,
    radius: float,
    bowl: float,
    stem: float,
    thin: float,
    form: list[tuple[float, float]],
    look: str,
) -> ObjectModel:
    profile = rounded([(radius * r, stem + bowl * z) for r, z in form], 2)
    foot = between(rng, 0.8, 0.98) * radius
    stand = lathe(
        [
            (0, 0),
            (foot, 0),
            (foot, 0.002),
            *rounded(
                [
                    (0.6 * foot, 0.005),
                    (thin, 0.012),
                    (thin, 0.5 * stem),
                    (1.15 * thin, 0.9 * stem),
                    (profile[0][0], stem + 0.001),
                ],
                2,
            ),
            (0, stem + 0.001),
        ]
    )
    return _cup(rng, kind, profile, 0.0016 if thin < 0.006 else 0.0026, look, below=[stand], drink=0.4)


def wine_glass(rng: Rng) -> ObjectModel:
    """A glass on a stem."""
    form = [(0.12, 0), (0.7, 0.08), (1.02, 0.35), (1, 0.65), (between(rng, 0.7, 0.98), 1)]
    return _stemmed(
        rng,
        "wine_glass",
        between(rng, 0.033, 0.044),
        between(rng, 0.075, 0.11),
        between(rng, 0.06, 0.09),
        0.0042,
        form,
        choice(rng, "clear_glass", "clear_glass", "glass"),
    )


def goblet(rng: Rng) -> ObjectModel:
    """A goblet on a stem."""
    form = [(0.3, 0), (0.8, 0.12), (0.95, 0.5), (1, 1)]
    return _stemmed(
        rng,
        "goblet",
        between(rng, 0.034, 0.042),
        between(rng, 0.06, 0.085),
        between(rng, 0.045, 0.065),
        between(rng, 0.007, 0.01),
        form,
        choice(rng, "steel", "brass", "ceramic", "wood"),
    )


def bowl(rng: Rng) -> ObjectModel:
    """A bowl without a handle: one holds it by its wall, so rim and outer wall are `hold`."""
    radius = between(rng, 0.055, 0.1)
    tall = radius * between(rng, 0.45, 0.85)
    belly = between(rng, 0.72, 0.95)
    profile = outline(radius, tall, [(0.45, 0), (0.47, 0.05), (belly, 0.35), (0.97, 0.75), (1, 1)], 2)
    look = choice(rng, *CERAMIC, "steel", "wood", "plastic", "glass", "enamel")
    thick = between(rng, 0.0025, 0.005)
    walls = wall(profile, thick, 2 * thick, 0.006, 40)
    inner = look if rng.random() < 0.7 else choice(rng, "white_ceramic", "ceramic")
    parts = [
        Part("body", merged([walls.outer, walls.rim]), look, "hold"),
        Part("inside", walls.inside, inner),
    ]
    if rng.random() < 0.3:
        filled = liquid(profile, thick, between(rng, 0.4, 0.8) * tall)
        parts.append(Part("inside", filled, choice(rng, "milk", "juice", "tea", "orange_fruit", "leaf")))
    return ObjectModel(
        "bowl",
        parts,
        {
            "hold": Grip(
                np.array([radius, 0, 0.8 * tall]), np.array([0, 1.0, 0]), 0.012, np.array([1.0, 0, 0])
            )
        },
        stands=True,
    )
