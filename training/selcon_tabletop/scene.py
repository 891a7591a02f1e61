"""Compose scenes: a table in a room, off-centre objects as people leave them, clutter and cameras, all drawn
from one random generator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from selcon_tabletop.cameras import CameraView, around, by_hand, look_at
from selcon_tabletop.parts import ObjectModel, Part, Rng
from selcon_tabletop.placing import Taken, free_spot, resting, vertices
from selcon_tabletop.room import Mat, Room, Things, cupboard, furniture_spot
from selcon_tabletop.shapes import Points, rotation
from selcon_tabletop.things import thing

__all__ = ["CameraView", "Placed", "Scene", "look_at", "negative_scene", "table_scene"]


@dataclass(frozen=True)
class Placed:
    """A part in world coordinates (metres, z up, table at 0) with the index of its object, −1 for everything
    that affords nothing."""

    part: Part
    owner: int


@dataclass
class Scene:
    """Everything that is rendered: placed parts, the kinds of the objects by owner index, the cameras and the
    room (None: the renderer draws a plain one)."""

    parts: list[Placed] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    actions: list[str] = field(default_factory=list)
    views: list[CameraView] = field(default_factory=list)
    room: Room | None = None

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

    def points(self, owner: int) -> list[Points]:
        """Return the vertices of an object's parts, or of each part of the scenery (−1)."""
        return [placed.part.mesh.vertices for placed in self.parts if placed.owner == owner]


def _start(rng: Rng, plain: bool) -> tuple[Scene, list[Mat]]:
    """Return a scene of a room and the mats on its table; `plain`: none."""
    scene = Scene(room=Room.drawn(rng))
    count = 0 if plain or rng.random() < 0.6 else int(rng.integers(1, 3))
    mats = [Mat.drawn(rng) for _ in range(count)]
    for mat in mats:
        scene.add_scenery([mat.part(rng)])
    return scene, mats


def _ground(mats: Sequence[Mat], spot: Points, radius: float) -> Points:
    """Return the spot on top of what lies there."""
    under = [mat.height for mat in mats if mat.under(float(spot[0]), float(spot[1]), radius)]
    return np.array([spot[0], spot[1], max(under, default=0.0)])


def add_clutter(
    scene: Scene, rng: Rng, count: int, taken: Taken, mats: Sequence[Mat] = (), things: Sequence[Things] = ()
) -> None:
    """Put up to `count` things that afford nothing where the table is free; `things` are drawn from beside
    the procedural ones."""
    for _ in range(count):
        spot = free_spot(rng, 0.07, taken, (0.24, 0.2))
        if spot is not None:
            draw = things[int(rng.integers(len(things)))] if things and rng.random() < 0.7 else thing
            turn = rotation("z", rng.uniform(0, 2 * np.pi))
            scene.add_scenery(draw(rng), _ground(mats, spot, 0.05), turn)


def table_scene(
    rng: Rng,
    models: Sequence[ObjectModel],
    clutter: int,
    views: int,
    survey: bool = False,
    things: Sequence[Things] = (),
    furniture: Sequence[Things] = (),
    aspect: float = 4 / 3,
) -> Scene:
    """Return a scene with `models` and up to `clutter` things on the table, nothing in the middle by rule.

    Cameras are held near or far, at any slant, by someone who looks at one of the objects. `survey`: cameras
    around the table and plain poses only; one object is then seen from nearby, several from further off.
    """
    scene, mats = _start(rng, survey)
    taken: Taken = []
    reach = (0.07, 0.07) if len(models) <= 1 else (0.17, 0.14)
    for model in models:
        turn, support = resting(rng, model, plain=survey)
        spot = free_spot(rng, model.footprint, taken, reach, 0.82 if survey else 0.66)
        if spot is None:
            continue
        spot = _ground(mats, spot, model.footprint)
        lowest = float(vertices(model.parts, turn)[:, 2].min())
        scene.add(model, spot - [0, 0, lowest], turn)
        scene.add_scenery(support, spot)
    add_clutter(scene, rng, clutter, taken, mats, things)
    if survey:
        near = (0.42, 0.62) if len(models) <= 1 else (0.55, 0.75)
        spread = (0.1, 0.09) if len(models) <= 1 else (0.05, 0.05)
        scene.views = around(rng, views, near, spread, 0.03)
        return scene
    if rng.random() < 0.4:
        _furnish(scene, rng, furniture, int(rng.integers(1, 4)))
    _place_cameras(scene, rng, views, aspect)
    return scene


def negative_scene(
    rng: Rng,
    clutter: int,
    views: int,
    things: Sequence[Things] = (),
    furniture: Sequence[Things] = (),
    aspect: float = 4 / 3,
) -> Scene:
    """Return a scene that affords nothing: a table with `clutter` things or bare, furniture behind it."""
    scene, mats = _start(rng, False)
    add_clutter(scene, rng, clutter, [], mats, things)
    if clutter < 2 or rng.random() < 0.5:
        _furnish(scene, rng, furniture, int(rng.integers(1, 6)))
    _place_cameras(scene, rng, views, aspect)
    return scene


def _furnish(scene: Scene, rng: Rng, furniture: Sequence[Things], count: int) -> None:
    assert scene.room is not None
    for _ in range(count):
        draw = furniture[int(rng.integers(len(furniture)))] if furniture and rng.random() < 0.8 else cupboard
        parts = [replace(part, kind="background") for part in draw(rng)]
        radius = max(float(np.hypot(*part.mesh.vertices[:, :2].T).max()) for part in parts)
        scene.add_scenery(parts, *furniture_spot(rng, scene.room, radius))


def _place_cameras(scene: Scene, rng: Rng, views: int, aspect: float) -> None:
    """Give a scene its cameras: each frames an object or, if there is none, a thing or the table."""
    subjects = [np.concatenate(scene.points(owner)) for owner in range(len(scene.kinds))]
    scenery = scene.points(-1)
    if not subjects:
        subjects = [points for points in scenery if np.ptp(points, axis=0).max() < 0.5]
        subjects.append(np.array([[-0.2, -0.15, 0.0], [0.2, 0.15, 0.05]]))
    bodies = [np.concatenate(scene.points(owner)) for owner in range(len(scene.kinds))] + scenery
    scene.views = by_hand(rng, views, subjects, bodies, aspect)
