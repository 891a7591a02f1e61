"""Compose scenes: a table, off-centre objects, clutter, light and cameras, all drawn from one random
generator."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from selcon_training.tabletop.hand import hand
from selcon_training.tabletop.parts import ObjectModel, Part, Rng
from selcon_training.tabletop.shapes import Points, box, lathe, merged, rotation, sweep


@dataclass(frozen=True)
class Placed:
    """A part in world coordinates (metres, z up, table at 0) with the index of its object, −1 for everything
    that affords nothing."""

    part: Part
    owner: int


@dataclass(frozen=True)
class View:
    """A camera: `position` and 3×3 `rotation` (MuJoCo's convention: looks along −z, y up) in the world, and
    its vertical field of view in degrees."""

    position: Points
    rotation: Points
    fovy: float


@dataclass
class Scene:
    """Everything that is rendered: placed parts, the kinds of the objects by owner index, and the cameras."""

    parts: list[Placed] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    actions: list[str] = field(default_factory=list)
    views: list[View] = field(default_factory=list)

    def add(self, model: ObjectModel, offset: Points, turn: Points) -> None:
        """Place an object, turned by the 3×3 `turn` and shifted by `offset`."""
        for part in model.parts:
            self.parts.append(Placed(replace(part, mesh=part.mesh.moved(offset, turn)), len(self.kinds)))
        self.kinds.append(model.kind)
        self.actions = sorted({*self.actions, *model.actions})

    def add_scenery(
        self, parts: list[Part], offset: Points | None = None, turn: Points | None = None
    ) -> None:
        """Place parts that afford nothing."""
        shift = np.zeros(3) if offset is None else offset
        self.parts += [
            Placed(replace(part, mesh=part.mesh.moved(shift, turn), action=None), -1) for part in parts
        ]


def look_at(position: Points, target: Points, roll: float) -> Points:
    """Return the camera rotation that looks from `position` to `target`, rolled by `roll` radians."""
    back = position - target
    back = back / np.linalg.norm(back)
    right = np.cross([0, 0, 1.0], back)
    right /= np.linalg.norm(right)
    frame = np.stack([right, np.cross(back, right), back], axis=1)
    return np.asarray(frame @ rotation("z", roll))


def _clutter(rng: Rng) -> list[Part]:
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


def _place(
    rng: Rng, radius: float, taken: list[tuple[float, float, float]], reach: tuple[float, float]
) -> Points | None:
    """Return a free spot on the table for a circle of `radius`, or None after 40 misses."""
    for _ in range(40):
        x, y = rng.uniform(-reach[0], reach[0]), rng.uniform(-reach[1], reach[1])
        if all(np.hypot(x - tx, y - ty) > 0.82 * (radius + tr) for tx, ty, tr in taken):
            taken.append((x, y, radius))
            return np.array([x, y, 0.0])
    return None


def _turned(rng: Rng, model: ObjectModel) -> Points:
    """Return a random rotation: about the vertical always, half-over about its length for lying tools one
    time in two."""
    turn = rotation("z", rng.uniform(0, 2 * np.pi))
    if not model.stands and rng.random() < 0.5:
        turn = turn @ rotation("x", np.pi)
    return turn


def _cameras(
    rng: Rng, count: int, distance: tuple[float, float], spread: tuple[float, float], height: float
) -> list[View]:
    """Return cameras around the table that look near its centre, from 25 to 80 degrees above it."""
    views = []
    for _ in range(count):
        azimuth, elevation = rng.uniform(0, 2 * np.pi), np.deg2rad(rng.uniform(28, 80))
        far = rng.uniform(*distance)
        target = np.array([rng.uniform(-spread[0], spread[0]), rng.uniform(-spread[1], spread[1]), height])
        position = target + far * np.array(
            [np.cos(azimuth) * np.cos(elevation), np.sin(azimuth) * np.cos(elevation), np.sin(elevation)]
        )
        views.append(View(position, look_at(position, target, rng.normal(0, 0.08)), rng.uniform(40, 52)))
    return views


def table_scene(rng: Rng, models: list[ObjectModel], clutter: int, views: int) -> Scene:
    """Return a scene with `models` and up to `clutter` things on the table, nothing in the middle by rule.

    One object is seen from nearby, several from further off, so that an acting part spans some patches
    either way.
    """
    scene = Scene()
    taken: list[tuple[float, float, float]] = []
    reach = (0.07, 0.07) if len(models) <= 1 else (0.17, 0.14)
    for model in models:
        turn = _turned(rng, model)
        spot = _place(rng, model.footprint, taken, reach)
        if spot is None:
            continue
        lowest = min(float((part.mesh.vertices @ turn.T)[:, 2].min()) for part in model.parts)
        scene.add(model, spot - [0, 0, lowest], turn)
    for _ in range(clutter):
        spot = _place(rng, 0.07, taken, (0.24, 0.2))
        if spot is not None:
            scene.add_scenery(_clutter(rng), spot, rotation("z", rng.uniform(0, 2 * np.pi)))
    near = (0.42, 0.62) if len(models) <= 1 else (0.55, 0.75)
    spread = (0.1, 0.09) if len(models) <= 1 else (0.05, 0.05)
    scene.views = _cameras(rng, views, near, spread, 0.03)
    return scene


def _prop(action: str, rng: Rng, at: Points) -> list[Part]:
    """Return what the action acts on near `at` (world): varied, and sometimes absent, so that it is no
    shortcut."""
    if action in ("hold", "open") or rng.random() < 0.3:
        return []
    size = rng.uniform(0.8, 1.3)
    ground = np.array([*(at[:2] + rng.normal(0, 0.01, 2)), 0.0])
    if action == "drink_with":
        angle = np.linspace(-np.pi / 2, np.pi / 2, 9)
        head = lathe([(0.06 * np.cos(a), 0.08 * np.sin(a)) for a in angle])
        side = rng.uniform(0, 2 * np.pi)
        return [
            Part(
                "clutter",
                head.moved(
                    at + np.array([0.11 * np.cos(side), 0.11 * np.sin(side), rng.uniform(0.03, 0.09)])
                ),
                "skin",
            )
        ]
    if action == "hit":
        nail = lathe([(0, 0), (0.004, 0), (0.004, 0.035), (0.011, 0.036), (0.011, 0.041), (0, 0.042)]).moved(
            ground
        )
        return [Part("clutter", nail, "metal")]
    if action in ("pour", "stir"):
        radius = 0.05 * size
        wall = [
            (0.7 * radius, 0.0),
            (radius, 0.05),
            (0.93 * radius, 0.05),
            (0.63 * radius, 0.004),
            (0.0, 0.004),
        ]
        return [Part("clutter", lathe(wall).moved(ground), str(rng.choice(["ceramic", "wood"])))]
    t = np.linspace(-1, 1, 9)
    food = sweep(
        np.stack([0.07 * size * t, 0 * t, np.full(9, 0.02)], -1),
        0.02 * size * np.sqrt(1.05 - t**2),
        around=10,
    )
    board = box((0.2, 0.14, 0.012)).moved((0, 0, 0.006))
    things = [food.moved((0, 0, 0.01))] if action == "cut_with" else [board]
    if action == "cut_with" and rng.random() < 0.5:
        things.append(board)
    return [
        Part(
            "clutter",
            merged(things).moved(ground, rotation("z", rng.uniform(0, 2 * np.pi))),
            str(rng.choice(["plastic", "wood"])),
        )
    ]


def exocentric_scene(rng: Rng, model: ObjectModel, action: str, clutter: int, views: int) -> Scene:
    """Return a scene in which a hand uses `model` for `action`: tilted as in use, gripped at its handle,
    body or lid."""
    scene = Scene()
    grip = model.grips.get(action, model.grips["hold"])
    parts = model.parts + hand(grip, rng)
    tilt = {
        "pour": ("y", -rng.uniform(0.3, 0.9)),
        "drink_with": ("y", -rng.uniform(0.2, 0.8)),
        "cut_with": ("x", rng.uniform(0.6, 1.5)),
        "stir": ("y", rng.uniform(0.3, 1.0)),
        "hit": ("y", rng.uniform(-0.5, 0.3)),
    }.get(action, ("x", rng.normal(0, 0.25)))
    turn = rotation("z", rng.uniform(0, 2 * np.pi)) @ rotation(*tilt)
    lift = rng.uniform(0.0, 0.08) if action != "open" else 0.0
    lowest = min(float((part.mesh.vertices @ turn.T)[:, 2].min()) for part in model.parts)
    offset = np.array([*rng.uniform(-0.05, 0.05, 2), lift - lowest])
    scene.add(model, offset, turn)
    scene.add_scenery(parts[len(model.parts) :], offset, turn)
    acting = [part for part in scene.parts if part.part.action == action]
    at = acting[0].part.mesh.vertices.mean(0)
    scene.add_scenery(_prop(action, rng, at))
    taken = [(float(offset[0]), float(offset[1]), model.footprint)]
    for _ in range(clutter):
        spot = _place(rng, 0.07, taken, (0.24, 0.2))
        if spot is not None:
            scene.add_scenery(_clutter(rng), spot, rotation("z", rng.uniform(0, 2 * np.pi)))
    scene.views = _cameras(rng, views, (0.5, 0.7), (0.08, 0.08), float(offset[2]) + 0.05)
    return scene
