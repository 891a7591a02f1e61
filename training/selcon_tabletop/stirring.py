"""Tools that stir: spoons, ladles, spatulas and turners."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from selcon_tabletop.handles import handle, strip, tool
from selcon_tabletop.parts import ObjectModel, Part, Rng, between, choice
from selcon_tabletop.shapes import Mesh, arc, lathe, line, merged, plate, rotation, sweep


def _bowl(radius: float, depth: float, stretch: float, thick: float, egg: float = 0.0) -> Mesh:
    """Return an open bowl whose near edge is at x = 0 and whose rim is at z = 0; `egg` narrows its tip."""
    angle = np.linspace(0.02, np.pi / 2, 8)
    outer = [(radius * np.sin(a), -depth * np.cos(a)) for a in angle]
    inner = [((radius - thick) * np.sin(a), -(depth - thick) * np.cos(a)) for a in angle[::-1]]
    mesh = lathe(outer + inner, closed=True).scaled((stretch, 1, 1))
    narrowed = mesh.vertices.copy()
    narrowed[:, 1] *= 1 - egg * narrowed[:, 0] / (radius * stretch)
    return Mesh(narrowed, mesh.faces).moved((radius * stretch, 0, 0))


def _stir(mesh: Mesh, look: str) -> Part:
    return Part("scoop", mesh, look, "stir")


def _neck(start: float, stop: float, low: float, high: float, thick: float) -> Mesh:
    """Return the bent bar from the head at (`stop`, `low`) to the handle at (`start`, `high`)."""
    t = np.linspace(0, 1, 9)
    rise = low + (high - low) * 0.5 * (1 + np.cos(np.pi * t))
    path = np.stack([start + (stop - start) * t, 0 * t, rise], -1)
    return sweep(path, thick * np.linspace(1, 1.25, 9), 10, 0.7)


def spoon(rng: Rng) -> ObjectModel:
    """A table, tea or dessert spoon of one piece: steel, now and then plastic or wood."""
    size = between(rng, 0.7, 1.1)
    radius, stretch = 0.02 * size * between(rng, 0.9, 1.1), between(rng, 1.35, 1.65)
    look = choice(rng, "steel", "steel", "steel", "white_plastic", "black_plastic", "light_wood", "brass")
    thick = between(rng, 0.0022, 0.004)
    long = between(rng, 0.11, 0.14) * size
    mesh, grip = strip(rng, long, 0.007, between(rng, 0.011, 0.02), thick, between(rng, 0.002, 0.008))
    bowl = _bowl(radius, between(rng, 0.007, 0.012) * size, stretch, 0.0018, between(rng, 0, 0.25))
    neck = _neck(-0.012, 0.006, 0, 0.002, 0.0042)
    handle_part = Part("rod_handle", merged([mesh, neck]), look, "hold")
    return tool("spoon", grip, [handle_part, _stir(bowl, look)])


def cooking_spoon(rng: Rng) -> ObjectModel:
    """A long spoon of plastic, steel or wood with a handle of its own."""
    radius, stretch = between(rng, 0.026, 0.036), between(rng, 1.2, 1.6)
    look = choice(rng, "steel", "black_plastic", "black_plastic", "plastic", "wood", "light_wood")
    part, grip = handle(
        rng,
        between(rng, 0.1, 0.18),
        between(rng, 0.016, 0.024),
        between(rng, 0.011, 0.017),
        0.8,
        look if rng.random() < 0.4 else None,
    )
    gap = between(rng, 0.02, 0.08)
    neck = _neck(-0.01, gap + 0.008, -between(rng, 0, 0.012), 0, 0.0048)
    bowl = _bowl(radius, between(rng, 0.009, 0.018), stretch, 0.0025, between(rng, 0, 0.15))
    low = float(neck.vertices[-1, 2])
    return tool(
        "cooking_spoon",
        grip,
        [part, Part("plain", neck, look), _stir(bowl.moved((gap, 0, low + 0.002)), look)],
    )


def ladle(rng: Rng) -> ObjectModel:
    """A ladle: a deep bowl, tipped against its long handle; a hook at the handle's end now and then."""
    radius = between(rng, 0.034, 0.047)
    bowl = _bowl(radius, radius * between(rng, 0.6, 0.9), between(rng, 0.95, 1.1), 0.002)
    bowl = bowl.moved(rotation=rotation("y", between(rng, -1.25, -0.3))).moved((0.0, 0, 0.002))
    look = choice(rng, "steel", "steel", "black_plastic", "plastic", "light_wood")
    long = between(rng, 0.19, 0.26)
    if rng.random() < 0.6:
        mesh, grip = strip(rng, long, 0.009, between(rng, 0.012, 0.02), between(rng, 0.003, 0.006), 0.004)
        parts = [Part("rod_handle", mesh, look, "hold")]
        if rng.random() < 0.5:
            hook = arc((-long + 0.004, 0, 0.011), 0.011, -np.pi / 2, -1.6 * np.pi, count=10)
            parts[0] = Part("rod_handle", merged([mesh, sweep(hook, 0.003, 8)]), look, "hold")
    else:
        part, grip = handle(rng, 0.5 * long, 0.022, 0.014, 0.8)
        neck = sweep(line((-0.5 * long, 0, 0), (0.003, 0, 0), 4), 0.005, 10, 0.6)
        parts = [
            replace(part, mesh=part.mesh.moved((-0.46 * long, 0, 0))),
            Part("plain", neck, look),
        ]
    return tool("ladle", grip, [*parts, _stir(bowl, look)])


