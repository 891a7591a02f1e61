"""Render the RGB-D recording of the demo: a camera moving slowly around a table with objects never trained
on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from selcon_ros.recording import PartLabel, RecordedFrame, write_recording
from selcon_tabletop.objects import TRAINED
from selcon_tabletop.parts import ObjectModel, Rng
from selcon_tabletop.rendering import Renderer
from selcon_tabletop.room import Room
from selcon_tabletop.scene import CameraView, Scene, add_clutter, look_at
from selcon_tabletop.shapes import rotation
from selcon_training.data.ordering import Stream, generator

KINDS = ("bread_knife", "mallet", "cup", "coffee_pot", "brush", "cooking_spoon")
"""Together they afford every action."""
PLACES = ((-0.19, -0.11), (0.19, -0.13), (-0.02, -0.12), (-0.15, 0.1), (0.25, 0.16), (0.04, 0.07))
TURNS = (1.9, 1.2, -0.6, 0.5, 2.3, 0.3)
MAX_THINGS = 7
"""At most so many things that afford nothing lie between the objects."""
CAMERA_DISTANCE = 0.58
"""Between the camera and the middle of the objects, in metres."""
INTERVAL_NS = 100_000_000


def _scene(models: list[ObjectModel], frames: int, rng: Rng) -> Scene:
    scene = Scene(room=Room((0.5, 0.4), 0.7))
    for model, place, turn in zip(models, PLACES, TURNS, strict=True):
        scene.add(model, np.array([*place, 0.0]), rotation("z", turn))
    add_clutter(
        scene,
        rng,
        MAX_THINGS,
        [(*place, 0.6 * model.footprint) for model, place in zip(models, PLACES, strict=True)],
    )
    for azimuth in np.linspace(-2.15, -1.73, frames):
        target = np.array([0.0, -0.01, 0.02])
        position = target + CAMERA_DISTANCE * np.array([np.cos(azimuth) * 0.6, np.sin(azimuth) * 0.6, 0.8])
        scene.views.append(CameraView(position, look_at(position, target, 0.0), 45.0))
    return scene


def record(folder: Path, frames: int = 30, seed: int = 1082) -> int:
    """Render `frames` frames of 640×480 at 10 Hz into `folder` (recording.mcap and truth.json); return their
    number.

    The objects are instances of trained kinds that no split of the data set holds.
    """
    rng = generator(seed, Stream.DEMO_RECORDING)
    scene = _scene([TRAINED[kind](rng) for kind in KINDS], frames, rng)
    renderer = Renderer(640, 480)
    try:
        views = renderer.render(scene, rng, steady=True)
    finally:
        renderer.close()
    acting = [(index, placed) for index, placed in enumerate(scene.parts) if placed.part.action]
    labels = {
        number: PartLabel(scene.kinds[placed.owner], placed.part.kind, str(placed.part.action))
        for number, (_, placed) in enumerate(acting, start=1)
    }
    number_of = np.zeros(len(scene.parts) + 1, np.uint8)  # index −1, the last, is table and background
    for number, (index, _) in enumerate(acting, start=1):
        number_of[index] = number
    recorded = [
        RecordedFrame(
            stamp_ns=1_000_000_000 + index * INTERVAL_NS,
            image=view.image,
            depth_mm=np.where(view.depth < 5, np.rint(1000 * view.depth), 0).astype(np.uint16),
            intrinsics=replace(view.intrinsics),
            labels=number_of[view.placed],
        )
        for index, view in enumerate(views)
    ]
    write_recording(folder, recorded, labels)
    return len(recorded)
