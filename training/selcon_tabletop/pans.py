"""Cooking pots and pans. They get hot: one holds the handles."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from selcon_tabletop.parts import Grip, ObjectModel, Part, Rng, Y, Z, between, choice
from selcon_tabletop.pouring import lidded
from selcon_tabletop.shapes import line, merged, rounded, sweep
from selcon_tabletop.walls import (
    lid,
    outline,
    radius_at,
    together,
    wall,
)


def pot(rng: Rng) -> ObjectModel:
    """A cooking pot with two side handles and a lid."""
    radius = between(rng, 0.075, 0.1)
    tall = radius * between(rng, 0.8, 1.3)
    look = choice(rng, "steel", "steel", "enamel", "dark_metal", "copper")
    profile = outline(radius, tall, [(0.94, 0), (1, 0.05), (1, 0.5), (1, 1)], 1)
    grips = []
    height, out = between(rng, 0.72, 0.86) * tall, between(rng, 0.026, 0.036)
    half = between(rng, 0.028, 0.04)
    for side in (-1, 1):
        curve = np.array(rounded([(0, -half), (out, -half), (out, half), (0, half)], 3))
        path = np.stack([side * (radius - 0.003 + curve[:, 0]), curve[:, 1], np.full(len(curve), height)], -1)
        grips.append(sweep(path, between(rng, 0.0045, 0.007), 10, between(rng, 0.7, 1.1)))
    handle = Part(
        "loop_handle",
        merged(grips),
        look if rng.random() < 0.5 else choice(rng, "black_plastic", "steel"),
        "hold",
    )
    cover = lid(
        1.01 * radius, tall, between(rng, 0.012, 0.025), between(rng, 0.011, 0.017), between(rng, 0.02, 0.03)
    )
    top = Part("lid", cover, choice(rng, look, look, "clear_glass", "black_plastic"), "open")
    grip = Grip(np.array([radius + out, 0, height]), Y, 0.008, np.array([1.0, 0, 0]))
    return lidded("pot", profile, look, [], handle, grip, top)


def _pan(rng: Rng, kind: str, radius: float, tall: float, flare: float, look: str) -> ObjectModel:
    profile = outline(radius, tall, [(flare, 0), (flare + 0.4 * (1 - flare), 0.2), (1, 1)], 2)
    walls = wall(profile, 0.0025, 0.004, 0.003, 40)
    long = between(rng, 0.13, 0.18)
    t = np.linspace(0, 1, 14)
    start = radius_at(profile, 0.8 * tall)
    rise = between(rng, 0.0, 0.03)
    path = np.stack([start + 0.03 + long * t, 0 * t, 0.75 * tall + rise * t], -1)
    girth = (
        between(rng, 0.0085, 0.012)
        * np.clip(t / 0.15, 0.55, 1)
        * np.sqrt(np.clip(1 - (2 * t - 1) ** 16, 0.05, 1))
    )
    mesh = sweep(path, girth * 1.15, 12, 0.62, square=0.8)
    stem = sweep(line((start - 0.003, 0, 0.72 * tall), path[1], 4), 0.0065, 10, 0.6, square=0.7)
    grip = Grip(path[7], np.array([1.0, 0, 0]), 0.01, Z)
    inner = choice(rng, look, "dark_metal", "nonstick")
    shift = np.array([-(start + 0.03 + long - radius) / 2, 0, 0])
    parts = [
        together("plain", [walls.outer, walls.rim], look),
        Part("inside", walls.inside, inner),
        Part("plain", stem, "steel"),
        Part(
            "rod_handle",
            mesh,
            choice(rng, "black_plastic", "black_plastic", "wood", "steel", "dark_metal"),
            "hold",
        ),
    ]
    parts = [replace(p, mesh=p.mesh.moved(shift)) for p in parts]
    return ObjectModel(
        kind, parts, {"hold": Grip(grip.point + shift, grip.axis, grip.radius, grip.away)}, stands=True
    )


def frying_pan(rng: Rng) -> ObjectModel:
    """A shallow pan with a long handle."""
    return _pan(
        rng,
        "frying_pan",
        between(rng, 0.085, 0.12),
        between(rng, 0.028, 0.042),
        between(rng, 0.72, 0.85),
        choice(rng, "dark_metal", "nonstick", "nonstick", "steel", "copper", "enamel"),
    )


def saucepan(rng: Rng) -> ObjectModel:
    """A deep pan with a long handle."""
    radius = between(rng, 0.07, 0.09)
    return _pan(
        rng,
        "saucepan",
        radius,
        radius * between(rng, 0.8, 1.15),
        between(rng, 0.92, 0.98),
        choice(rng, "steel", "steel", "enamel", "dark_metal", "copper"),
    )