def skimmer(rng: Rng) -> ObjectModel:
    """A skimmer or slotted spoon: a ring with bars, or a wire grid, slightly dished."""
    radius = between(rng, 0.04, 0.055)
    dish = between(rng, 0.004, 0.012)
    wire = rng.random() < 0.4
    count = int(rng.integers(7, 10)) if wire else int(rng.integers(5, 7))
    bar = 0.0012 if wire else 0.42 * radius / count * 2
    angle = np.linspace(0, 2 * np.pi, 33)
    rim = np.stack([radius * np.cos(angle), radius * np.sin(angle), 0 * angle], -1)
    meshes = [sweep(rim, 0.0022, 8)]
    t = np.linspace(-1, 1, 7)
    for offset in np.linspace(-0.82, 0.82, count):
        half = np.sqrt(1 - offset**2)
        sag = -dish * (1 - t**2 * half**2 - offset**2)
        path = radius * np.stack([half * t, offset + 0 * t, sag / radius], -1)
        meshes.append(sweep(path, bar, 6, 0.35 if not wire else 1))
        if wire:
            meshes.append(sweep(path[:, [1, 0, 2]], bar, 6))
    look = choice(rng, "steel", "steel", "black_plastic", "plastic") if not wire else "steel"
    long = between(rng, 0.17, 0.23)
    mesh, grip = strip(rng, long, 0.009, between(rng, 0.014, 0.02), between(rng, 0.003, 0.005), 0.004)
    part = Part(
        "rod_handle", mesh, look if rng.random() < 0.6 else choice(rng, "wood", "black_plastic"), "hold"
    )
    return tool("skimmer", grip, [part, _stir(merged(meshes).moved((radius, 0, 0)), look)])


def wooden_spoon(rng: Rng) -> ObjectModel:
    """One piece of wood: a plain round stick with a flat or dished oval, round or pointed head."""
    radius, stretch = between(rng, 0.02, 0.032), between(rng, 1.15, 1.8)
    look = choice(rng, "light_wood", "wood", "wood", "dark_wood")
    thick = between(rng, 0.009, 0.014)
    part, grip = handle(
        rng, between(rng, 0.16, 0.25), thick, thick * 0.9, 1, look, choice(rng, "straight", "tapered")
    )
    bowl = _bowl(radius, between(rng, 0.008, 0.014), stretch, 0.005, between(rng, -0.1, 0.2))
    neck = _neck(-0.01, 0.006, 0, 0, 0.45 * thick)
    return tool(
        "wooden_spoon",
        grip,
        [Part("rod_handle", merged([part.mesh, neck]), look, "hold"), _stir(bowl.moved((0, 0, 0.003)), look)],
    )


def _rounded_plate(
    long: float, near: float, far: float, corner: float, thick: float, slope: float = 0.0
) -> Mesh:
    """Return a plate from x = 0 to `long`, `near` and `far` wide at its ends, with rounded far corners."""
    t = np.concatenate([np.linspace(0, 1 - corner, 5), 1 - corner * (1 - np.linspace(0.1, 1, 9))])
    curve = np.sqrt(np.clip(1 - np.clip((t - 1 + corner) / corner, 0, 1) ** 2, 0.002, 1))
    shoulder = np.sqrt(np.clip(t / 0.12, 0.15, 1))
    half = 0.5 * (near + (far - near) * t) * shoulder
    side = half - corner * long * 0.6 * (1 - curve)
    return plate(long * t, -side + slope * (1 - curve) * far, side, (thick, thick))


