"""Tools that strike: the head lies across the handle, along y."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from selcon_tabletop.handles import handle, tool
from selcon_tabletop.parts import ObjectModel, Part, Rng, between, choice
from selcon_tabletop.shapes import Mesh, box, line, merged, sweep


def _across(radii: Sequence[float], length: float, around: int = 20, square: float = 1.0) -> Mesh:
    """Return a body along y whose radius takes the values `radii` from one end to the other."""
    path = line((0, -length / 2, 0), (0, length / 2, 0), len(radii))
    return sweep(path, radii, around, square=square, up=(1, 0, 0))


def _striker(
    kind: str, rng: Rng, length: float, thick: float, head: Mesh, look: str, handles: tuple[str, ...]
) -> ObjectModel:
    """Return a tool with `head` at x = 0, where the handle goes through it."""
    reach = float(np.ptp(head.vertices[:, 0])) / 2
    grip_part, grip = handle(
        rng,
        length + reach,
        thick * between(rng, 1.0, 1.35),
        thick,
        between(rng, 0.7, 1),
        choice(rng, *handles),
        choice(rng, "straight", "bulged", "flared", "tapered", "grooved"),
    )
    shift = (between(rng, 0.4, 1.1) * reach, 0, 0)
    return tool(
        kind,
        grip,
        [
            replace(grip_part, mesh=grip_part.mesh.moved(shift)),
            Part("head", head, look, "hit"),
        ],
    )


def hammer(rng: Rng) -> ObjectModel:
    """An engineer's hammer: a square or round face, a neck, and a wedge or a second face behind."""
    radius, long = between(rng, 0.012, 0.02), between(rng, 0.085, 0.115)
    waist = between(rng, 0.75, 1)
    face = [0.92, 1, 1, waist, 1.05 * waist, 1.05 * waist, waist]
    if rng.random() < 0.5:
        head = _across([radius * r for r in (*face, 1, 1, 0.92)], long, square=float(rng.choice([1.0, 0.5])))
    else:
        front = _across([radius * r for r in (*face, waist)], 0.6 * long, square=0.5).moved(
            (0, -0.2 * long, 0)
        )
        wedge = sweep(
            line((0, 0.09 * long, 0), (0, 0.5 * long, 0), 5),
            radius * np.full(5, 0.95),
            12,
            np.linspace(1, 0.12, 5),
            up=(1, 0, 0),
            square=0.4,
        )
        head = merged([front, wedge])
    return _striker(
        "hammer",
        rng,
        between(rng, 0.2, 0.26),
        between(rng, 0.02, 0.027),
        head,
        choice(rng, "steel", "dark_metal"),
        ("wood", "wood", "rubber", "black_plastic"),
    )


def _claw(rng: Rng, start: float, reach: float) -> list[Mesh]:
    """Return the two curved prongs behind the head (+y), which bend back towards the handle."""
    t = np.linspace(0, 1, 9)
    bend = between(rng, 0.15, 0.75)
    prongs = []
    for side in (-1, 1):
        path = np.stack([-bend * reach * t**2, start + reach * t, side * (0.004 + 0.006 * t)], -1)
        prongs.append(
            sweep(path, 0.0075 * (1 - 0.35 * t), 10, np.linspace(1.3, 0.35, 9), up=(1, 0, 0), square=0.6)
        )
    return prongs


def claw_hammer(rng: Rng) -> ObjectModel:
    """A hammer with a claw behind its head."""
    radius, long = between(rng, 0.012, 0.016), between(rng, 0.05, 0.062)
    poll = _across([radius * r for r in (0.9, 1, 1, 0.72, 0.72, 0.95, 1.05, 1.05)], long)
    head = merged([poll, *_claw(rng, long / 2 - 0.012, between(rng, 0.055, 0.075))])
    steel = rng.random() < 0.35  # one piece of steel with a rubber grip
    model_head = head
    length, thick = between(rng, 0.2, 0.26), between(rng, 0.021, 0.027)
    if not steel:
        return _striker(
            "claw_hammer",
            rng,
            length,
            thick,
            model_head,
            choice(rng, "steel", "dark_metal"),
            ("wood", "wood", "plastic", "black_plastic"),
        )
    grip_part, grip = handle(rng, 0.55 * length, 1.3 * thick, thick, 0.8, choice(rng, "rubber", "plastic"))
    back = -0.45 * length
    shaft = sweep(line((back - 0.01, 0, 0), (0.005, 0, 0), 5), 0.0095, 12, 0.8, square=0.7)
    grip_part = replace(grip_part, mesh=grip_part.mesh.moved((back, 0, 0)))
    return tool(
        "claw_hammer",
        grip,
        [grip_part, Part("rod_handle", shaft, "steel", "hold"), Part("head", head, "steel", "hit")],
    )


