"""Tools whose only action here is `hold`: tongs, fork, garden and workshop tools. Their working ends are
plain parts."""

from __future__ import annotations

import numpy as np

from selcon_tabletop.handles import handle, joined, strip, tool
from selcon_tabletop.parts import Grip, ObjectModel, Part, Rng, X, Z, between, choice
from selcon_tabletop.shapes import Mesh, Points, arc, lathe, line, loft, plate, rotation, sweep


def tongs(rng: Rng) -> ObjectModel:
    """Kitchen tongs: two sprung arms that lie side by side, held by the arms; the tips are plain."""
    long, wide = between(rng, 0.19, 0.26), between(rng, 0.012, 0.02)
    spread = between(rng, 0.03, 0.12) * long * 2
    look = choice(rng, "steel", "steel", "steel", "wood", "black_plastic")
    tip_look = look if rng.random() < 0.5 else choice(rng, "black_plastic", "plastic", "red_plastic")
    thick = between(rng, 0.0016, 0.003) if look == "steel" else between(rng, 0.004, 0.007)
    t = np.linspace(0, 1, 12)
    arms: list[Mesh] = []
    tips: list[Mesh] = []
    for side in (-1, 1):
        y = side * (0.006 + 0.5 * spread * t**0.8 - 0.15 * spread * np.clip(t - 0.7, 0, 1))
        arms.append(sweep(np.stack([0.78 * long * t, y, 0 * t], -1), thick, 10, wide / thick / 2, square=0.6))
        s = np.linspace(0, 1, 7)
        tip_y = y[-1] - side * 0.012 * s**2
        girth = wide / 2 * (1 + between(rng, 0.2, 0.7) * np.sin(np.pi * s * 0.8))
        path = np.stack([0.77 * long + 0.23 * long * s, tip_y, 0 * s], -1)
        tips.append(sweep(path, thick, 10, girth / thick, square=0.6))
    spring = arc((0.004, 0, 0), 0.0075, np.pi / 2, 1.5 * np.pi, "xy", 10)
    arms.append(sweep(spring, thick, 10, wide / thick / 2, square=0.6))
    grip = Grip(np.array([0.4 * long, 0, 0]), X, 0.4 * spread + 0.006, Z)
    return tool("tongs", grip, [joined("rod_handle", arms, look, "hold"), joined("plain", tips, tip_look)])


def fork(rng: Rng) -> ObjectModel:
    """A table fork of one piece of steel, or with a handle of plastic or wood."""
    tines, wide = int(rng.choice([3, 4, 4])), between(rng, 0.021, 0.027)
    if rng.random() < 0.75:
        mesh, grip = strip(rng, between(rng, 0.105, 0.13), 0.007, between(rng, 0.013, 0.02), 0.0032, 0.004)
        part = Part("rod_handle", mesh, "steel", "hold")
    else:
        part, grip = handle(
            rng, between(rng, 0.09, 0.11), 0.017, 0.011, 0.7, choice(rng, "plastic", "wood", "black_plastic")
        )
    palm, reach = between(rng, 0.024, 0.032), between(rng, 0.04, 0.052)
    t = np.linspace(0, 1, 10)
    half = 0.0035 + (wide / 2 - 0.0035) * np.sin(np.pi / 2 * np.clip(t * 1.4 - 0.1, 0, 1))
    dip = -0.006 * np.sin(np.pi / 2 * t)
    base = plate(-0.006 + (palm + 0.006) * t, -half, half, (0.0022, 0.0022), dip)
    meshes = [base]
    for y in np.linspace(-1, 1, tines) * (wide / 2 - 0.0019):
        curve = dip[-1] + 0.009 * t**2
        path = np.stack([palm - 0.001 + reach * t, np.full(10, y), curve], -1)
        meshes.append(sweep(path, 0.0019 * (1 - 0.5 * t), 8, 0.8))
    return tool("fork", grip, [part, joined("plain", meshes, "steel")])


def _dug(long: float, wide: float, deep: float, point: float) -> Mesh:
    """Return a trowel's blade: a trough from x = 0, pointed by `point` (0 square, 1 pointed)."""
    t = np.linspace(0, 1, 16)
    across = np.linspace(-1, 1, 9)
    half = (
        wide
        / 2
        * np.clip(t / 0.14, 0.3, 1) ** 0.5
        * np.sqrt(np.clip(1 - np.clip((t - 0.45) / 0.55, 0, 1) ** 2 * point - 0.02 * t, 0.003, 1))
    )
    y = half[:, None] * across
    z = deep * (across**2) * np.ones_like(y)
    top = np.stack([np.broadcast_to(long * t[:, None], y.shape), y, z + 0.001], -1)
    rings = np.concatenate([top, (top - [0, 0, 0.002])[:, ::-1]], axis=1)
    return loft(rings)


def _garden(kind: str, rng: Rng, blade: Mesh, look: str, stem: float, drop: float) -> ObjectModel:
    part, grip = handle(
        rng, between(rng, 0.1, 0.13), between(rng, 0.025, 0.032), between(rng, 0.023, 0.028), 0.9
    )
    t = np.linspace(0, 1, 10)
    path = np.stack([-0.015 + (stem + 0.035) * t, 0 * t, -drop * 0.5 * (1 - np.cos(np.pi * t))], -1)
    neck = sweep(path, 0.0055, 10)
    return tool(kind, grip, [part, joined("plain", [neck, blade.moved((stem, 0, -drop))], look)])


def trowel(rng: Rng) -> ObjectModel:
    """A hand trowel: a long pointed trough on a bent stem."""
    blade = _dug(
        between(rng, 0.12, 0.16), between(rng, 0.05, 0.075), between(rng, 0.01, 0.018), between(rng, 0.9, 1)
    )
    look = choice(rng, "steel", "dark_metal", "black_plastic", "plastic")
    return _garden("trowel", rng, blade, look, between(rng, 0.03, 0.06), between(rng, 0.01, 0.03))


