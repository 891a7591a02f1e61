"""More things that afford none of the actions: electronics, plates, plants, coins, cables, a resting hand."""

from __future__ import annotations

import numpy as np

from selcon_tabletop.hand import hand
from selcon_tabletop.parts import Grip, Part, Rng, between, choice
from selcon_tabletop.shapes import (
    Mesh,
    box,
    lathe,
    line,
    merged,
    rotation,
    rounded,
    slab,
    sweep,
)

DEVICES = ("black_plastic", "black_plastic", "white_plastic", "plastic", "steel")


def _part(mesh: Mesh, look: str) -> Part:
    return Part("clutter", mesh, look)


def _keys(columns: int, rows: int, pitch: tuple[float, float], height: float, share: float = 0.8) -> Mesh:
    """Return a field of keys about the origin, their tops `height` up."""
    xs = (np.arange(columns) - (columns - 1) / 2) * pitch[0]
    ys = (np.arange(rows) - (rows - 1) / 2) * pitch[1]
    key = box((share * pitch[0], share * pitch[1], 0.003))
    return merged([key.moved((x, y, height)) for x in xs for y in ys])


def electronics(rng: Rng) -> list[Part]:
    """A phone, remote control, mouse, keyboard, calculator, plug or battery."""
    kind, look = rng.integers(6), choice(rng, *DEVICES)
    if kind == 0:
        long, wide, thick = between(rng, 0.13, 0.165), between(rng, 0.065, 0.078), between(rng, 0.007, 0.011)
        if rng.random() < 0.3:  # its back, with the camera
            lens = slab(0.025, 0.025, 0.002, 0.4).moved((0.4 * long - 0.01, 0.2 * wide, thick))
            return [_part(slab(long, wide, thick, 0.16), look), _part(lens, "screen")]
        glass = slab(0.96 * long, 0.92 * wide, 0.001, 0.16).moved((0, 0, thick))
        return [
            _part(slab(long, wide, thick, 0.16), look),
            _part(glass, choice(rng, "screen", "screen", "print")),
        ]
    if kind == 1:
        long, wide, thick = between(rng, 0.13, 0.2), between(rng, 0.036, 0.05), between(rng, 0.014, 0.022)
        keys = _keys(int(rng.integers(6, 10)), 3, (0.085 * long, 0.26 * wide), thick + 0.001, 0.65)
        body = slab(long, wide, thick, 0.3)
        return [
            _part(body, choice(rng, "black_plastic", "black_plastic", "dark_metal")),
            _part(keys, choice(rng, "white_plastic", "dark_metal", "plastic")),
        ]
    if kind == 2:
        t = np.linspace(0, 1, 12)
        long, wide, tall = between(rng, 0.09, 0.12), between(rng, 0.055, 0.066), between(rng, 0.03, 0.04)
        girth = wide / 2 * np.sqrt(np.clip(1 - np.abs(2 * t - 1) ** 3, 0.04, 1)) * (0.92 + 0.08 * t)
        path = np.stack([long * (t - 0.5), 0 * t, 0 * t], -1)
        dome = sweep(
            path, girth, 20, tall / girth * np.sqrt(np.clip(1 - np.abs(2 * t - 1) ** 3, 0.04, 1)), square=0.8
        )
        flat = Mesh(dome.vertices * [1, 1, 1] - [0, 0, 0], dome.faces)
        vertices = flat.vertices.copy()
        vertices[:, 2] = np.maximum(vertices[:, 2], 0) + 1e-4 * vertices[:, 2]
        wheel = sweep(
            line((0.28 * long, -0.004, 0.86 * tall), (0.28 * long, 0.004, 0.86 * tall), 3),
            0.008,
            12,
            up=(1, 0, 0),
        )
        return [_part(Mesh(vertices, flat.faces), look), _part(wheel, "dark_metal")]
    if kind == 3:
        columns = int(rng.integers(9, 13))
        pitch = between(rng, 0.016, 0.018)
        base = slab(columns * pitch + 0.012, 5 * pitch + 0.012, 0.012, 0.12)
        keys = _keys(columns, 5, (pitch, pitch), 0.0135, 0.85)
        return [_part(base, look), _part(keys, choice(rng, "black_plastic", "white_plastic", look))]
    if kind == 4:
        long, wide = between(rng, 0.11, 0.15), between(rng, 0.07, 0.085)
        keys = _keys(5, 4, (0.12 * long, 0.22 * wide), 0.0135, 0.75).moved((-0.12 * long, 0, 0))
        display = slab(0.18 * long, 0.8 * wide, 0.001, 0.2).moved((0.33 * long, 0, 0.012))
        return [
            _part(slab(long, wide, 0.012, 0.2), look),
            _part(keys, choice(rng, "white_plastic", "dark_metal", "plastic")),
            _part(display, "leaf" if rng.random() < 0.3 else "screen"),
        ]
    cells = []
    radius, long = (0.007, 0.05) if rng.random() < 0.7 else (0.0165, 0.06)
    for number in range(int(rng.integers(1, 4))):
        y = 2.1 * radius * number
        cells.append(sweep(line((-long / 2, y, radius), (0.45 * long, y, radius), 3), radius, 16))
        cells.append(sweep(line((0.44 * long, y, radius), (0.5 * long, y, radius), 3), 0.35 * radius, 10))
    return [
        _part(merged(cells[::2]), choice(rng, "black_plastic", "brass", "print")),
        _part(merged(cells[1::2]), "steel"),
    ]


