"""The objects of the tabletop world: each kind is a function from a random generator to named, purposeful parts.

Design rules (they decide what weak labels can teach): every action belongs to at least three kinds whose acting part looks
alike, every kind affords at least two actions at different parts, and no part affords two actions.
Tools lie along +x with the handle at negative x; vessels stand on z = 0. Units are metres.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from selcon_training.tabletop.shapes import Mesh, Points, arc, box, lathe, line, merged, prism, rotation, sweep

ACTIONS = ("brush_with", "cut_with", "drink_with", "hit", "hold", "open", "pour", "stir")

# What a token may belong to, for encoder training and the oracle experiment; 0 is everything else.
PART_KINDS = ("background", "blade", "head", "scoop", "bristles", "rim", "spout", "lid", "rod_handle", "loop_handle", "body",
              "plain", "clutter", "hand")  # fmt: skip


@dataclass(frozen=True)
class Part:
    """A part of an object: its mesh, what it is made to look like, and the action it affords, if any."""

    kind: str
    mesh: Mesh
    look: str
    action: str | None = None


@dataclass(frozen=True)
class Grip:
    """Where a hand closes: a cylinder of `radius` metres about `axis` through `point`; `away` points towards the palm."""

    point: Points
    axis: Points
    radius: float
    away: Points


@dataclass(frozen=True)
class ObjectModel:
    """An object: its kind, parts, where hands grip it per action, and whether it stands or lies."""

    kind: str
    parts: list[Part]
    grips: dict[str, Grip] = field(default_factory=dict)
    stands: bool = False

    @property
    def footprint(self) -> float:
        """Radius in metres of the circle about the origin that holds the object's projection on the table."""
        return max(float(np.linalg.norm(part.mesh.vertices[:, :2], axis=1).max()) for part in self.parts)

    @property
    def actions(self) -> list[str]:
        """The actions that the object's parts afford, sorted."""
        return sorted({part.action for part in self.parts if part.action})


Rng = np.random.Generator
X, Y, Z = np.eye(3)


def _between(rng: Rng, low: float, high: float) -> float:
    return float(rng.uniform(low, high))


def _choice(rng: Rng, *names: str) -> str:
    return str(rng.choice(names))


def _rod(rng: Rng, length: float, radius: float) -> tuple[Part, Grip]:
    """Return the handle all tools share: a bulged rod from x = −length to 0 with a few grooves."""
    count = 15
    along = np.linspace(0, 1, count)
    bulge = 1 + _between(rng, 0, 0.22) * np.sin(np.pi * along) + _between(rng, -0.1, 0.1) * along
    grooves = 1 - _between(rng, 0, 0.16) * (np.arange(count) % 3 == 0)
    mesh = sweep(line((-length, 0, radius), (0, 0, radius), count), radius * bulge * grooves, flatten=_between(rng, 0.75, 1))
    grip = Grip(np.array([-0.5 * length, 0, radius]), X, radius, Z)
    return Part("rod_handle", mesh, _choice(rng, "wood", "plastic", "rubber"), "hold"), grip


def _tool(kind: str, handle: Part, grip: Grip, parts: list[Part]) -> ObjectModel:
    """Return a lying tool, centred between its ends."""
    everything = [handle, *parts]
    low = min(part.mesh.vertices[:, 0].min() for part in everything)
    high = max(part.mesh.vertices[:, 0].max() for part in everything)
    bottom = min(part.mesh.vertices[:, 2].min() for part in everything)
    shift = np.array([-(low + high) / 2, 0, -bottom])
    moved = [Part(part.kind, part.mesh.moved(shift), part.look, part.action) for part in everything]
    return ObjectModel(kind, moved, {"hold": Grip(grip.point + shift, grip.axis, grip.radius, grip.away)})


def _blade(outline: list[tuple[float, float]], height: float) -> Part:
    return Part("blade", prism(outline, 0.004).moved((0, 0, height)), "metal", "cut_with")


