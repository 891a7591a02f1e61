"""Rooms furnished with meshes of files, with cluttered tops and without a tool: negative pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from selcon_ros.core.files.atomic_write import write_file
from selcon_tabletop.cameras import CameraView, look_at
from selcon_tabletop.mesh_kinds import MeshEntry, files_of, mesh_things, scenery
from selcon_tabletop.parts import Part, Rng
from selcon_tabletop.rendering import Renderer
from selcon_tabletop.room import Room
from selcon_tabletop.scene import Scene
from selcon_tabletop.shapes import Points, box, rotation
from selcon_tabletop.surfaces import backdrop, plain_texture
from selcon_tabletop.world import mesh_files_in

IMAGE_SIZE = (640, 480)
"""Width and height of the pictures in pixels."""
ROOM_HEIGHT = 2.6
MIN_CLEARANCE = 0.15
"""Metres that a camera keeps from all furniture."""


@dataclass(frozen=True)
class _Standing:
    """A piece of furniture in its place: its extent in the room, and whether things stand on it."""

    low: Points
    high: Points
    top: bool


def room_scene(rng: Rng, files: Mapping[str, Path], views: int) -> Scene:
    """Return the corner of a room, furnished along two walls and, often, with a table in front of them.

    The corner is at the origin, the walls run along +x and −y, the floor is z = 0 (metres). Tables, desks and
    cabinets carry things that afford nothing. Half of the cameras look at such a top from nearby, as far as
    there is one, the others into the room.
    """
    scene = Scene(room=Room((0.003, 0.003), 0.0))
    long, deep = rng.uniform(2.2, 3.6), rng.uniform(1.6, 3.0)
    scene.add_scenery(_walls(rng, long, deep))
    entries = files_of("rooms", files)
    things = mesh_things(files)
    tops = [each for each in entries if each[1].top]
    standing = _along(scene, rng, entries, long, side=False) + _along(scene, rng, entries, deep, side=True)
    for _ in range(int(rng.integers(0, 3))):
        spot = np.array([rng.uniform(1.0, long), -rng.uniform(1.1, deep + 0.4), 0])
        turn = rotation("z", rng.uniform(0, 2 * np.pi))
        standing.append(_put(scene, *_drawn(rng, tops), spot, turn))
    for each in standing:
        if each.top:
            _cover(scene, rng, each, things)
    scene.views = [_camera(rng, standing, near=bool(number % 2)) for number in range(views)]
    return scene


def _walls(rng: Rng, long: float, deep: float) -> list[Part]:
    """Return both walls in one colour or paper, 40 cm longer than what stands along them."""
    texture = plain_texture(rng, 128) if rng.random() < 0.6 else backdrop(rng, 128)
    parts = []
    for size, centre, axis in (
        ((long + 0.5, 0.1), (long / 2 + 0.15, 0.05), 0),
        ((0.1, deep + 1.5), (-0.05, -deep / 2 - 0.65), 1),
    ):
        mesh = box((*size, ROOM_HEIGHT)).moved((*centre, ROOM_HEIGHT / 2))
        uv = (mesh.vertices[:, [axis, 2]] / rng.uniform(0.8, 3)).astype(np.float32)
        parts.append(Part("background", replace(mesh, uv=uv), "cloth", texture=texture))
    return parts


def _along(
    scene: Scene, rng: Rng, entries: Sequence[tuple[Path, MeshEntry]], length: float, side: bool
) -> list[_Standing]:
    """Set furniture side by side with its back to the wall along +x or, at the `side`, along −y."""
    turn = rotation("z", np.pi / 2) if side else np.eye(3)
    standing: list[_Standing] = []
    at = (0.75 if side else 0.05) + rng.uniform(0, 0.3)
    while at < length and len(standing) < 6:
        entry, parts, points = _drawn(rng, entries)
        low, high = points.min(0), points.max(0)
        # Files face −y here, so a piece's back is its highest y; turned, −x runs along the side wall.
        offset = np.array([-at - high[0] if side else at - low[0], -0.02 - high[1], 0])
        standing.append(_put(scene, entry, parts, points, turn @ offset, turn))
        at += float(high[0] - low[0]) + (rng.uniform(0, 0.5) if rng.random() < 0.6 else 0.005)
    return standing


def _drawn(rng: Rng, entries: Sequence[tuple[Path, MeshEntry]]) -> tuple[MeshEntry, list[Part], Points]:
    """Return a random piece of furniture with all its vertices."""
    path, entry = entries[int(rng.integers(len(entries)))]
    parts = scenery(path, entry, rng)
    return entry, parts, np.concatenate([part.mesh.vertices for part in parts])


def _put(
    scene: Scene, entry: MeshEntry, parts: list[Part], points: Points, offset: Points, turn: Points
) -> _Standing:
    """Add a piece, turned and then shifted by `offset`, as high as the list says."""
    offset = offset + np.array([0, 0, entry.raised])
    scene.add_scenery(parts, offset, turn)
    moved = points @ turn.T + offset
    return _Standing(moved.min(0), moved.max(0), entry.top)


def _cover(scene: Scene, rng: Rng, under: _Standing, things: Callable[[Rng], list[Part]]) -> None:
    """Put up to 17 things on a top, apart from each other and within its middle."""
    centre, half = (under.low + under.high) / 2, (under.high - under.low) / 2
    taken: list[tuple[Points, float]] = []
    for _ in range(int(rng.integers(2, 18))):
        parts = things(rng)
        points = np.concatenate([part.mesh.vertices for part in parts])
        radius = float(np.linalg.norm(points[:, :2], axis=1).max())
        spot = centre + rng.uniform(-0.75, 0.75, 3) * np.maximum(half - 0.5 * radius, 0.02)
        spot[2] = under.high[2] - points[:, 2].min()
        if all(np.linalg.norm((spot - other)[:2]) > 0.65 * (radius + wide) for other, wide in taken):
            taken.append((spot, radius))
            scene.add_scenery(parts, spot, rotation("z", rng.uniform(0, 2 * np.pi)))


def _camera(rng: Rng, standing: Sequence[_Standing], near: bool) -> CameraView:
    """Return a camera inside the room, outside all furniture: at a top from `near`, or at any piece."""
    tops = [each for each in standing if each.top]
    wanted = tops if near and tops else standing
    subject = wanted[int(rng.integers(len(wanted)))]
    for _ in range(200):
        target = rng.uniform(subject.low, subject.high)
        far, lift = rng.uniform(1.6, 3.4), rng.uniform(0.05, 0.6)
        if near and tops:
            target[2] = subject.high[2] + rng.uniform(0, 0.1)
            far, lift = rng.uniform(0.4, 1.3), rng.uniform(0.2, 1.1)
        angle = rng.uniform(-1.9, 0.3)  # away from the corner, so that walls are behind
        away = np.array([np.cos(angle) * np.cos(lift), np.sin(angle) * np.cos(lift), np.sin(lift)])
        eye = target + far * away
        inside = eye[0] > MIN_CLEARANCE and eye[1] < -MIN_CLEARANCE and 0.3 < eye[2] < ROOM_HEIGHT
        free = all(
            ((eye < each.low - MIN_CLEARANCE) | (eye > each.high + MIN_CLEARANCE)).any() for each in standing
        )
        if inside and free:
            break
    return CameraView(eye, look_at(eye, target, rng.normal(0, 0.06)), rng.uniform(40, 65))


def render_rooms(media: Path, out: Path, count: int, seed: int = 0, progress: bool = True) -> int:
    """Render `count` pictures of rooms into the folder `out`, those already there left out; return how many
    were rendered.

    Each pair of pictures is a function of `seed` and its number. Raises MeshError for a media folder without
    the listed meshes, RenderError where nothing can be rendered, OSError where a file cannot be written.
    """
    files = mesh_files_in(media)
    files_of("things", files)
    files_of("rooms", files)
    out.mkdir(parents=True, exist_ok=True)
    pairs = {number: _pair(out, number)[: count - 2 * number] for number in range((count + 1) // 2)}
    wanted = {number: paths for number, paths in pairs.items() if not paths[-1].exists()}
    renderer = Renderer(*IMAGE_SIZE)
    try:
        bar = tqdm(wanted.items(), unit="room", desc="rooms", disable=not progress, mininterval=1)
        for number, paths in bar:
            rng = np.random.default_rng([seed, number])
            scene = room_scene(rng, files, 2)
            for path, view in zip(paths, renderer.render(scene, rng, depth=False), strict=False):
                done, data = cv2.imencode(".jpg", view.image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])
                if not done:
                    raise OSError(f"{path} cannot be encoded")
                write_file(path, data.tobytes())
    finally:
        renderer.close()
    return sum(map(len, wanted.values()))


def _pair(out: Path, number: int) -> tuple[Path, Path]:
    return out / f"room_{number:05d}_0.jpg", out / f"room_{number:05d}_1.jpg"