def plate_thing(rng: Rng) -> list[Part]:
    """A plate or a saucer, empty or with bread on it; a coaster; a cutting board."""
    kind = rng.random()
    if kind < 0.2:
        look = choice(rng, "light_wood", "wood", "white_plastic")
        return [
            _part(
                slab(between(rng, 0.17, 0.24), between(rng, 0.11, 0.16), between(rng, 0.01, 0.02), 0.18), look
            )
        ]
    if kind < 0.35:
        shape = slab(0.095, 0.095, 0.006, float(rng.choice([0.15, 1.0])))
        return [_part(shape, choice(rng, "brown_fruit", "cardboard", "rubber", "print"))]
    radius = between(rng, 0.06, 0.11)
    well = between(rng, 0.55, 0.7) * radius
    outline = [
        (0, 0),
        (well, 0),
        (radius, 0.016),
        (radius, 0.018),
        (0.97 * radius, 0.019),
        (well, 0.005),
        (0, 0.004),
    ]
    parts = [
        _part(
            lathe(outline, 40),
            choice(rng, "white_ceramic", "white_ceramic", "ceramic", "paper", "clear_glass"),
        )
    ]
    if rng.random() < 0.3:
        loaf = slab(0.9 * well, 0.75 * well, 0.014, 0.5).moved((0, 0, 0.005))
        parts.append(_part(loaf, choice(rng, "bread", "yellow_fruit", "red_fruit")))
    return parts


def plant(rng: Rng) -> list[Part]:
    """A small plant in a pot."""
    radius, tall = between(rng, 0.03, 0.045), between(rng, 0.045, 0.075)
    pot = lathe(
        [
            (0, 0),
            (0.75 * radius, 0),
            (radius, tall),
            (1.1 * radius, tall),
            (1.1 * radius, 1.15 * tall),
            (0.9 * radius, 1.15 * tall),
            (0.88 * radius, tall),
            (0, tall),
        ],
        28,
    )
    leaves = []
    for _ in range(int(rng.integers(8, 22))):
        long, lean = between(rng, 0.04, 0.09), between(rng, 0.1, 1.1)
        t = np.linspace(0, 1, 7)
        path = np.stack(
            [long * np.sin(lean) * t**1.4, 0 * t, long * np.cos(lean) * t * (1 - 0.3 * lean * t)], -1
        )
        leaf = sweep(
            path,
            np.sin(np.pi * np.clip(t, 0.04, 0.97)) * between(rng, 0.004, 0.014),
            8,
            0.2,
            up=(0, 0, 1) if lean > 0.5 else (1, 0, 0),
        )
        leaves.append(leaf.moved((0, 0, tall), rotation("z", between(rng, 0, 2 * np.pi))))
    return [
        _part(pot, choice(rng, "clay", "white_ceramic", "ceramic", "plastic")),
        _part(merged(leaves), "leaf"),
    ]


def coins(rng: Rng) -> list[Part]:
    """A few coins, or keys on a ring without their ring: flat bits of metal."""
    parts = []
    for _ in range(int(rng.integers(2, 8))):
        radius = between(rng, 0.009, 0.014)
        disc = lathe(rounded([(0, 0), (radius, 0), (radius, 0.002), (0, 0.002)], 1), 20)
        parts.append(
            _part(
                disc.moved((*rng.normal(0, 0.025, 2), 0.0005 * rng.integers(4))),
                choice(rng, "steel", "brass", "copper"),
            )
        )
    return parts


def cable(rng: Rng) -> list[Part]:
    """A cable with a plug, in loops."""
    turns, radius = between(rng, 0.8, 2.6), between(rng, 0.025, 0.06)
    t = np.linspace(0, 1, 60)
    angle = 2 * np.pi * turns * t
    out = radius * (1 + 0.35 * np.sin(2.3 * angle + between(rng, 0, 6)) * t) + 0.05 * np.clip(t - 0.8, 0, 1)
    thick = between(rng, 0.0018, 0.0032)
    path = np.stack([out * np.cos(angle), out * np.sin(angle), thick + 2 * thick * t], -1)
    direction = path[-1] - path[-2]
    plug = sweep(
        np.stack([path[-1], path[-1] + 0.028 * direction / np.linalg.norm(direction)]),
        2.6 * thick,
        10,
        0.7,
        square=0.6,
    )
    look = choice(rng, "black_plastic", "white_plastic", "plastic")
    return [_part(sweep(path, thick, 8), look), _part(plug, look)]


def cloth(rng: Rng) -> list[Part]:
    """A folded cloth or napkin."""
    long, wide = between(rng, 0.1, 0.18), between(rng, 0.08, 0.13)
    layers = [
        slab(long * between(rng, 0.95, 1), wide * between(rng, 0.95, 1), 0.005, 0.22).moved((0, 0, 0.005 * i))
        for i in range(int(rng.integers(1, 4)))
    ]
    return [_part(merged(layers), choice(rng, "cloth", "print", "paper"))]


def resting_hand(rng: Rng) -> list[Part]:
    """A hand that lies or stands on the table, half closed, holding nothing."""
    side = between(rng, 0, 2 * np.pi)
    away = np.array([np.cos(side), np.sin(side), between(rng, 0.2, 1.2)])
    axis = np.array([-np.sin(side), np.cos(side), rng.normal(0, 0.3)])
    grip = Grip(np.zeros(3), axis, between(rng, 0.012, 0.035), away)
    parts = hand(grip, rng)
    low = min(float(part.mesh.vertices[:, 2].min()) for part in parts)
    return [Part(part.kind, part.mesh.moved((0, 0, -low)), part.look) for part in parts]
