"""Things that afford none of the eight actions: fruit, boxes, books, toys; belongings.py has more.

A thing is clutter: parts in metres on z = 0 about the origin, without an action.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from selcon_tabletop import belongings
from selcon_tabletop.parts import Part, Rng, between, choice
from selcon_tabletop.shapes import (
    Mesh,
    arc,
    box,
    lathe,
    line,
    merged,
    plate,
    rotation,
    rounded,
    slab,
    sweep,
)


def _part(mesh: Mesh, look: str) -> Part:
    return Part("clutter", mesh, look)


def _on_table(mesh: Mesh) -> Mesh:
    return mesh.moved((0, 0, -float(mesh.vertices[:, 2].min())))


def _pome(rng: Rng, radius: float, look: str, waist: float, dent: float) -> list[Part]:
    """Return an apple, pear, tomato or the like with its stalk; now and then it lies on its side."""
    tall = radius * between(rng, 1.7, 2.0) * (1.35 if waist < 0.9 else 1)
    outer = rounded(
        [
            (0.1 * radius, dent),
            (0.75 * radius, 0),
            (1.12 * radius, 0.3 * tall),
            (1.05 * waist * radius, 0.65 * tall),
            (0.65 * waist * radius, tall),
            (0.06 * radius, tall - 1.6 * dent),
        ],
        3,
    )
    stalk = sweep(np.array([[0, 0, tall - 2 * dent], [0.001, 0, tall], [0.005, 0, tall + 0.009]]), 0.0012, 6)
    turn = rotation("x", between(rng, 0.3, 2.2)) if rng.random() < 0.5 else np.eye(3)
    meshes = [lathe([(0, dent), *outer, (0, tall - 1.6 * dent)], 26), stalk]
    whole = [mesh.moved(rotation=turn) for mesh in meshes]
    low = float(whole[0].vertices[:, 2].min())
    return [
        _part(mesh.moved((0, 0, -low)), name) for mesh, name in zip(whole, (look, "brown_fruit"), strict=True)
    ]


def fruit(rng: Rng) -> list[Part]:
    """An apple, pear, tomato, orange, lemon, kiwi, potato, banana, cucumber or carrot."""
    kind = rng.integers(6)
    if kind == 0:
        return _pome(
            rng, between(rng, 0.03, 0.04), choice(rng, "red_fruit", "green_fruit", "yellow_fruit"), 1.0, 0.006
        )
    if kind == 1:
        return _pome(
            rng,
            between(rng, 0.028, 0.036),
            choice(rng, "green_fruit", "yellow_fruit", "brown_fruit"),
            0.72,
            0.003,
        )
    if kind == 2:
        radius, stretch = between(rng, 0.022, 0.042), between(rng, 0.85, 1.3)
        angle = np.linspace(-np.pi / 2, np.pi / 2, 13)
        ball = lathe([(radius * np.cos(a), stretch * radius * np.sin(a)) for a in angle], 24)
        ball = ball.moved(rotation=rotation("x", between(rng, 0, np.pi / 2)))
        return [
            _part(
                _on_table(ball),
                choice(rng, "orange_fruit", "yellow_fruit", "brown_fruit", "green_fruit", "red_fruit"),
            )
        ]
    if kind == 3:
        bananas = []
        for number in range(int(rng.integers(1, 5))):
            radius, bend = between(rng, 0.015, 0.019), between(rng, 0.09, 0.13)
            t = np.linspace(0, 1, 14)
            path = arc((0, -bend, radius + 0.004 * number), bend, 0.2, np.pi - 0.9, "xy", 14)
            girth = radius * np.clip(np.sin(np.pi * np.clip(t, 0.02, 0.98)) * 1.7, 0.22, 1)
            bananas.append(
                sweep(path, girth, 6)
                .moved((0, 0.028 * number, 0))
                .moved(rotation=rotation("z", 0.12 * number))
            )
        return [_part(_on_table(merged(bananas)), "yellow_fruit")]
    t = np.linspace(-1, 1, 15)
    if kind == 4:
        long, radius = between(rng, 0.16, 0.24), between(rng, 0.016, 0.022)
        girth, look = radius * np.sqrt(1.02 - np.abs(t) ** 6), choice(rng, "green_fruit", "leaf")
    else:
        long, radius = between(rng, 0.13, 0.18), between(rng, 0.013, 0.018)
        girth, look = radius * (1.02 - t) ** 0.5 / 1.4 + 0.001, "orange_fruit"
    path = np.stack([long / 2 * t, between(rng, 0, 0.015) * t**2, 0 * t], -1)
    return [_part(_on_table(sweep(path, girth, 14)), look)]


def package(rng: Rng) -> list[Part]:
    """A cardboard box, a carton of milk, a tin without lid handle, a parcel with a printed face."""
    kind = rng.integers(3)
    if kind == 0:
        size = rng.uniform([0.06, 0.05, 0.03], [0.17, 0.12, 0.13])
        parts = [_part(_on_table(box(size)), choice(rng, "cardboard", "print", "paper"))]
        face = box([0.75 * size[0], 0.75 * size[1], 0.002]).moved((0, 0, size[2]))
        side = box([0.7 * size[0], size[1] + 0.002, 0.6 * size[2]]).moved((0, 0, 0.5 * size[2]))
        return parts + [
            _part(mesh, choice(rng, "print", "paper", "print")) for mesh in (face, side) if rng.random() < 0.6
        ]
    if kind == 1:  # a drink carton with a ridge
        wide, tall = between(rng, 0.055, 0.075), between(rng, 0.12, 0.18)
        body = _on_table(box((wide, wide, tall)))
        gable = Mesh(
            np.array(
                [[x, y * wide / 2, tall] for x in (-wide / 2, wide / 2) for y in (-1, 1)]
                + [[-wide / 2, 0, 1.2 * tall], [wide / 2, 0, 1.2 * tall]]
            ),
            np.array(
                [[0, 2, 5], [0, 5, 4], [1, 4, 5], [1, 5, 3], [0, 4, 1], [2, 3, 5], [0, 1, 3], [0, 3, 2]],
                np.int32,
            ),
        )
        fin = box((wide, 0.003, 0.018)).moved((0, 0, 1.2 * tall + 0.006))
        band = box((wide + 0.001, wide + 0.001, 0.4 * tall)).moved((0, 0, 0.45 * tall))
        look = choice(rng, "paper", "print", "white_plastic")
        return [_part(merged([body, gable, fin]), look), _part(band, "print")]
    size = rng.uniform([0.09, 0.05, 0.012], [0.15, 0.09, 0.03])  # a pouch or a chocolate bar
    return [_part(slab(size[0], size[1], size[2], 0.4), choice(rng, "print", "dark_metal", "cardboard"))]


def book(rng: Rng) -> list[Part]:
    """One book or a few, a notebook, a stack of paper."""
    parts, height = [], 0.0
    for _ in range(int(rng.choice([1, 1, 2, 3]))):
        long, wide, thick = between(rng, 0.13, 0.22), between(rng, 0.1, 0.15), between(rng, 0.008, 0.035)
        turn = rotation("z", rng.normal(0, 0.12))
        pages = box((long - 0.006, wide - 0.006, thick)).moved((0, 0.002, height + thick / 2))
        covers = merged(
            [
                box((long, wide, 0.002)).moved((0, 0, height + 0.001)),
                box((long, wide, 0.002)).moved((0, 0, height + thick + 0.001)),
                box((long, 0.002, thick)).moved((0, -wide / 2 + 0.001, height + thick / 2 + 0.001)),
            ]
        )
        title = box((0.6 * long, 0.25 * wide, 0.0015)).moved(
            (0, between(rng, -0.2, 0.2) * wide, height + thick + 0.0022)
        )
        look = choice(rng, "print", "print", "black_plastic", "paper")
        parts += [_part(covers.moved(rotation=turn), look), _part(pages.moved(rotation=turn), "paper")]
        if rng.random() < 0.6:
            parts.append(_part(title.moved(rotation=turn), choice(rng, "paper", "print")))
        height += thick + 0.003
    return parts


def paper(rng: Rng) -> list[Part]:
    """Loose sheets, an envelope, sticky notes."""
    small = rng.random() < 0.4
    long, wide = (
        (between(rng, 0.06, 0.09),) * 2 if small else (between(rng, 0.18, 0.23), between(rng, 0.12, 0.16))
    )
    look = choice(rng, "yellow_fruit", "print") if small else choice(rng, "paper", "paper", "cardboard")
    thick = 0.006 if small else 0.0012
    parts, height = [], 0.0
    for _ in range(1 if small else int(rng.integers(1, 4))):
        place, turn = (*rng.normal(0, 0.012, 2), height + thick / 2), rotation("z", rng.normal(0, 0.2))
        parts.append(_part(box((long, wide, thick)).moved(place, turn), look))
        height += thick + 0.0003
    lines = [
        box((between(rng, 0.4, 0.7) * long, 0.03 * wide, 0.001)).moved((0, (0.3 - 0.12 * number) * wide, 0))
        for number in range(int(rng.integers(0, 6)))
    ]
    if lines:  # on the topmost sheet
        parts.append(_part(merged(lines).moved((*place[:2], height), turn), "dark_metal"))
    return parts


def toy(rng: Rng) -> list[Part]:
    """Building blocks, a ball, a car, a ring stack, a die."""
    kind = rng.integers(5)
    colours = (
        "red_plastic",
        "blue_plastic",
        "yellow_plastic",
        "leaf",
        "plastic",
        "light_wood",
        "white_plastic",
    )
    if kind == 0:
        parts, height = [], 0.0
        size = between(rng, 0.024, 0.042)
        for _ in range(int(rng.integers(1, 4))):
            block = box((size * between(rng, 1, 2), size, size)).moved(
                (0, 0, height + size / 2), rotation("z", rng.normal(0, 0.3))
            )
            parts.append(_part(block, choice(rng, *colours)))
            height += size
        return parts
    if kind == 1:
        radius = between(rng, 0.02, 0.045)
        halves = [np.linspace(-np.pi / 2, 0, 8), np.linspace(0, np.pi / 2, 8)]
        turn = rotation("x", between(rng, 0, 3))
        meshes = [lathe([(radius * np.cos(a), radius * np.sin(a)) for a in half], 26) for half in halves]
        first = choice(rng, *colours)
        second = first if rng.random() < 0.5 else choice(rng, *colours)
        return [
            _part(mesh.moved((0, 0, radius), turn), look)
            for mesh, look in zip(meshes, (first, second), strict=True)
        ]
    if kind == 2:
        long = between(rng, 0.07, 0.12)
        wide, wheel = 0.45 * long, 0.11 * long
        body = plate(
            np.array([-0.5, -0.46, 0.46, 0.5]) * long,
            [0.1 * long] * 4,
            np.array([0.2, 0.27, 0.25, 0.18]) * long,
            (wide, wide),
        ).moved(rotation=rotation("x", np.pi / 2))
        cabin = plate(
            np.array([-0.3, -0.2, 0.12, 0.26]) * long,
            [0.24 * long] * 4,
            np.array([0.25, 0.42, 0.42, 0.25]) * long,
            (0.8 * wide, 0.8 * wide),
        ).moved(rotation=rotation("x", np.pi / 2))
        tyre = sweep(line((0, -0.06 * long, 0), (0, 0.06 * long, 0), 3), wheel, 16, up=(1, 0, 0))
        tyres = merged([tyre.moved((x * long, y * wide, wheel)) for x in (-0.3, 0.3) for y in (-0.48, 0.48)])
        return [
            _part(body, choice(rng, *colours)),
            _part(cabin, choice(rng, *colours, "screen")),
            _part(tyres, "black_plastic"),
        ]
    if kind == 3:
        parts, height = [], 0.0
        for radius in np.linspace(0.045, 0.022, int(rng.integers(3, 6))) * between(rng, 0.8, 1.1):
            ring = sweep(arc((0, 0, 0), radius * 0.7, 0, 2 * np.pi, "xy", 25), radius * 0.3, 10)
            parts.append(_part(ring.moved((0, 0, height + radius * 0.3)), choice(rng, *colours)))
            height += 0.55 * radius
        return parts
    cube = box((0.055, 0.055, 0.055)).moved((0, 0, 0.0275), rotation("z", between(rng, 0, 3)))
    return [_part(cube, choice(rng, *colours))]


THINGS: dict[str, Callable[[Rng], list[Part]]] = {
    "fruit": fruit,
    "package": package,
    "book": book,
    "paper": paper,
    "toy": toy,
    "electronics": belongings.electronics,
    "plate": belongings.plate_thing,
    "plant": belongings.plant,
    "coins": belongings.coins,
    "cable": belongings.cable,
    "cloth": belongings.cloth,
    "hand": belongings.resting_hand,
}
THING_SHARES = (0.2, 0.12, 0.08, 0.06, 0.14, 0.14, 0.1, 0.05, 0.02, 0.03, 0.03, 0.03)


def thing(rng: Rng) -> list[Part]:
    """Return one thing that affords nothing, drawn by `THING_SHARES`."""
    return THINGS[str(rng.choice(list(THINGS), p=THING_SHARES))](rng)