def mallet(rng: Rng) -> ObjectModel:
    """A mallet: a wooden, rubber or plastic cylinder, barrel or block."""
    form = rng.integers(3)
    long = between(rng, 0.085, 0.125)
    if form == 2:
        head = box((between(rng, 0.055, 0.075), long, between(rng, 0.045, 0.06)))
        look = choice(rng, "wood", "light_wood")
    else:
        radius = between(rng, 0.026, 0.037)
        radii = [0.93, 1, 1, 1, 1, 1, 0.93] if form else [0.8, 0.92, 0.99, 1, 0.99, 0.92, 0.8]
        head = _across([radius * r for r in radii], long)
        look = choice(rng, "wood", "rubber", "rubber", "white_plastic", "light_wood")
    return _striker(
        "mallet",
        rng,
        between(rng, 0.18, 0.24),
        between(rng, 0.022, 0.029),
        head,
        look,
        ("wood", "light_wood", "black_plastic"),
    )


def sledge_hammer(rng: Rng) -> ObjectModel:
    """A heavy hammer: an eight-sided block with two faces."""
    radius, long = between(rng, 0.022, 0.03), between(rng, 0.1, 0.14)
    head = _across([radius * r for r in (0.86, 1, 1, 0.96, 0.96, 1, 1, 0.86)], long, around=8)
    return _striker(
        "sledge_hammer",
        rng,
        between(rng, 0.24, 0.34),
        between(rng, 0.027, 0.034),
        head,
        choice(rng, "steel", "dark_metal", "red_plastic"),
        ("wood", "wood", "black_plastic", "plastic"),
    )


def tenderizer(rng: Rng) -> ObjectModel:
    """A meat mallet: a block with pyramids on its faces."""
    wide, long = between(rng, 0.04, 0.055), between(rng, 0.055, 0.075)
    meshes = [box((wide, long, wide))]
    count = 4
    for side in (-1, 1):
        for x in (np.arange(count) + 0.5) / count - 0.5:
            for z in (np.arange(count) + 0.5) / count - 0.5:
                foot = np.array([x * wide, side * long / 2, z * wide])
                meshes.append(
                    sweep(
                        np.stack([foot, foot + np.array([0, 0.006 * side, 0])]),
                        [0.6 * wide / count, 0.001],
                        4,
                    )
                )
    look = choice(rng, "steel", "wood", "light_wood")
    handles = ("steel", "black_plastic") if look == "steel" else (look,)
    return _striker(
        "tenderizer", rng, between(rng, 0.16, 0.2), between(rng, 0.018, 0.024), merged(meshes), look, handles
    )


def gavel(rng: Rng) -> ObjectModel:
    """A judge's hammer with a turned head."""
    radius, long = between(rng, 0.021, 0.027), between(rng, 0.07, 0.09)
    head = _across([radius * r for r in (0.85, 1, 1, 0.86, 0.92, 0.92, 0.86, 1, 1, 0.85)], long)
    look = choice(rng, "wood", "dark_wood")
    return _striker("gavel", rng, between(rng, 0.16, 0.2), between(rng, 0.015, 0.02), head, look, (look,))


def ball_peen_hammer(rng: Rng) -> ObjectModel:
    """A face on one side of the head, a ball on the other."""
    radius, long = between(rng, 0.012, 0.017), between(rng, 0.05, 0.065)
    poll = _across([radius * r for r in (0.92, 1, 1, 0.7, 0.72, 1.05, 1.05, 0.7)], long)
    angle = np.linspace(-np.pi / 2, np.pi / 2, 9)
    ball = sweep(
        np.stack([0 * angle, long / 2 + 0.75 * radius * (1 + np.sin(angle)) - 0.004, 0 * angle], -1),
        0.95 * radius * np.maximum(np.cos(angle), 0.02),
        20,
        up=(1, 0, 0),
    )
    return _striker(
        "ball_peen_hammer",
        rng,
        between(rng, 0.2, 0.26),
        between(rng, 0.02, 0.026),
        merged([poll, ball]),
        choice(rng, "steel", "dark_metal"),
        ("wood", "wood", "plastic"),
    )
