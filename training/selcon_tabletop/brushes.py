"""Brushes: bristles at the far end (+x) or on one side of a head."""

from __future__ import annotations

import numpy as np

from selcon_tabletop.handles import handle, tool, turned
from selcon_tabletop.parts import Grip, ObjectModel, Part, Rng, X, Z, between, choice
from selcon_tabletop.shapes import Mesh, line, loft, lofts, merged, plate, rotation, sweep


def _tufts(rng: Rng, size: tuple[float, float, float], counts: tuple[int, int], splay: float) -> Mesh:
    """Return a block of tufts: `size` is length (x), width (y) and bristle length (z, upwards from 0)."""
    x, y = np.meshgrid(*(np.linspace(-0.5, 0.5, count) for count in counts), indexing="ij")
    foot = np.stack([x.ravel() * size[0], y.ravel() * size[1], 0 * x.ravel()], -1)
    lean = splay * foot + rng.normal(0, 0.03 * size[2], foot.shape) * np.array([1, 1, 0])
    tip = foot + lean + size[2] * Z * rng.uniform(0.93, 1.03, (len(foot), 1))
    thick = 0.42 * max(size[0] / counts[0], size[1] / counts[1])
    angle = np.linspace(0, 2 * np.pi, 5, endpoint=False)
    circle = thick * np.stack([np.cos(angle), np.sin(angle), 0 * angle], -1)
    return lofts(np.stack([foot[:, None] + 1.1 * circle, tip[:, None] + circle], 1))


def _bristles(mesh: Mesh, look: str = "bristle") -> Part:
    return Part("bristles", mesh, look, "brush_with")


def _ahead(mesh: Mesh, x: float) -> Mesh:
    """Return tufts that pointed upwards pointing along +x, rooted at `x`."""
    return mesh.moved(rotation=rotation("y", np.pi / 2)).moved((x, 0, 0))


def _rolled(rng: Rng, parts: list[Part]) -> list[Part]:
    """Return a brush with its bristles up or to a side."""
    return turned(parts, rotation("x", float(rng.choice([0.0, np.pi / 2, -np.pi / 2]))))


def brush(rng: Rng) -> ObjectModel:
    """A scrubbing or dish brush: a block of stiff bristles, long or round, on one side of a head."""
    round_head = rng.random() < 0.4
    long = between(rng, 0.045, 0.06) if round_head else between(rng, 0.08, 0.13)
    wide = long if round_head else between(rng, 0.03, 0.045)
    look = choice(rng, "white_plastic", "plastic", "wood", "light_wood", "black_plastic")
    part, grip = handle(rng, between(rng, 0.11, 0.17), between(rng, 0.018, 0.026), 0.014, 0.8, look)
    t = np.linspace(0, 1, 14)
    half = wide / 2 * np.sqrt(np.clip(1 - np.abs(2 * t - 1) ** (2 if round_head else 8), 0.02, 1))
    back = plate(long * t - 0.004, -half, half, (0.014, 0.014))
    deep = between(rng, 0.018, 0.032)
    tufts = _tufts(rng, (0.78 * long, 0.72 * wide, deep), (8, 8) if round_head else (10, 5), 0.15)
    if round_head:
        middle = np.hypot(*(tufts.vertices[:, :2] / (0.62 * wide)).T)
        tufts = Mesh(
            tufts.vertices
            * np.where(middle > 0.62, 0.62 / np.maximum(middle, 1e-6), 1)[:, None] ** [1, 1, 0],
            tufts.faces,
        )
    bristles = _bristles(tufts.moved((long / 2 - 0.004, 0, 0.006)), choice(rng, "bristle", "white_bristle"))
    return tool("brush", grip, _rolled(rng, [part, Part("plain", back, part.look), bristles]))


def paintbrush(rng: Rng) -> ObjectModel:
    """A flat paintbrush: wide bristles in a metal ferrule, a beavertail handle."""
    wide, thick = between(rng, 0.028, 0.085), between(rng, 0.009, 0.016)
    long = between(rng, 0.11, 0.15)
    t = np.linspace(0, 1, 18)
    tail = np.clip(t / 0.08, 0.02, 1) ** 0.5
    girth = (0.012 + 0.006 * np.sin(np.pi * np.clip(t / 0.5, 0, 1))) * tail
    shoulder = np.clip((t - 0.72) / 0.2, 0, 1) ** 2
    half = girth * (1 - shoulder) + 0.5 * wide * 0.92 * shoulder
    path = np.stack([long * (t - 1), 0 * t, 0 * t], -1)
    body = sweep(path, half, 14, np.minimum(0.42 * thick / half + 0.002 / half, 0.9), square=0.8)
    look = choice(rng, "light_wood", "wood", "red_plastic", "plastic", "black_plastic")
    ferrule = sweep(
        line((-0.012, 0, 0), (between(rng, 0.015, 0.025), 0, 0), 4), wide / 2, 16, thick / wide, square=0.45
    )
    root = float(ferrule.vertices[:, 0].max()) - 0.003
    tufts = _tufts(rng, (0.7 * thick, 0.94 * wide, between(rng, 0.035, 0.06)), (4, int(wide / 0.0042)), 0.06)
    reach = float(tufts.vertices[:, 2].max())
    core = sweep(
        line((root, 0, 0), (root + 0.85 * reach, 0, 0), 4),
        wide * np.array([0.47, 0.475, 0.48, 0.47]),
        14,
        [0.85 * thick / wide, 0.8 * thick / wide, 0.6 * thick / wide, 0.3 * thick / wide],
        square=0.5,
    )
    grip = Grip(np.array([-0.5 * long, 0, 0]), X, 0.008, Z)
    return tool(
        "paintbrush",
        grip,
        [
            Part("rod_handle", body, look, "hold"),
            Part("plain", ferrule, choice(rng, "steel", "steel", "brass")),
            _bristles(
                merged([_ahead(tufts, root), core]), choice(rng, "bristle", "white_bristle", "dark_bristle")
            ),
        ],
    )