def knife(rng: Rng) -> ObjectModel:
    radius, long, wide = _between(rng, 0.012, 0.017), _between(rng, 0.13, 0.19), _between(rng, 0.034, 0.05)
    handle, grip = _rod(rng, _between(rng, 0.1, 0.14), radius)
    tip = _between(rng, -0.5, 0.5) * wide
    outline = [(-0.004, -wide / 2), (0.6 * long, -wide / 2), (0.85 * long, -0.3 * wide), (long, tip), (0.8 * long, wide / 2),
               (-0.004, wide / 2)]  # fmt: skip
    return _tool("knife", handle, grip, [_blade(outline, radius)])


def cleaver(rng: Rng) -> ObjectModel:
    radius, long, wide = _between(rng, 0.013, 0.018), _between(rng, 0.13, 0.18), _between(rng, 0.07, 0.1)
    handle, grip = _rod(rng, _between(rng, 0.1, 0.13), radius)
    slant, shift = _between(rng, -0.01, 0.01), 0.3 * wide
    outline = [(-0.004, -wide / 2 - shift), (long, -wide / 2 - shift), (long + slant, wide / 2 - shift), (-0.004, wide / 2 - shift)]
    return _tool("cleaver", handle, grip, [_blade(outline, radius)])


def saw(rng: Rng) -> ObjectModel:
    radius, long, wide = _between(rng, 0.015, 0.02), _between(rng, 0.19, 0.25), _between(rng, 0.055, 0.08)
    handle, grip = _rod(rng, _between(rng, 0.09, 0.12), radius)
    teeth = int(rng.integers(9, 14))
    edge = [(x, -wide / 2 - (0.006 if i % 2 else 0)) for i, x in enumerate(np.linspace(-0.004, long, 2 * teeth))]
    outline = [*edge, (long, -0.1 * wide), (-0.004, wide / 2)]
    return _tool("saw", handle, grip, [_blade(outline, radius)])


def chisel(rng: Rng) -> ObjectModel:
    radius, long, wide = _between(rng, 0.015, 0.02), _between(rng, 0.09, 0.13), _between(rng, 0.03, 0.045)
    handle, grip = _rod(rng, _between(rng, 0.1, 0.13), radius)
    outline = [(-0.004, -0.35 * wide), (0.3 * long, -0.4 * wide), (long, -wide / 2), (0.92 * long, wide / 2), (0.3 * long, 0.4 * wide),
               (-0.004, 0.35 * wide)]  # fmt: skip
    return _tool("chisel", handle, grip, [_blade(outline, radius)])


def _hitting(kind: str, rng: Rng, length: float, radius: float, head: Mesh, looks: tuple[str, ...]) -> ObjectModel:
    handle, grip = _rod(rng, length, radius)
    rise = max(0.0, -float(head.vertices[:, 2].min()) - radius)
    model = _tool(kind, handle, grip, [Part("head", head.moved((0, 0, radius + 0 * rise)), _choice(rng, *looks), "hit")])
    return model


def _cross_cylinder(radius: float, length: float, waist: float) -> Mesh:
    """Return a capped cylinder along y whose middle has `waist` times the radius."""
    return sweep(line((0, -length / 2, 0), (0, length / 2, 0), 9), radius * np.array([0.9, 1, 1, waist, waist, waist, 1, 1, 0.9]))


def hammer(rng: Rng) -> ObjectModel:
    head = _cross_cylinder(_between(rng, 0.019, 0.025), _between(rng, 0.09, 0.12), _between(rng, 0.7, 0.95))
    return _hitting("hammer", rng, _between(rng, 0.18, 0.24), _between(rng, 0.012, 0.016), head, ("metal",))


