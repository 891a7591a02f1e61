"""The scenes of the trials: an object at rest on a table, a few things about it, and cameras that see it.

A scene depends only on the kind, its number, the seed and the action. It is written to a file: what is slow,
to cut the object into pieces and to render it, is done once.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments.lifting.bodies import Body, body_of, obstacles_of
from experiments.lifting.sensor import measured
from experiments.lifting.world import Pose, settled
from selcon_ros.core.cameras.camera import Intrinsics
from selcon_tabletop.cameras import CameraView, around
from selcon_tabletop.objects import KINDS, TRAINED, UNSEEN, actions_of
from selcon_tabletop.parts import Grip, ObjectModel, Rng
from selcon_tabletop.placing import resting, vertices
from selcon_tabletop.rendering import Rendered, Renderer
from selcon_tabletop.room import Room
from selcon_tabletop.scene import Scene, add_clutter
from selcon_tabletop.shapes import Points

IMAGE_SIZE = (640, 480)
MAX_THINGS = 3
"""Up to so many things stand about."""
CAMERA_FROM_OPTICAL = np.diag([1.0, -1.0, -1.0])
"""From the optical frame (x right, y down, z forward) to that of MuJoCo's cameras."""


@dataclass(frozen=True)
class Sight:
    """What one camera sees: `image` [H, W, 3] uint8 RGB, measured `depth` [H, W] in metres (NaN: none), where
    the part to close at is, `part` [H, W] bool, the camera's calibration and its pose (optical frame) in the
    world."""

    image: NDArray[np.uint8]
    depth: NDArray[np.float32]
    part: NDArray[np.bool_]
    intrinsics: Intrinsics
    camera: Pose


@dataclass(frozen=True)
class LiftScene:
    """An object of a kind that rests at `pose`: its body and grip (in its own frame), hulls of what stands
    about, the table's half lengths, and what each camera sees.

    Of `hold` the body is all of it. Of `open` it is the lid or cap alone: the `fixed` pieces of the rest (in
    the object's frame) stay where they are, as if something else held them.
    """

    kind: str
    body: Body
    grip: Grip
    pose: Pose
    obstacles: list[Points]
    half: tuple[float, float]
    sights: list[Sight]
    action: str = "hold"
    fixed: list[Points] = field(default_factory=list)


def kinds_of(action: str) -> tuple[str, ...]:
    """Return the kinds of objects that have a part of an action."""
    return tuple(kind for kind in KINDS if action in actions_of(kind))


def scene_of(
    kind: str, number: int, views: int, seed: int, renderer: Renderer, action: str = "hold"
) -> LiftScene:
    """Return scene `number` of a kind, seen by `views` cameras."""
    rng = np.random.default_rng([seed, zlib.crc32(kind.encode()), number])
    model = (TRAINED | UNSEEN)[kind](rng)
    body = body_of(model, action)
    pose = _resting_pose(model, body, rng)
    scene = Scene(room=Room.drawn(rng))
    scene.add(model, pose.position, pose.rotation)
    circle = (float(pose.position[0]), float(pose.position[1]), 1.2 * model.footprint)
    add_clutter(scene, rng, int(rng.integers(0, MAX_THINGS + 1)), [circle])
    obstacles = obstacles_of([placed.part for placed in scene.parts if placed.owner < 0])
    scene.views = around(rng, views, (0.42, 0.62), (0.05, 0.05), 0.03)
    own = {
        index
        for index, placed in enumerate(scene.parts)
        if placed.owner == 0 and placed.part.action == action
    }
    sights = []
    for view, seen in zip(scene.views, renderer.render(scene, rng), strict=True):
        sights.append(_sight(view, seen, own, rng))
    assert scene.room is not None
    body, fixed = (body, []) if action == "hold" else body.parted()
    return LiftScene(kind, body, model.grips[action], pose, obstacles, scene.room.half, sights, action, fixed)


