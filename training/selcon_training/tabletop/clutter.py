"""Procedural things that afford nothing."""

from __future__ import annotations

import numpy as np

from selcon_training.tabletop.parts import Part, Rng
from selcon_training.tabletop.shapes import box, lathe, sweep


def clutter_thing(rng: Rng) -> list[Part]:
    """Return one thing that affords nothing: a book, a ball, a plate, a brick, a stick of fruit, a ring."""
    size = rng.uniform(0.6, 1.1)
    shape = rng.integers(6)
    if shape == 0:
        mesh = box(rng.uniform([0.09, 0.06, 0.012], [0.16, 0.12, 0.04]))
        mesh = mesh.moved((0, 0, -mesh.vertices[:, 2].min()))
    elif shape == 1:
        radius = 0.035 * size
        angle = np.linspace(-np.pi / 2, np.pi / 2, 11)
        mesh = lathe([(radius * np.cos(a), radius * (1 + np.sin(a))) for a in angle])
    elif shape == 2:
        radius = 0.085 * size
        mesh = lathe(
            [
                (0, 0),
                (0.6 * radius, 0),
                (radius, 0.014),
                (0.96 * radius, 0.018),
                (0.6 * radius, 0.006),
                (0, 0.006),
            ]
        )
    elif shape == 3:
        mesh = box(rng.uniform(0.03, 0.065, 3))
        mesh = mesh.moved((0, 0, -mesh.vertices[:, 2].min()))
    elif shape == 4:
        bend = rng.uniform(0, 0.05)
        t = np.linspace(-1, 1, 9)
        mesh = sweep(
            np.stack([0.07 * size * t, bend * t**2, np.full(9, 0.018)], -1),
            0.018 * np.sqrt(1.05 - t**2),
            around=10,
        )
    else:
        t = np.linspace(0, 2 * np.pi, 25)
        mesh = sweep(
            np.stack([0.045 * size * np.cos(t), 0.045 * size * np.sin(t), np.full(25, 0.01)], -1), 0.009
        )
    return [Part("clutter", mesh, str(rng.choice(["wood", "plastic", "ceramic", "cloth"])))]