def mallet(rng: Rng) -> ObjectModel:
    head = _cross_cylinder(_between(rng, 0.03, 0.04), _between(rng, 0.09, 0.12), 1.0)
    return _hitting("mallet", rng, _between(rng, 0.17, 0.22), _between(rng, 0.012, 0.016), head, ("wood", "rubber"))


def tenderizer(rng: Rng) -> ObjectModel:
    head = box((_between(rng, 0.045, 0.06), _between(rng, 0.07, 0.09), _between(rng, 0.045, 0.06)))
    return _hitting("tenderizer", rng, _between(rng, 0.16, 0.2), _between(rng, 0.012, 0.016), head, ("metal", "wood"))


def gavel(rng: Rng) -> ObjectModel:
    head = _cross_cylinder(_between(rng, 0.024, 0.03), _between(rng, 0.075, 0.095), _between(rng, 0.8, 0.9))
    return _hitting("gavel", rng, _between(rng, 0.15, 0.19), _between(rng, 0.011, 0.014), head, ("wood",))


def _scoop(radius: float, depth: float, stretch: float, height: float) -> Mesh:
    """Return an open shallow bowl whose near edge touches x = 0."""
    angle = np.linspace(0.02, np.pi / 2, 7)
    outer = [(radius * np.sin(a), -depth * np.cos(a)) for a in angle]
    inner = [(0.88 * radius * np.sin(a), -0.8 * depth * np.cos(a)) for a in angle[::-1]]
    return lathe(outer + inner).scaled((stretch, 1, 1)).moved((0.95 * radius * stretch, 0, height))


def _stirring(kind: str, rng: Rng, length: float, radius: float, bowl: Mesh) -> ObjectModel:
    handle, grip = _rod(rng, length, radius)
    return _tool(kind, handle, grip, [Part("scoop", bowl, _choice(rng, "metal", "wood", "plastic"), "stir")])


def spoon(rng: Rng) -> ObjectModel:
    radius = _between(rng, 0.009, 0.012)
    bowl = _scoop(_between(rng, 0.03, 0.038), _between(rng, 0.012, 0.02), _between(rng, 1.2, 1.5), 1.5 * radius)
    return _stirring("spoon", rng, _between(rng, 0.17, 0.22), radius, bowl)


def ladle(rng: Rng) -> ObjectModel:
    radius = _between(rng, 0.009, 0.012)
    bowl = _scoop(_between(rng, 0.042, 0.052), _between(rng, 0.03, 0.04), _between(rng, 0.95, 1.1), 1.5 * radius)
    return _stirring("ladle", rng, _between(rng, 0.17, 0.23), radius, bowl)


def skimmer(rng: Rng) -> ObjectModel:
    radius = _between(rng, 0.009, 0.012)
    bowl = _scoop(_between(rng, 0.046, 0.056), _between(rng, 0.008, 0.013), _between(rng, 0.95, 1.1), 1.3 * radius)
    return _stirring("skimmer", rng, _between(rng, 0.16, 0.21), radius, bowl)


def wooden_spoon(rng: Rng) -> ObjectModel:
    radius = _between(rng, 0.008, 0.011)
    bowl = _scoop(_between(rng, 0.028, 0.034), _between(rng, 0.008, 0.014), _between(rng, 1.5, 1.8), 1.4 * radius)
    handle, grip = _rod(rng, _between(rng, 0.18, 0.23), radius)
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
            tufts.append(sweep(np.stack([foot, foot + lean + size[2] * Z]), [1.15 * thick, thick], around=5, up=(0, 1, 0)))
    return merged(tufts)


def _bristle_part(mesh: Mesh) -> Part:
    return Part("bristles", mesh, "bristle", "brush_with")