def spatula(rng: Rng) -> ObjectModel:
    """A scraper: a soft, thick, rounded blade."""
    long, wide = between(rng, 0.07, 0.1), between(rng, 0.042, 0.06)
    blade = _rounded_plate(
        long,
        0.85 * wide,
        wide,
        between(rng, 0.15, 0.35),
        between(rng, 0.005, 0.009),
        float(rng.choice([0, 0.25])),
    )
    look = choice(rng, "white_plastic", "plastic", "plastic", "rubber", "red_plastic", "light_wood")
    part, grip = handle(
        rng,
        between(rng, 0.14, 0.2),
        between(rng, 0.013, 0.022),
        between(rng, 0.011, 0.015),
        0.8,
        choice(rng, "wood", "light_wood", "white_plastic", "steel", "black_plastic", look),
    )
    neck = sweep(line((-0.01, 0, 0), (0.022, 0, 0), 4), [0.006, 0.006, 0.008, 0.006], 10, 0.7)
    return tool("spatula", grip, [part, Part("plain", neck, look), _stir(blade.moved((0.004, 0, 0)), look)])


def turner(rng: Rng) -> ObjectModel:
    """A turner: a thin flat blade, slotted or not, at the end of a bent neck."""
    long, wide = between(rng, 0.07, 0.1), between(rng, 0.06, 0.085)
    thick = between(rng, 0.0016, 0.003)
    look = choice(rng, "steel", "steel", "black_plastic", "black_plastic", "plastic", "light_wood")
    slots = int(rng.integers(0, 6))
    near = between(rng, 0.7, 1) * wide
    if slots:
        x, meshes = np.array([0.22, 0.8]) * long, []
        meshes.append(_rounded_plate(0.25 * long, 0.5 * near, near, 0.3, thick).scaled((1, 1, 1)))
        meshes.append(plate(np.array([0.22, 0.25]) * long, [-near / 2] * 2, [near / 2] * 2, (thick, thick)))
        edges = np.linspace(-0.5, 0.5, 2 * slots + 2)
        for low, high in zip(edges[::2], edges[1::2], strict=True):
            meshes.append(
                plate(
                    x,
                    low * np.array([near, 0.97 * wide]),
                    high * np.array([near, 0.97 * wide]),
                    (thick, thick),
                )
            )
        meshes.append(
            plate(
                np.array([0.79, 0.95, 1]) * long,
                [-0.485 * wide, -wide / 2, -0.46 * wide],
                [0.485 * wide, wide / 2, 0.46 * wide],
                (thick, thick),
            )
        )
        blade = merged(meshes)
    else:
        blade = _rounded_plate(long, near, wide, 0.08, thick)
    part, grip = handle(
        rng,
        between(rng, 0.1, 0.15),
        between(rng, 0.018, 0.026),
        between(rng, 0.01, 0.016),
        0.7,
        look if rng.random() < 0.4 else None,
    )
    gap, rise = between(rng, 0.05, 0.11), between(rng, 0.015, 0.05)
    neck = _neck(-0.01, gap + 0.012, -rise, 0, 0.005)
    return tool("turner", grip, [part, Part("plain", neck, look), _stir(blade.moved((gap, 0, -rise)), look)])


def rice_paddle(rng: Rng) -> ObjectModel:
    """A flat round paddle of one piece."""
    long, wide = between(rng, 0.075, 0.1), between(rng, 0.05, 0.07)
    look = choice(rng, "white_plastic", "light_wood", "wood", "plastic")
    t = np.linspace(0.01, 0.995, 16)
    half = wide / 2 * np.sqrt(1 - (2 * t - 1) ** 2) ** 0.8
    blade = plate(long * t, -half, half, (0.003, 0.003), 0.006 * (2 * t - 1) ** 2)
    mesh, grip = strip(rng, between(rng, 0.09, 0.13), 0.018, between(rng, 0.022, 0.03), 0.008, 0.0)
    return tool(
        "rice_paddle",
        grip,
        [Part("rod_handle", mesh.moved((0.006, 0, 0.003)), look, "hold"), _stir(blade, look)],
    )
