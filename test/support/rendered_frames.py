"""Depth images of tools and vessels on tables with maps as a network's, each from its number alone.

Solids are met by rays in closed form: fast enough for hundreds of frames, and the same on every machine.
"""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

# Rows and columns of the image, and of the map.
SIZES = (((480, 640), (60, 80)), ((480, 640), (30, 40)), ((360, 640), (45, 80)), ((480, 848), (28, 50)))


@dataclass(frozen=True)
class Frame:
    """`cells` [gh, gw] float32 are a map, `depth` [H, W] is in metres, 0 for none, `camera` fx fy cx cy."""

    cells: np.ndarray
    depth: np.ndarray
    camera: tuple[float, float, float, float]


@dataclass(frozen=True)
class Solid:
    """A box, ellipsoid or upright cylinder with `axes` [3, 3] as columns and `size` along them in metres."""

    kind: str
    centre: np.ndarray
    axes: np.ndarray
    size: np.ndarray


def frame(number: int) -> Frame:
    """Return a frame. The legacy generator's numbers are the same in every version of numpy."""
    random = np.random.RandomState(number)
    (height, width), grid = SIZES[0 if number % 5 else number // 5 % len(SIZES)]
    focal = width * random.uniform(0.7, 1.1)
    camera = (focal, focal * random.uniform(0.98, 1.02), (width - 1) / 2, (height - 1) / 2)
    x = ((np.arange(width) - camera[2]) / camera[0]).astype(np.float32)[None]
    y = ((np.arange(height) - camera[3]) / camera[1]).astype(np.float32)[:, None]
    tilt, distance = random.uniform(0.1, 1.0), random.uniform(0.35, 1.0)
    up = np.array([0.0, -np.sin(tilt), -np.cos(tilt)])
    depth = np.float32(up[2] * distance) / (x * np.float32(up[0]) + y * np.float32(up[1]) + np.float32(up[2]))
    seen = np.zeros((height, width), np.uint8)
    right = np.array([1.0, 0.0, 0.0])
    away = np.cross(up, right)
    solids: list[Solid] = []
    for _ in range(random.randint(1, 4)):
        place = random.uniform(-0.3, 0.3, 2) * distance
        yaw = random.uniform(0, 2 * np.pi)
        first = np.cos(yaw) * right + np.sin(yaw) * away
        axes = np.stack([first, np.cross(up, first), up], axis=1)
        solids += _thing(random, np.array([0, 0, distance]) + place[0] * right + place[1] * away, axes)
    for number_of, solid in enumerate(solids, start=1):
        _draw(solid, camera, x, y, depth, seen, number_of)
    hot = random.randint(1, len(solids) + 1)
    cells = _map(random, seen, hot, len(solids), grid)
    return Frame(cells, _measured(random, depth, seen), camera)


def _thing(random: np.random.RandomState, place: np.ndarray, axes: np.ndarray) -> list[Solid]:
    """Return the parts of a tool with a handle, of a vessel or of a flat thing; the first is on the place."""
    kind = random.randint(4)
    if kind == 3:
        size = random.uniform((0.08, 0.02, 0.001), (0.16, 0.05, 0.004))
        return [Solid("box", place + axes[:, 2] * size[2] / 2, axes, size)]
    if kind == 2:
        side, tall = random.uniform(0.03, 0.09), random.uniform(0.05, 0.15)
        body = Solid("cylinder", place + axes[:, 2] * tall / 2, axes, np.array([side, side, tall]))
        grip = np.array([0.03, 0.012, 0.6 * tall])
        centre = body.centre + axes[:, 0] * (side / 2 + 0.012)
        return [body, Solid("box", centre, axes, grip)]
    long, thick = random.uniform(0.08, 0.2), random.uniform(0.012, 0.04)
    size = np.array([long, thick, thick])
    handle = Solid(("box", "ellipsoid")[kind], place + axes[:, 2] * thick / 2, axes, size)
    head = random.uniform((0.02, 0.04, 0.01), (0.06, 0.12, 0.05))
    centre = place + axes[:, 0] * (long + head[0]) / 2 + axes[:, 2] * head[2] / 2
    return [handle, Solid(("box", "ellipsoid")[random.randint(2)], centre, axes, head)]


def _draw(solid, camera, x, y, depth, seen, number) -> None:
    """Put a solid into depth and `seen`, where it is nearer than what is there."""
    fx, fy, cx, cy = camera
    radius = np.linalg.norm(solid.size) / 2
    near = max(solid.centre[2] - radius, 0.05)
    u, v = fx * solid.centre[0] / solid.centre[2] + cx, fy * solid.centre[1] / solid.centre[2] + cy
    reach = int(1.5 * max(fx, fy) * radius / near) + 2
    rows = slice(max(int(v) - reach, 0), max(int(v) + reach, 0))
    columns = slice(max(int(u) - reach, 0), max(int(u) + reach, 0))
    # In the solid's own axes, where it is a unit cube, sphere or cylinder.
    scaled = (solid.axes * (2 / solid.size)).astype(np.float32)
    ways = [x[:, columns] * scaled[0, i] + y[rows] * scaled[1, i] + scaled[2, i] for i in range(3)]
    start = -solid.centre.astype(np.float32) @ scaled
    with np.errstate(all="ignore"):
        if solid.kind == "box":
            spans = [_slab(start[i], ways[i]) for i in range(3)]
        elif solid.kind == "ellipsoid":
            spans = [_ball(start, ways)]
        else:
            spans = [_ball(start[:2], ways[:2]), _slab(start[2], ways[2])]
        enter = np.max([span[0] for span in spans], axis=0)
        leave = np.min([span[1] for span in spans], axis=0)
        hit = (enter < leave) & (enter > 0) & (enter < depth[rows, columns])
    depth[rows, columns][hit] = enter[hit]
    seen[rows, columns][hit] = number


def _slab(start, way):
    ends = (-1 - start) / way, (1 - start) / way
    return np.minimum(*ends), np.maximum(*ends)


def _ball(start, ways):
    """Return where rays enter and leave the unit sphere or cylinder, NaN for those that miss it."""
    a = sum(way * way for way in ways)
    b = sum(way * begin for way, begin in zip(ways, start, strict=True))
    root = np.sqrt(b * b - a * (start @ start - 1))
    return (-b - root) / a, (-b + root) / a


def _map(random: np.random.RandomState, seen, hot: int, count: int, grid) -> np.ndarray:
    """Return the share of a solid in each cell, blurred, with traces of the others, and noise."""
    cells = np.zeros(grid, np.float32)
    for each in range(1, count + 1):
        share = 1.0 if each == hot else random.choice([0.0, 0.0, 0.2, 0.45, 0.8])
        own = (seen == each).astype(np.float32)
        cells += np.float32(share) * cv2.resize(own, grid[::-1], interpolation=cv2.INTER_AREA)
    cells = cv2.GaussianBlur(cells, (9, 9), random.uniform(0.5, 1.5))
    rough = cv2.GaussianBlur(random.rand(*grid).astype(np.float32), (5, 5), 1.0)
    return cells * (0.7 + 0.6 * rough) + np.float32(random.uniform(0, 0.1)) * rough


def _measured(random: np.random.RandomState, depth, seen) -> np.ndarray:
    """Return depth as a camera gives it: with noise that grows with distance, steps, and holes at edges."""
    height, width = depth.shape
    top, left = random.randint(64, size=2)
    bumps, chance = (field[top : top + height, left : left + width] for field in _noise())
    measured = depth.astype(np.float32)
    measured += np.float32(random.choice([0.0, 0.001, 0.003])) * bumps * measured * measured
    measured = np.float32(0.0005) * np.rint(measured * np.float32(2000))
    measured[chance < 0.002] = 0
    if random.randint(3) == 0:
        square = np.ones((3, 3), np.uint8)
        measured[(cv2.dilate(seen, square) != cv2.erode(seen, square)) & (chance < 0.5)] = 0
    # Behind the camera or at the horizon there is no table.
    return np.where((measured > 0) & (measured < 20), measured, np.float32(0))


@lru_cache(maxsize=1)
def _noise() -> tuple[np.ndarray, np.ndarray]:
    """Return smooth normal noise, and uniform noise from 0 to 1, larger than every image."""
    random = np.random.RandomState(0)
    shape = (480 + 64, 848 + 64)
    bumps = cv2.GaussianBlur(random.standard_normal(shape).astype(np.float32), (5, 5), 1.2)
    return bumps, random.rand(*shape).astype(np.float32)