def brush(rng: Rng) -> ObjectModel:
    """A scrubbing brush, lying on its side so that the bristles show."""
    radius, long, wide = _between(rng, 0.012, 0.016), _between(rng, 0.09, 0.12), _between(rng, 0.035, 0.045)
    handle, grip = _rod(rng, _between(rng, 0.12, 0.16), radius)
    back = Part("plain", box((long, 0.02, wide)).moved((long / 2, 0, wide / 2)), handle.look)
    tufts = _bristles(rng, (0.92 * long, 0.85 * wide, _between(rng, 0.032, 0.045)), (8, 4), 0.15)
    side = tufts.moved(rotation=rotation("x", np.pi / 2)).moved((long / 2, -0.01, wide / 2))
    return _tool("brush", handle, grip, [back, _bristle_part(side)])


def paintbrush(rng: Rng) -> ObjectModel:
    radius, wide = _between(rng, 0.012, 0.015), _between(rng, 0.05, 0.07)
    handle, grip = _rod(rng, _between(rng, 0.11, 0.15), radius)
    ferrule = Part("plain", box((0.03, wide, 0.02)).moved((0.012, 0, radius)), "metal")
    tufts = _bristles(rng, (0.016, wide, _between(rng, 0.05, 0.07)), (3, 10), 0.1)
    ahead = tufts.moved(rotation=rotation("y", np.pi / 2)).moved((0.026, 0, radius))
    return _tool("paintbrush", handle, grip, [ferrule, _bristle_part(ahead)])


def toothbrush(rng: Rng) -> ObjectModel:
    """A large bottle brush with a short bristle field at its end, lying on its side."""
    radius, long = _between(rng, 0.009, 0.012), _between(rng, 0.05, 0.065)
    handle, grip = _rod(rng, _between(rng, 0.15, 0.19), radius)
    neck = Part("plain", sweep(line((-0.002, 0, radius), (long, 0, radius), 3), 0.009), handle.look)
    tufts = _bristles(rng, (long, 0.02, _between(rng, 0.028, 0.038)), (7, 3), 0.1)
    side = tufts.moved(rotation=rotation("x", np.pi / 2)).moved((long / 2, -0.006, radius))
    return _tool("toothbrush", handle, grip, [neck, _bristle_part(side)])


def hand_broom(rng: Rng) -> ObjectModel:
    radius, wide = _between(rng, 0.012, 0.016), _between(rng, 0.07, 0.09)
    handle, grip = _rod(rng, _between(rng, 0.12, 0.16), radius)
    back = Part("plain", box((0.025, wide, 0.03)).moved((0.01, 0, radius)), handle.look)
    tufts = _bristles(rng, (0.024, 0.95 * wide, _between(rng, 0.07, 0.09)), (3, 11), 0.35)
    ahead = tufts.moved(rotation=rotation("y", np.pi / 2)).moved((0.022, 0, radius))
    return _tool("hand_broom", handle, grip, [back, _bristle_part(ahead)])


def _wall(outer: list[tuple[float, float]], thickness: float = 0.004) -> list[tuple[float, float]]:
    """Return the closed profile of a thin wall whose outer side is `outer`, listed upwards."""
    return outer + [(radius - thickness, height) for radius, height in reversed(outer)]


def _body_grip(radius: float, height: float) -> Grip:
    return Grip(np.array([0, 0, height]), Z, radius, X)


def _loop(reach: float, height: float, span: float, thick: float, start: float) -> tuple[Mesh, Grip]:
    """Return a D-shaped handle at +x: `start` is where the wall is, `reach` how far the loop stands out."""
    path = arc((0, 0, 0), 1, -np.pi / 2, np.pi / 2) * [reach, 1, span / 2] + [start - 0.004, 0, height]
    grip = Grip(np.array([start + 0.85 * reach, 0, height]), Z, thick, X)
    return sweep(path, thick, around=10, up=(0, 1, 0), flatten=1.3), grip


