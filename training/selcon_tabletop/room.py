"""What is around the objects: a table with edges, mats on it, the floor, furniture, and how light falls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from selcon_tabletop.parts import Part, Rng
from selcon_tabletop.shapes import Points, box, merged, rotation

Things = Callable[[Rng], list[Part]]
"""Draws one thing that affords nothing, standing on z = 0 about the vertical axis."""


@dataclass(frozen=True)
class Room:
    """A table of half lengths `half` in metres with its top at z = 0, the floor `drop` below it.

    `white`: everything around is white, as in a catalogue.
    """

    half: tuple[float, float]
    drop: float
    white: bool = False

    @staticmethod
    def drawn(rng: Rng) -> Room:
        """Return a random room: in one case of twelve a white one."""
        half = (rng.uniform(0.3, 0.9), rng.uniform(0.3, 0.9))
        return Room(half, rng.uniform(0.3, 0.8), bool(rng.random() < 1 / 12))


@dataclass(frozen=True)
class Mat:
    """A flat thing that objects lie on: a cutting board, a cloth, a tray. Centre, half lengths, height and
    turn about the vertical."""

    centre: tuple[float, float]
    half: tuple[float, float]
    height: float
    turn: float

    @staticmethod
    def drawn(rng: Rng) -> Mat:
        """Return a random one near the table's centre."""
        height = rng.uniform(0.008, 0.025) if rng.random() < 0.5 else rng.uniform(0.001, 0.004)
        half = (rng.uniform(0.08, 0.22), rng.uniform(0.08, 0.16))
        centre = (rng.uniform(-0.1, 0.1), rng.uniform(-0.08, 0.08))
        return Mat(centre, half, height, rng.uniform(0, 2 * np.pi))

    def under(self, x: float, y: float, radius: float) -> bool:
        """Whether a circle about (x, y) lies on it for the better part."""
        cos, sin = np.cos(self.turn), np.sin(self.turn)
        along = cos * (x - self.centre[0]) + sin * (y - self.centre[1])
        across = cos * (y - self.centre[1]) - sin * (x - self.centre[0])
        slack = 0.5 * radius
        return bool(abs(along) < self.half[0] + slack and abs(across) < self.half[1] + slack)

    def part(self, rng: Rng) -> Part:
        """Return it as scenery that counts as background."""
        sheet = box((2 * self.half[0], 2 * self.half[1], self.height)).moved((0, 0, self.height / 2))
        look = "cloth" if self.height < 0.005 else str(rng.choice(["wood", "plastic", "wood", "ceramic"]))
        placed = sheet.moved((*self.centre, 0.0), rotation("z", self.turn))
        return Part("background", placed, look)


def cupboard(rng: Rng) -> list[Part]:
    """Return a plain piece of furniture: a chest, or a shelf of boards on two sides."""
    wide, deep, tall = rng.uniform(0.3, 1.1), rng.uniform(0.25, 0.5), rng.uniform(0.4, 1.6)
    if rng.random() < 0.5:
        mesh = box((wide, deep, tall)).moved((0, 0, tall / 2))
        return [Part("background", mesh, "wood")]
    boards = [
        box((wide, deep, 0.02)).moved((0, 0, float(height)))
        for height in np.linspace(0.02, tall, int(rng.integers(3, 6)))
    ]
    boards += [box((0.02, deep, tall)).moved((side * wide / 2, 0, tall / 2)) for side in (-1, 1)]
    return [Part("background", merged(boards), "wood")]


def furniture_spot(rng: Rng, room: Room, radius: float) -> tuple[Points, Points]:
    """Return where a piece of furniture of `radius` metres stands beside the table, and how it is turned."""
    angle = rng.uniform(0, 2 * np.pi)
    far = float(np.hypot(*room.half)) + radius + rng.uniform(0.2, 1.0)
    return np.array([far * np.cos(angle), far * np.sin(angle), -room.drop]), rotation(
        "z", rng.uniform(0, 2 * np.pi)
    )
