"""Tools of the tabletop world: they lie along +x with the handle at negative x."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from selcon_training.tabletop.parts import Grip, ObjectModel, Part, Rng, X, Z, between, choice
from selcon_training.tabletop.shapes import Mesh, box, lathe, line, merged, prism, rotation, sweep


def _rod(rng: Rng, length: float, radius: float) -> tuple[Part, Grip]:
    """Return the handle all tools share: a bulged rod from x = −length to 0 with a few grooves."""
    count = 15
    along = np.linspace(0, 1, count)
    bulge = 1 + between(rng, 0, 0.22) * np.sin(np.pi * along) + between(rng, -0.1, 0.1) * along
    grooves = 1 - between(rng, 0, 0.16) * (np.arange(count) % 3 == 0)
    mesh = sweep(
        line((-length, 0, radius), (0, 0, radius), count),
        radius * bulge * grooves,
        flatten=between(rng, 0.75, 1),
    )
    grip = Grip(np.array([-0.5 * length, 0, radius]), X, radius, Z)
    return Part("rod_handle", mesh, choice(rng, "wood", "plastic", "rubber"), "hold"), grip


def _tool(kind: str, handle: Part, grip: Grip, parts: list[Part]) -> ObjectModel:
    """Return a lying tool, centred between its ends."""
    everything = [handle, *parts]
    low = min(part.mesh.vertices[:, 0].min() for part in everything)
    high = max(part.mesh.vertices[:, 0].max() for part in everything)
    bottom = min(part.mesh.vertices[:, 2].min() for part in everything)
    shift = np.array([-(low + high) / 2, 0, -bottom])
    moved = [replace(part, mesh=part.mesh.moved(shift)) for part in everything]
    return ObjectModel(kind, moved, {"hold": Grip(grip.point + shift, grip.axis, grip.radius, grip.away)})


def _blade(outline: list[tuple[float, float]], height: float) -> Part:
    return Part("blade", prism(outline, 0.004).moved((0, 0, height)), "metal", "cut_with")


def knife(rng: Rng) -> ObjectModel:
    radius, long, wide = between(rng, 0.012, 0.017), between(rng, 0.13, 0.19), between(rng, 0.034, 0.05)
    handle, grip = _rod(rng, between(rng, 0.1, 0.14), radius)
    tip = between(rng, -0.5, 0.5) * wide
    outline = [
        (-0.004, -wide / 2),
        (0.6 * long, -wide / 2),
        (0.85 * long, -0.3 * wide),
        (long, tip),
        (0.8 * long, wide / 2),
        (-0.004, wide / 2),
    ]
    return _tool("knife", handle, grip, [_blade(outline, radius)])


def cleaver(rng: Rng) -> ObjectModel:
    radius, long, wide = between(rng, 0.013, 0.018), between(rng, 0.13, 0.18), between(rng, 0.07, 0.1)
    handle, grip = _rod(rng, between(rng, 0.1, 0.13), radius)
    slant, shift = between(rng, -0.01, 0.01), 0.3 * wide
    outline = [
        (-0.004, -wide / 2 - shift),
        (long, -wide / 2 - shift),
        (long + slant, wide / 2 - shift),
        (-0.004, wide / 2 - shift),
    ]
    return _tool("cleaver", handle, grip, [_blade(outline, radius)])


def saw(rng: Rng) -> ObjectModel:
    radius, long, wide = between(rng, 0.015, 0.02), between(rng, 0.19, 0.25), between(rng, 0.055, 0.08)
    handle, grip = _rod(rng, between(rng, 0.09, 0.12), radius)
    teeth = int(rng.integers(9, 14))
    edge = [
        (x, -wide / 2 - (0.006 if i % 2 else 0)) for i, x in enumerate(np.linspace(-0.004, long, 2 * teeth))
    ]
    outline = [*edge, (long, -0.1 * wide), (-0.004, wide / 2)]
    return _tool("saw", handle, grip, [_blade(outline, radius)])


def chisel(rng: Rng) -> ObjectModel:
    radius, long, wide = between(rng, 0.015, 0.02), between(rng, 0.09, 0.13), between(rng, 0.03, 0.045)
    handle, grip = _rod(rng, between(rng, 0.1, 0.13), radius)
    outline = [
        (-0.004, -0.35 * wide),
        (0.3 * long, -0.4 * wide),
        (long, -wide / 2),
        (0.92 * long, wide / 2),
        (0.3 * long, 0.4 * wide),
        (-0.004, 0.35 * wide),
    ]
    return _tool("chisel", handle, grip, [_blade(outline, radius)])


def _hitting(
    kind: str, rng: Rng, length: float, radius: float, head: Mesh, looks: tuple[str, ...]
) -> ObjectModel:
    handle, grip = _rod(rng, length, radius)
    rise = max(0.0, -float(head.vertices[:, 2].min()) - radius)
    model = _tool(
        kind, handle, grip, [Part("head", head.moved((0, 0, radius + 0 * rise)), choice(rng, *looks), "hit")]
    )
    return model


def _cross_cylinder(radius: float, length: float, waist: float) -> Mesh:
    """Return a capped cylinder along y whose middle has `waist` times the radius."""
    return sweep(
        line((0, -length / 2, 0), (0, length / 2, 0), 9),
        radius * np.array([0.9, 1, 1, waist, waist, waist, 1, 1, 0.9]),
    )


def hammer(rng: Rng) -> ObjectModel:
    head = _cross_cylinder(between(rng, 0.019, 0.025), between(rng, 0.09, 0.12), between(rng, 0.7, 0.95))
    return _hitting("hammer", rng, between(rng, 0.18, 0.24), between(rng, 0.012, 0.016), head, ("metal",))


def mallet(rng: Rng) -> ObjectModel:
    head = _cross_cylinder(between(rng, 0.03, 0.04), between(rng, 0.09, 0.12), 1.0)
    return _hitting(
        "mallet", rng, between(rng, 0.17, 0.22), between(rng, 0.012, 0.016), head, ("wood", "rubber")
    )


def tenderizer(rng: Rng) -> ObjectModel:
    head = box((between(rng, 0.045, 0.06), between(rng, 0.07, 0.09), between(rng, 0.045, 0.06)))
    return _hitting(
        "tenderizer", rng, between(rng, 0.16, 0.2), between(rng, 0.012, 0.016), head, ("metal", "wood")
    )


def gavel(rng: Rng) -> ObjectModel:
    head = _cross_cylinder(between(rng, 0.024, 0.03), between(rng, 0.075, 0.095), between(rng, 0.8, 0.9))
    return _hitting("gavel", rng, between(rng, 0.15, 0.19), between(rng, 0.011, 0.014), head, ("wood",))


def _scoop(radius: float, depth: float, stretch: float, height: float) -> Mesh:
    """Return an open shallow bowl whose near edge touches x = 0."""
    angle = np.linspace(0.02, np.pi / 2, 7)
    outer = [(radius * np.sin(a), -depth * np.cos(a)) for a in angle]
    inner = [(0.88 * radius * np.sin(a), -0.8 * depth * np.cos(a)) for a in angle[::-1]]
    return lathe(outer + inner).scaled((stretch, 1, 1)).moved((0.95 * radius * stretch, 0, height))


def _stirring(kind: str, rng: Rng, length: float, radius: float, bowl: Mesh) -> ObjectModel:
    handle, grip = _rod(rng, length, radius)
    return _tool(kind, handle, grip, [Part("scoop", bowl, choice(rng, "metal", "wood", "plastic"), "stir")])


def spoon(rng: Rng) -> ObjectModel:
    radius = between(rng, 0.009, 0.012)
    bowl = _scoop(between(rng, 0.03, 0.038), between(rng, 0.012, 0.02), between(rng, 1.2, 1.5), 1.5 * radius)
    return _stirring("spoon", rng, between(rng, 0.17, 0.22), radius, bowl)


def ladle(rng: Rng) -> ObjectModel:
    radius = between(rng, 0.009, 0.012)
    bowl = _scoop(between(rng, 0.042, 0.052), between(rng, 0.03, 0.04), between(rng, 0.95, 1.1), 1.5 * radius)
    return _stirring("ladle", rng, between(rng, 0.17, 0.23), radius, bowl)


def skimmer(rng: Rng) -> ObjectModel:
    radius = between(rng, 0.009, 0.012)
    bowl = _scoop(
        between(rng, 0.046, 0.056), between(rng, 0.008, 0.013), between(rng, 0.95, 1.1), 1.3 * radius
    )
    return _stirring("skimmer", rng, between(rng, 0.16, 0.21), radius, bowl)


def wooden_spoon(rng: Rng) -> ObjectModel:
    radius = between(rng, 0.008, 0.011)
    bowl = _scoop(
        between(rng, 0.028, 0.034), between(rng, 0.008, 0.014), between(rng, 1.5, 1.8), 1.4 * radius
    )
    handle, grip = _rod(rng, between(rng, 0.18, 0.23), radius)
    wood = Part("rod_handle", handle.mesh, "wood", "hold")
    return _tool("wooden_spoon", wood, grip, [Part("scoop", bowl, "wood", "stir")])


def _bristles(rng: Rng, size: tuple[float, float, float], counts: tuple[int, int], splay: float) -> Mesh:
    """Return a block of tufts: `size` is length (x), width (y) and bristle length (z, upwards from 0)."""
    tufts = []
    for x in np.linspace(-0.5, 0.5, counts[0]):
        for y in np.linspace(-0.5, 0.5, counts[1]):
            foot = np.array([x * size[0], y * size[1], 0])
            lean = splay * np.array([x * size[0], y * size[1], 0]) + rng.normal(0, 0.0012, 3) * [1, 1, 0]
            thick = 0.36 * min(size[0] / counts[0], size[1] / counts[1])
            tufts.append(
                sweep(
                    np.stack([foot, foot + lean + size[2] * Z]), [1.15 * thick, thick], around=5, up=(0, 1, 0)
                )
            )
    return merged(tufts)


def _bristle_part(mesh: Mesh) -> Part:
    return Part("bristles", mesh, "bristle", "brush_with")


def brush(rng: Rng) -> ObjectModel:
    """A scrubbing brush, lying on its side so that the bristles show."""
    radius, long, wide = between(rng, 0.012, 0.016), between(rng, 0.09, 0.12), between(rng, 0.035, 0.045)
    handle, grip = _rod(rng, between(rng, 0.12, 0.16), radius)
    back = Part("plain", box((long, 0.02, wide)).moved((long / 2, 0, wide / 2)), handle.look)
    tufts = _bristles(rng, (0.92 * long, 0.85 * wide, between(rng, 0.032, 0.045)), (8, 4), 0.15)
    side = tufts.moved(rotation=rotation("x", np.pi / 2)).moved((long / 2, -0.01, wide / 2))
    return _tool("brush", handle, grip, [back, _bristle_part(side)])


def paintbrush(rng: Rng) -> ObjectModel:
    radius, wide = between(rng, 0.012, 0.015), between(rng, 0.05, 0.07)
    handle, grip = _rod(rng, between(rng, 0.11, 0.15), radius)
    ferrule = Part("plain", box((0.03, wide, 0.02)).moved((0.012, 0, radius)), "metal")
    tufts = _bristles(rng, (0.016, wide, between(rng, 0.05, 0.07)), (3, 10), 0.1)
    ahead = tufts.moved(rotation=rotation("y", np.pi / 2)).moved((0.026, 0, radius))
    return _tool("paintbrush", handle, grip, [ferrule, _bristle_part(ahead)])


def toothbrush(rng: Rng) -> ObjectModel:
    """A large bottle brush with a short bristle field at its end, lying on its side."""
    radius, long = between(rng, 0.009, 0.012), between(rng, 0.05, 0.065)
    handle, grip = _rod(rng, between(rng, 0.15, 0.19), radius)
    neck = Part("plain", sweep(line((-0.002, 0, radius), (long, 0, radius), 3), 0.009), handle.look)
    tufts = _bristles(rng, (long, 0.02, between(rng, 0.028, 0.038)), (7, 3), 0.1)
    side = tufts.moved(rotation=rotation("x", np.pi / 2)).moved((long / 2, -0.006, radius))
    return _tool("toothbrush", handle, grip, [neck, _bristle_part(side)])


def hand_broom(rng: Rng) -> ObjectModel:
    radius, wide = between(rng, 0.012, 0.016), between(rng, 0.07, 0.09)
    handle, grip = _rod(rng, between(rng, 0.12, 0.16), radius)
    back = Part("plain", box((0.025, wide, 0.03)).moved((0.01, 0, radius)), handle.look)
    tufts = _bristles(rng, (0.024, 0.95 * wide, between(rng, 0.07, 0.09)), (3, 11), 0.35)
    ahead = tufts.moved(rotation=rotation("y", np.pi / 2)).moved((0.022, 0, radius))
    return _tool("hand_broom", handle, grip, [back, _bristle_part(ahead)])