def _vessel(rng: Rng, kind: str, profile: list[tuple[float, float]], rim: float, handle: bool) -> ObjectModel:
    """Return a drinking vessel: the upper `rim` share of its wall is where one drinks."""
    heights = np.array([height for _, height in profile])
    edge = heights.max() - rim * (heights.max() - heights.min())
    at_edge = float(np.interp(edge, heights, [radius for radius, _ in profile]))
    lower = [p for p in profile if p[1] < edge - 1e-4] + [(at_edge, edge)]
    upper = [(at_edge, edge)] + [p for p in profile if p[1] > edge + 1e-4]
    look = _choice(rng, "ceramic", "plastic", "metal", "glass")
    floor = lathe([(0, 0.0), (lower[0][0], 0.0), (lower[0][0], 0.004), (0, 0.004)])
    body = merged([lathe(_wall(lower)), floor])
    rim_part = Part("rim", lathe(_wall(upper)), look if rng.random() < 0.6 else _choice(rng, "ceramic", "plastic"), "drink_with")
    middle = _body_grip(at_edge, 0.5 * edge)
    if not handle:
        return ObjectModel(kind, [Part("body", body, look, "hold"), rim_part], {"hold": middle}, stands=True)
    thick = _between(rng, 0.008, 0.011)
    loop, grip = _loop(_between(rng, 0.032, 0.042), 0.5 * heights.max(), _between(rng, 0.6, 0.75) * heights.max(), thick, at_edge)
    parts = [Part("plain", body, look), rim_part, Part("loop_handle", loop, look, "hold")]
    return ObjectModel(kind, parts, {"hold": grip}, stands=True)


def mug(rng: Rng) -> ObjectModel:
    radius, tall = _between(rng, 0.036, 0.046), _between(rng, 0.085, 0.11)
    return _vessel(rng, "mug", [(radius * _between(rng, 0.85, 1), 0), (radius, 0.3 * tall), (radius, tall)], 0.32, True)


def glass(rng: Rng) -> ObjectModel:
    radius, tall = _between(rng, 0.034, 0.044), _between(rng, 0.11, 0.15)
    return _vessel(rng, "glass", [(radius * _between(rng, 0.65, 0.9), 0), (0.92 * radius, 0.5 * tall), (radius, tall)], 0.3, False)


def tumbler(rng: Rng) -> ObjectModel:
    radius, tall = _between(rng, 0.04, 0.052), _between(rng, 0.08, 0.1)
    waist = _between(rng, 0.75, 0.95)
    return _vessel(rng, "tumbler", [(0.8 * radius, 0), (waist * radius, 0.4 * tall), (radius, tall)], 0.34, False)


def teacup(rng: Rng) -> ObjectModel:
    radius, tall = _between(rng, 0.044, 0.054), _between(rng, 0.06, 0.075)
    return _vessel(rng, "teacup", [(0.5 * radius, 0), (0.8 * radius, 0.3 * tall), (0.95 * radius, 0.65 * tall), (radius, tall)], 0.36, True)


def _spout(start: float, low: float, high: float, reach: float, thick: float) -> Part:
    """Return a spout at −x that rises from height `low` at the wall to `high`."""
    along = np.linspace(0, 1, 9)
    bend = np.stack([-start + 0.008 - reach * along, np.zeros(9), low + (high - low) * along**1.5], -1)
    return Part("spout", sweep(bend, thick * (1.25 - 0.55 * along), around=12, up=(0, 1, 0)), "", "pour")


def _lid(radius: float, height: float, dome: float, knob: float) -> Mesh:
    """Return a round lid at `height` with a knob."""
    profile = [(0, 0), (radius, 0), (radius, 0.3 * dome), (0.75 * radius, 0.8 * dome), (0.35 * radius, dome), (knob * 0.6, dome + 0.004),
               (knob, dome + 0.012), (0.8 * knob, dome + 0.022), (0, dome + 0.024)]  # fmt: skip
    return lathe(profile).moved((0, 0, height))


def _lid_grip(radius: float, height: float) -> Grip:
    return Grip(np.array([0, 0, height]), X, radius, Z)