def _resting_pose(model: ObjectModel, body: Body, rng: Rng) -> Pose:
    """Return where the object comes to rest: vessels stand, tools lie on either side."""
    for _ in range(8):
        turn, _ = resting(rng, model, plain=True)
        lowest = float(vertices(model.parts, turn)[:, 2].min())
        spot = np.array([*rng.uniform(-0.07, 0.07, 2), -lowest])
        pose = settled(body, Pose(spot, turn))
        if pose is not None:
            return pose
    return Pose(spot, turn)


def _sight(view: CameraView, seen: Rendered, own: set[int], rng: Rng) -> Sight:
    camera = Pose(view.position, view.rotation @ CAMERA_FROM_OPTICAL)
    part = np.isin(seen.placed, list(own))
    return Sight(seen.image, measured(seen.depth, seen.intrinsics.fx, rng), part, seen.intrinsics, camera)


def write(scene: LiftScene, path: Path) -> None:
    """Write a scene to an .npz file."""
    arrays: dict[str, NDArray[np.generic]] = {
        "pieces": np.concatenate(scene.body.pieces),
        "piece_sizes": np.array([len(piece) for piece in scene.body.pieces]),
        "masses": np.array(scene.body.masses),
        "held": np.array(scene.body.held),
        "obstacles": np.concatenate([*scene.obstacles, np.zeros((0, 3))]),
        "obstacle_sizes": np.array([len(points) for points in scene.obstacles], np.int64),
        "grip": np.array([*scene.grip.point, *scene.grip.axis, scene.grip.radius, *scene.grip.away]),
        "pose": np.array([*scene.pose.position, *scene.pose.rotation.ravel()]),
        "half": np.array(scene.half),
        "kind": np.array(scene.kind),
        "action": np.array(scene.action),
        "fixed": np.concatenate([*scene.fixed, np.zeros((0, 3))]),
        "fixed_sizes": np.array([len(points) for points in scene.fixed], np.int64),
    }
    for name in ("image", "depth", "part"):
        arrays[name] = np.stack([getattr(sight, name) for sight in scene.sights])
    arrays["depth"] = np.nan_to_num(arrays["depth"] * 1e4).astype(np.uint16)  # type: ignore[operator]
    arrays["cameras"] = np.array(
        [
            [sight.intrinsics.fx, *sight.camera.position, *sight.camera.rotation.ravel()]
            for sight in scene.sights
        ]
    )
    part = path.with_suffix(".part.npz")
    np.savez_compressed(part, **arrays)  # type: ignore[arg-type]
    part.replace(path)


def read(path: Path) -> LiftScene:
    """Read a scene that `write` has written."""
    with np.load(path, allow_pickle=False) as file:
        arrays = dict(file)
    pieces = np.split(arrays["pieces"], np.cumsum(arrays["piece_sizes"])[:-1])
    obstacles = np.split(arrays["obstacles"], np.cumsum(arrays["obstacle_sizes"]))[:-1]
    fixed = np.split(arrays["fixed"], np.cumsum(arrays["fixed_sizes"]))[:-1] if "fixed" in arrays else []
    grip, pose = arrays["grip"], arrays["pose"]
    sights = []
    for image, depth, part, camera in zip(
        *(arrays[name] for name in ("image", "depth", "part", "cameras")), strict=True
    ):
        height, width = part.shape
        focal = float(camera[0])
        intrinsics = Intrinsics(focal, focal, (width - 1) / 2, (height - 1) / 2, width, height)
        metres = np.where(depth > 0, depth / np.float32(1e4), np.float32(np.nan)).astype(np.float32)
        sights.append(Sight(image, metres, part, intrinsics, Pose(camera[1:4], camera[4:].reshape(3, 3))))
    return LiftScene(
        str(arrays["kind"]),
        Body(pieces, arrays["masses"].tolist(), arrays["held"].tolist()),
        Grip(grip[:3], grip[3:6], float(grip[6]), grip[7:]),
        Pose(pose[:3], pose[3:].reshape(3, 3)),
        obstacles,
        (float(arrays["half"][0]), float(arrays["half"][1])),
        sights,
        str(arrays.get("action", "hold")),
        fixed,
    )