def _round_tip(rng: Rng, radius: float, long: float, swell: float, point: float) -> Mesh:
    """Return a round tuft along +x from x = 0 that swells and then narrows to `point` of its radius."""
    t = np.linspace(0, 1, 12)
    girth = (1 + swell * np.sin(np.pi * t)) * (point + (1 - point) * np.sqrt(np.clip(1 - t**3, 0, 1)))
    angle = np.linspace(0, 2 * np.pi, 22, endpoint=False)
    ragged = 1 + 0.06 * rng.standard_normal((1, 22)) * t[:, None]
    reach = long * t[:, None] * (1 + 0.03 * rng.standard_normal((1, 22)))
    rings = np.stack(
        [
            reach,
            radius * girth[:, None] * ragged * np.cos(angle),
            radius * girth[:, None] * ragged * np.sin(angle),
        ],
        -1,
    )
    return loft(rings)


def round_brush(rng: Rng) -> ObjectModel:
    """An artist's or pastry brush: a round tuft in a conical ferrule, a slim handle."""
    radius = between(rng, 0.006, 0.013)
    long = between(rng, 0.12, 0.19)
    part, grip = handle(
        rng,
        long,
        between(rng, 1.5, 2.2) * radius,
        between(rng, 1.5, 2.2) * radius,
        1,
        choice(rng, "light_wood", "wood", "black_plastic", "red_plastic", "plastic"),
        choice(rng, "bulged", "tapered", "straight"),
    )
    neck = between(rng, 0.02, 0.035)
    ferrule = sweep(line((-0.006, 0, 0), (neck, 0, 0), 4), np.linspace(0.85, 1.05, 4) * radius, 14)
    tip = _round_tip(
        rng, radius, between(rng, 0.028, 0.048), between(rng, 0.05, 0.35), between(rng, 0.05, 0.5)
    )
    bristle = _bristles(
        tip.moved((neck - 0.002, 0, 0)), choice(rng, "bristle", "dark_bristle", "white_bristle")
    )
    return tool("round_brush", grip, [part, Part("plain", ferrule, choice(rng, "steel", "brass")), bristle])


def toothbrush(rng: Rng) -> ObjectModel:
    """A toothbrush: a slim plastic handle, a thin neck, a short field of bristles."""
    long, head = between(rng, 0.095, 0.13), between(rng, 0.024, 0.034)
    look = choice(rng, "plastic", "white_plastic", "plastic", "red_plastic", "light_wood")
    part, grip = handle(rng, long, between(rng, 0.011, 0.016), between(rng, 0.009, 0.013), 0.8, look)
    gap, wide = between(rng, 0.025, 0.045), between(rng, 0.01, 0.014)
    neck = sweep(
        np.stack([np.linspace(-0.006, gap + 0.002, 6), np.zeros(6), np.linspace(0, -0.002, 6)], -1),
        [0.005, 0.0045, 0.0035, 0.003, 0.003, 0.0035],
        10,
    )
    t = np.linspace(0, 1, 10)
    half = wide / 2 * np.sqrt(np.clip(1 - np.abs(2 * t - 1) ** 4, 0.05, 1))
    base = plate(gap + head * 1.1 * t, -half, half, (0.0045, 0.0045), -0.002)
    tufts = _tufts(rng, (0.88 * head, 0.74 * wide, between(rng, 0.01, 0.013)), (9, 4), 0.08)
    bristles = _bristles(tufts.moved((gap + head * 0.55, 0, -0.001)), choice(rng, "white_bristle", "bristle"))
    return tool("toothbrush", grip, _rolled(rng, [part, Part("plain", merged([neck, base]), look), bristles]))


def hand_broom(rng: Rng) -> ObjectModel:
    """A wide brush with a handle at its end."""
    wide = between(rng, 0.1, 0.15)
    look = choice(rng, "plastic", "black_plastic", "wood", "red_plastic")
    part, grip = handle(rng, between(rng, 0.12, 0.16), between(rng, 0.022, 0.028), 0.018, 0.8, look)
    back = plate(
        [-0.012, 0.01, 0.034], [-0.02, -wide / 2, -wide / 2], [0.02, wide / 2, wide / 2], (0.024, 0.024)
    )
    tufts = _tufts(rng, (0.022, 0.94 * wide, between(rng, 0.05, 0.075)), (4, 16), 0.3)
    return tool(
        "hand_broom",
        grip,
        [
            part,
            Part("plain", back, look),
            _bristles(_ahead(tufts, 0.032), choice(rng, "bristle", "dark_bristle")),
        ],
    )


def shaving_brush(rng: Rng) -> ObjectModel:
    """A stout turned handle with a thick round tuft."""
    radius, long = between(rng, 0.011, 0.015), between(rng, 0.05, 0.07)
    part, grip = handle(
        rng,
        long,
        2.3 * radius,
        2.3 * radius,
        1,
        choice(rng, "black_plastic", "dark_wood", "white_plastic", "wood"),
        choice(rng, "waisted", "flared"),
    )
    tip = _round_tip(rng, radius, between(rng, 0.045, 0.06), between(rng, 0.4, 0.8), 0.6)
    bristle = _bristles(tip.moved((-0.002, 0, 0)), choice(rng, "bristle", "dark_bristle", "white_bristle"))
    return tool("shaving_brush", grip, [part, bristle])