def _pouring(rng: Rng, kind: str, profile: list[tuple[float, float]], spout: Part, handle: Mesh, grip: Grip, lid: Mesh | None) -> ObjectModel:
    look = _choice(rng, "ceramic", "metal", "plastic")
    body = lathe([(0, 0), *profile, (0, profile[-1][1])]) if lid is not None else merged(
        [lathe(_wall(profile)), lathe([(0, 0), (profile[0][0], 0), (profile[0][0], 0.004), (0, 0.004)])])  # fmt: skip
    parts = [Part("plain", body, look), Part("spout", spout.mesh, look, "pour"),
             Part("loop_handle", handle, look if rng.random() < 0.4 else _choice(rng, "plastic", "wood", "rubber"), "hold")]  # fmt: skip
    grips = {"hold": grip}
    if lid is not None:
        parts.append(Part("lid", lid, look if rng.random() < 0.4 else _choice(rng, "plastic", "metal"), "open"))
        top = float(lid.vertices[:, 2].max())
        grips["open"] = _lid_grip(0.018, top - 0.01)
    return ObjectModel(kind, parts, grips, stands=True)


def kettle(rng: Rng) -> ObjectModel:
    radius, tall = _between(rng, 0.06, 0.075), _between(rng, 0.09, 0.12)
    profile = [(0.85 * radius, 0), (radius, 0.3 * tall), (0.85 * radius, 0.8 * tall), (0.55 * radius, tall)]
    thick = _between(rng, 0.009, 0.012)
    handle, grip = _loop(_between(rng, 0.045, 0.055), 0.55 * tall, 0.85 * tall, thick, 0.92 * radius)
    spout = _spout(radius, 0.4 * tall, tall, _between(rng, 0.055, 0.07), _between(rng, 0.016, 0.02))
    return _pouring(rng, "kettle", profile, spout, handle, grip, _lid(0.56 * radius, tall, 0.014, 0.014))


def coffee_pot(rng: Rng) -> ObjectModel:
    radius, tall = _between(rng, 0.045, 0.056), _between(rng, 0.14, 0.18)
    profile = [(radius, 0), (0.95 * radius, 0.3 * tall), (0.7 * radius, tall)]
    handle, grip = _loop(_between(rng, 0.042, 0.052), 0.5 * tall, 0.6 * tall, _between(rng, 0.009, 0.012), 0.82 * radius)
    spout = _spout(0.85 * radius, 0.45 * tall, 0.95 * tall, _between(rng, 0.05, 0.065), _between(rng, 0.014, 0.018))
    return _pouring(rng, "coffee_pot", profile, spout, handle, grip, _lid(0.7 * radius, tall, 0.016, 0.013))


def watering_can(rng: Rng) -> ObjectModel:
    radius, tall = _between(rng, 0.05, 0.065), _between(rng, 0.09, 0.12)
    profile = [(radius, 0), (radius, 0.5 * tall), (0.95 * radius, tall)]
    handle, grip = _loop(_between(rng, 0.045, 0.055), 0.55 * tall, 0.8 * tall, _between(rng, 0.009, 0.012), 0.96 * radius)
    spout = _spout(radius, 0.2 * tall, 1.15 * tall, _between(rng, 0.08, 0.11), _between(rng, 0.014, 0.018))
    return _pouring(rng, "watering_can", profile, spout, handle, grip, None)


def teapot(rng: Rng) -> ObjectModel:
    radius = _between(rng, 0.055, 0.068)
    tall = _between(rng, 1.35, 1.6) * radius
    profile = [(0.55 * radius, 0), (0.9 * radius, 0.2 * tall), (radius, 0.5 * tall), (0.85 * radius, 0.8 * tall), (0.5 * radius, tall)]
    handle, grip = _loop(_between(rng, 0.038, 0.046), 0.52 * tall, 0.65 * tall, _between(rng, 0.008, 0.011), 0.95 * radius)
    spout = _spout(0.95 * radius, 0.35 * tall, 0.95 * tall, _between(rng, 0.055, 0.07), _between(rng, 0.014, 0.018))
    return _pouring(rng, "teapot", profile, spout, handle, grip, _lid(0.52 * radius, tall, 0.014, 0.013))


