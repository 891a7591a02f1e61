"""Film strips: what the camera saw and where it was grasped, then the hand closing, lifting and shaking."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from experiments.lifting.lift import lift
from experiments.lifting.trials import GRASP_METHODS, NO_GRASP, TrialPlan, TrialRow, heat_of, scene, world_of
from selcon_ros.core.outputs.overlay import tint
from selcon_tabletop.model import mujoco
from selcon_tabletop.parts import Z
from selcon_tabletop.shapes import Points

TILE_SIZE = (240, 180)
STAGES = ("approach", "closed", "lifted", "shaken")

Picture = NDArray[np.uint8]


def strip(plan: TrialPlan, folder: Path, rows: Sequence[TrialRow]) -> Picture:
    """Return a picture RGB: a line for each of `rows`, trials of the plan that had a grasp."""
    return np.concatenate([_line(plan, folder, row) for row in rows], axis=0)


def _line(plan: TrialPlan, folder: Path, row: TrialRow) -> Picture:
    """Return the tiles of one trial side by side; a stage that was not reached is white."""
    found = scene(plan, folder, row.kind, row.number)
    sight = found.sights[row.view]
    heat = heat_of(plan, sight)
    choice = GRASP_METHODS[plan.grasp](sight, heat)
    assert choice.grasp is not None
    seen = sight.image.copy()
    tint(seen, heat.values)
    u, v = sight.intrinsics.project(sight.camera.rotation.T @ (choice.grasp.point - sight.camera.position))
    cv2.drawMarker(seen, (round(u), round(v)), (255, 255, 255), cv2.MARKER_CROSS, 40, 6)
    tiles = {"seen": np.asarray(cv2.resize(seen, TILE_SIZE, interpolation=cv2.INTER_AREA), np.uint8)}
    model, data = world_of(found)
    with mujoco.Renderer(model, TILE_SIZE[1], TILE_SIZE[0]) as renderer:
        lowest = min(float(piece[:, 2].min()) for piece in found.body.pieces) if found.fixed else 0.0
        camera = _camera(found.pose.position + lowest * Z, choice.grasp.axes[:, 1])

        def take(stage: str) -> None:
            renderer.update_scene(data, camera)
            tiles[stage] = renderer.render()

        lift(model, data, choice.grasp, take)
    blank = np.full((TILE_SIZE[1], TILE_SIZE[0], 3), 255, np.uint8)
    picture = np.concatenate([tiles.get(stage, blank) for stage in ("seen", *STAGES)], axis=1)
    said = f"{row.kind}: {row.cause}"
    cv2.putText(picture, said, (6, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255, 255, 255), 1, cv2.LINE_AA)
    return picture


def _camera(middle: Points, across: Points) -> mujoco.MjvCamera:
    """Return a camera that sees both fingers: it looks along the hand's y axis, `across` [3]."""
    camera = mujoco.MjvCamera()
    camera.lookat, camera.distance, camera.elevation = middle + 0.1 * Z, 0.55, -20
    camera.azimuth = float(np.degrees(np.arctan2(across[1], across[0]))) + 20
    return camera


def choose(rows: Sequence[TrialRow], count: int) -> list[TrialRow]:
    """Return up to `count` trials, spread over the kinds: three of four lifted, the others not."""
    kinds = list(dict.fromkeys(row.kind for row in rows))
    wanted = [kinds[place] for place in np.linspace(0, len(kinds) - 1, min(count, len(kinds))).astype(int)]
    chosen = []
    for place, kind in enumerate(wanted):
        own = [row for row in rows if row.kind == kind and row.cause != NO_GRASP]
        good = [row for row in own if row.lifted == (place % 4 != 3)]
        chosen += (good or own)[:1]
    return chosen