def garden_shovel(rng: Rng) -> ObjectModel:
    """A hand shovel: a broad, short trough, nearly square in front."""
    blade = _dug(
        between(rng, 0.1, 0.13),
        between(rng, 0.085, 0.11),
        between(rng, 0.014, 0.026),
        between(rng, 0.3, 0.75),
    )
    look = choice(rng, "steel", "dark_metal", "plastic", "red_plastic")
    return _garden("garden_shovel", rng, blade, look, between(rng, 0.02, 0.05), between(rng, 0.005, 0.025))


def screwdriver(rng: Rng) -> ObjectModel:
    """A screwdriver: a stout fluted handle and a steel shaft."""
    thick = between(rng, 0.022, 0.034)
    part, grip = handle(
        rng,
        between(rng, 0.08, 0.11),
        thick,
        thick,
        float(rng.choice([1.0, 0.75])),
        choice(rng, "plastic", "red_plastic", "yellow_plastic", "black_plastic", "wood"),
        choice(rng, "bulged", "flared", "straight", "waisted"),
    )
    long, shaft = between(rng, 0.06, 0.15), between(rng, 0.0025, 0.0042)
    bar = sweep(line((-0.008, 0, 0), (long, 0, 0), 4), shaft, 10)
    tip = plate(
        [long - 0.001, long + 0.004, long + 0.01],
        [-shaft, -1.25 * shaft, -1.1 * shaft],
        [shaft, 1.25 * shaft, 1.1 * shaft],
        (0.0018, 0.0018),
    )
    parts = [part, joined("plain", [bar, tip], "steel")]
    if rng.random() < 0.5:  # a second colour at the neck
        collar = sweep(
            line((-0.018, 0, 0), (-0.001, 0, 0), 4), 0.5 * thick * np.array([1.1, 1.12, 0.9, 0.6]), 14
        )
        parts.append(Part("rod_handle", collar, "black_plastic", "hold"))
    return tool("screwdriver", grip, parts)


def pliers(rng: Rng) -> ObjectModel:
    """Pliers: two crossed levers with plastic sleeves, flat or pointed jaws."""
    reach, jaw = between(rng, 0.1, 0.13), between(rng, 0.035, 0.06)
    bow, opening = between(rng, 0.018, 0.026), between(rng, 0.0, 0.2)
    look = choice(rng, "red_plastic", "blue_plastic", "black_plastic", "yellow_plastic", "plastic")
    tip = between(rng, 0.15, 0.7)
    t = np.linspace(0, 1, 14)
    sleeves, jaws = [], []
    for side in (-1.0, 1.0):
        turn = rotation("z", side * opening / 2)
        y = -side * (0.004 + bow * np.sin(np.pi / 2 * np.clip(1.5 * t, 0, 1)) + 0.006 * t)
        path = np.stack([-0.012 - reach * t, y, 0 * t], -1)
        sleeve = sweep(path, 0.0065 + 0.0015 * np.sin(np.pi * t), 12, 0.85)
        sleeves.append(sleeve.moved(rotation=turn))
        s = np.linspace(-0.35, 1, 10)
        outer = 0.0115 * (1 - (1 - tip) * np.clip(s, 0, 1))
        low, high = (np.zeros(10) + 0.0002, outer) if side > 0 else (-outer, np.zeros(10) - 0.0002)
        jaws.append(plate(jaw * s, low, high, (0.009, 0.009)).moved(rotation=turn))
    pivot = lathe(
        [(0, -0.0065), (0.009, -0.0065), (0.01, -0.004), (0.01, 0.004), (0.009, 0.0065), (0, 0.0065)], 16
    )
    grip = Grip(np.array([-0.012 - 0.6 * reach, 0, 0]), X, bow + 0.006, Z)
    metal = choice(rng, "steel", "dark_metal")
    return tool(
        "pliers", grip, [joined("rod_handle", sleeves, look, "hold"), joined("plain", [*jaws, pivot], metal)]
    )


def _jaw(radius: float, bar: float, gap: float) -> Points:
    """Return the middle line of an open jaw about the origin that opens towards +x."""
    return arc((0, 0, 0), radius - bar, gap, 2 * np.pi - gap, "xy", 15)


def wrench(rng: Rng) -> ObjectModel:
    """A spanner: a flat steel bar, held by the bar, with an open end and another or a ring."""
    long, size = between(rng, 0.1, 0.17), between(rng, 0.013, 0.02)
    thick, look = between(rng, 0.005, 0.007), choice(rng, "steel", "steel", "dark_metal")
    mid = sweep(
        line((-long / 2, 0, 0), (long / 2, 0, 0), 9),
        np.array([1.15, 1, 0.9, 0.85, 0.85, 0.85, 0.9, 1, 1.15]) * 0.42 * size,
        12,
        0.7 * thick / (0.42 * size),
        square=0.6,
    )
    bar = 0.33 * size
    heads = []
    for side in (-1, 1):
        ring = side < 0 and rng.random() < 0.5
        path = _jaw(size, bar, 0.0 if ring else between(rng, 0.55, 0.75))
        head = sweep(path, bar, 10, thick / bar / 1.4, square=0.7)
        turn = rotation("z", between(rng, -0.25, 0.25) + (0 if side > 0 else np.pi))
        heads.append(head.moved(rotation=turn).moved((side * (long / 2 + size - bar), 0, 0)))
    grip = Grip(np.zeros(3), X, thick, Z)
    return tool("wrench", grip, [Part("rod_handle", mid, look, "hold"), joined("plain", heads, look)])
