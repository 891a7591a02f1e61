"""Scenes in which a hand uses an object, for weak supervision."""

from __future__ import annotations

import numpy as np

from selcon_tabletop.cameras import around
from selcon_tabletop.hand import hand
from selcon_tabletop.parts import ObjectModel, Part, Rng
from selcon_tabletop.room import Room
from selcon_tabletop.scene import Scene, add_clutter
from selcon_tabletop.shapes import Points, box, lathe, merged, rotation, sweep


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
    scene = Scene(room=Room.drawn(rng))
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
    add_clutter(scene, rng, clutter, taken)
    scene.views = around(rng, views, (0.5, 0.7), (0.08, 0.08), float(offset[2]) + 0.05)
    return scene