def _container(rng: Rng, kind: str, profile: list[tuple[float, float]], lid: Mesh, lid_radius: float) -> ObjectModel:
    looks = ("glass", "plastic", "ceramic", "metal")
    body = lathe([(0, 0), *profile, (0, profile[-1][1])])
    parts = [Part("body", body, _choice(rng, *looks), "hold"), Part("lid", lid, _choice(rng, "plastic", "metal", "wood"), "open")]
    low, high = float(lid.vertices[:, 2].min()), float(lid.vertices[:, 2].max())
    grips = {"hold": _body_grip(profile[0][0], 0.4 * low), "open": Grip(np.array([0, 0, (low + high) / 2]), Z, lid_radius, X)}
    return ObjectModel(kind, parts, grips, stands=True)


def _cap(radius: float, tall: float, height: float) -> Mesh:
    """Return a ribbed screw cap."""
    ribs = 1 - 0.06 * (np.arange(5) % 2)
    side = [(radius * rib, tall * step) for rib, step in zip(ribs, np.linspace(0, 0.9, 5), strict=True)]
    return lathe([(0, 0), *side, (0.9 * radius, tall), (0, tall)]).moved((0, 0, height))


def bottle(rng: Rng) -> ObjectModel:
    radius, tall = _between(rng, 0.033, 0.042), _between(rng, 0.15, 0.2)
    neck = _between(rng, 0.015, 0.019)
    profile = [(radius, 0), (radius, 0.6 * tall), (0.85 * radius, 0.72 * tall), (neck, 0.86 * tall), (neck, tall)]
    cap = _between(rng, 1.15, 1.4) * neck
    return _container(rng, "bottle", profile, _cap(cap, _between(rng, 0.03, 0.04), tall - 0.012), cap)


def jar(rng: Rng) -> ObjectModel:
    radius, tall = _between(rng, 0.038, 0.052), _between(rng, 0.08, 0.12)
    profile = [(0.95 * radius, 0), (radius, 0.1 * tall), (radius, 0.85 * tall), (0.88 * radius, tall)]
    return _container(rng, "jar", profile, _cap(0.98 * radius, _between(rng, 0.024, 0.032), 0.94 * tall), radius)


def canister(rng: Rng) -> ObjectModel:
    radius, tall = _between(rng, 0.042, 0.052), _between(rng, 0.1, 0.14)
    profile = [(radius, 0), (radius, tall)]
    return _container(rng, "canister", profile, _lid(1.03 * radius, tall, 0.02, 0.016), 0.02)


def flask(rng: Rng) -> ObjectModel:
    radius, tall = _between(rng, 0.034, 0.042), _between(rng, 0.15, 0.19)
    profile = [(radius, 0), (radius, 0.9 * tall), (0.9 * radius, tall)]
    return _container(rng, "flask", profile, _cap(0.92 * radius, _between(rng, 0.038, 0.048), 0.97 * tall), radius)


Maker = Callable[[Rng], ObjectModel]
TRAINED: dict[str, Maker] = {
    make.__name__: make
    for make in (knife, cleaver, saw, hammer, mallet, tenderizer, spoon, ladle, skimmer, brush, paintbrush, toothbrush, mug, glass,
                 tumbler, kettle, coffee_pot, watering_can, bottle, jar, canister)
}  # fmt: skip
UNSEEN: dict[str, Maker] = {
    make.__name__: make for make in (chisel, gavel, wooden_spoon, hand_broom, teacup, teapot, flask)
}
KINDS = (*TRAINED, *UNSEEN)
