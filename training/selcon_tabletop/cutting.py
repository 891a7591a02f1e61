"""Tools that cut: knives, cleaver, saw, chisel. Their blades lie flat, the edge towards −y."""

from __future__ import annotations

import numpy as np

from selcon_tabletop.handles import handle, joined, strip, tool
from selcon_tabletop.parts import Grip, ObjectModel, Part, Rng, X, Z, between, choice
from selcon_tabletop.shapes import Mesh, Points, lathe, line, plate, rounded, sweep

KNIFE_HANDLES = ("black_plastic", "black_plastic", "wood", "dark_wood", "plastic", "steel")


def _edge_and_spine(rng: Rng, shape: str, wide: float, t: Points) -> tuple[Points, Points]:
    """Return y of the edge and of the spine of a knife's blade along it (0 at the handle, 1 at the tip)."""
    half = wide / 2
    late = np.clip((t - 0.4) / 0.6, 0, 1)
    tip = np.clip((t - 0.65) / 0.35, 0, 1)
    if shape == "santoku":  # nearly straight edge, the spine comes down
        return -half + 0.12 * wide * late**3, half - 0.86 * wide * tip**2.2
    if shape == "clip":  # the spine is cut out towards the tip
        return -half + 0.55 * wide * late**2, half - 0.45 * wide * tip**0.6
    if shape == "dagger":
        return -half + 0.5 * wide * late**1.6, half - 0.5 * wide * late**1.6
    if shape == "trailing":  # the tip rises above the spine
        return -half + 1.1 * wide * late**1.8, half + 0.12 * wide * late**2
    return -half + 0.92 * wide * late ** between(rng, 1.8, 3), half - 0.08 * wide * tip  # chef's


def _blade(t: Points, length: float, edge: Points, spine: Points, thick: float) -> Mesh:
    spine = np.maximum(spine, edge + 0.0004)
    return plate(length * t, edge, spine, (0.0006, thick))


def _cut(mesh: Mesh) -> Part:
    return Part("blade", mesh, "steel", "cut_with")


def _scales(rng: Rng, length: float, wide: float, thick: float) -> tuple[list[Part], Grip]:
    """Return a knife's handle, now and then with rivets and a bolster."""
    look = choice(rng, *KNIFE_HANDLES)
    grip_part, grip = handle(rng, length, wide, thick, between(rng, 0.45, 0.9), look)
    parts = [grip_part]
    if look != "steel" and rng.random() < 0.45:
        pin = lathe(
            [(0, -0.52 * thick), (0.0032, -0.52 * thick), (0.0032, 0.52 * thick), (0, 0.52 * thick)], 8
        )
        parts.append(
            joined(
                "rod_handle", [pin.moved((x * length, 0, 0)) for x in (-0.75, -0.5, -0.22)], "steel", "hold"
            )
        )
    if rng.random() < 0.4:
        bolster = sweep(line((-0.01, 0, 0), (0.008, 0, 0), 3), 0.52 * wide, 12, thick / wide, square=0.6)
        parts.append(Part("plain", bolster, "steel"))
    return parts, grip


def knife(rng: Rng) -> ObjectModel:
    """A kitchen knife: paring, utility or chef's size, its point of several shapes."""
    size = between(rng, 0, 1)
    long, wide = 0.085 + 0.115 * size, (0.018 + 0.026 * size) * between(rng, 0.85, 1.2)
    parts, grip = _scales(rng, between(rng, 0.095, 0.115) + 0.02 * size, between(rng, 0.02, 0.028), 0.016)
    t = np.linspace(-0.03, 1, 26)
    shape = choice(rng, "chef", "chef", "santoku", "clip", "dagger", "trailing")
    edge, spine = _edge_and_spine(rng, shape, wide, t)
    heel = 0.5 * wide - 0.011 if shape in ("chef", "santoku") else 0.0  # a heel below the handle
    return tool("knife", grip, [*parts, _cut(_blade(t, long, edge - heel, spine - heel, 0.0025))])


def bread_knife(rng: Rng) -> ObjectModel:
    """A long knife with a wavy edge."""
    long, wide = between(rng, 0.18, 0.23), between(rng, 0.026, 0.035)
    parts, grip = _scales(rng, between(rng, 0.11, 0.13), between(rng, 0.022, 0.028), 0.017)
    waves = int(rng.integers(14, 22))
    t = np.linspace(-0.02, 1, 4 * waves)
    tip = np.clip((t - 0.88) / 0.12, 0, 1)
    edge = -wide / 2 + 0.0018 * np.abs(np.sin(np.pi * waves * t)) + 0.3 * wide * tip**2
    spine = wide / 2 - between(rng, 0.1, 0.6) * wide * tip**2
    return tool("bread_knife", grip, [*parts, _cut(_blade(t, long, edge, spine, 0.002))])


def table_knife(rng: Rng) -> ObjectModel:
    """A dinner knife: one piece of steel, or with a plastic or wooden handle; rounded point."""
    long, wide = between(rng, 0.095, 0.12), between(rng, 0.017, 0.023)
    if rng.random() < 0.6:
        mesh, grip = strip(rng, between(rng, 0.095, 0.115), 0.011, between(rng, 0.014, 0.02), 0.006, 0.0)
        grip_part = Part("rod_handle", mesh, "steel", "hold")
    else:
        grip_part, grip = handle(
            rng, between(rng, 0.09, 0.11), 0.02, 0.012, 0.7, choice(rng, "plastic", "black_plastic", "wood")
        )
    t = np.linspace(-0.03, 1, 24)
    tip = np.sqrt(np.clip(1 - np.clip((t - 0.86) / 0.14, 0, 1) ** 2, 0.001, 1))
    neck = np.clip((t + 0.03) / 0.2, 0.35, 1)
    edge = -wide / 2 * neck * tip + 0.1 * wide * (1 - tip)
    spine = wide / 2 * np.maximum(neck * 0.9, 0.35) * tip + 0.1 * wide * (1 - tip)
    return tool("table_knife", grip, [grip_part, _cut(_blade(t, long, edge, spine, 0.0025))])


def cleaver(rng: Rng) -> ObjectModel:
    """A cleaver: rectangular, with a straight or bellied edge and a squared or sloping front."""
    long, wide = between(rng, 0.14, 0.2), between(rng, 0.065, 0.1)
    parts, grip = _scales(rng, between(rng, 0.1, 0.13), between(rng, 0.026, 0.034), between(rng, 0.02, 0.026))
    t = np.concatenate([np.linspace(-0.03, 0.9, 14), np.linspace(0.92, 1, 8)])
    corner = np.sqrt(np.clip(1 - np.clip((t - 0.9) / 0.1, 0, 1) ** 2, 0.001, 1))
    top, belly, slope = 0.014, between(rng, 0, 0.07), between(rng, -0.1, 0.15)
    edge = top - wide + wide * belly * (2 * t - 1) ** 2 + 0.12 * wide * (1 - corner)
    spine = top - slope * wide * np.clip(t, 0, 1) - between(rng, 0.05, 0.25) * wide * (1 - corner)
    return tool("cleaver", grip, [*parts, _cut(_blade(t, long, edge, spine, between(rng, 0.003, 0.005)))])


def saw(rng: Rng) -> ObjectModel:
    """A hand saw with a closed plastic or wooden handle, or a pruning saw with a straight one."""
    straight = rng.random() < 0.4
    long = between(rng, 0.2, 0.27) if straight else between(rng, 0.23, 0.3)
    wide = between(rng, 0.04, 0.06) if straight else between(rng, 0.07, 0.1)
    look = choice(rng, "wood", "plastic", "black_plastic")
    teeth = int(rng.integers(18, 34))
    t = np.linspace(-0.02, 1, 2 * teeth + 1)
    tooth = 0.004 * (np.arange(2 * teeth + 1) % 2).astype(np.float64)
    taper = between(rng, 0.35, 0.75)
    edge, spine = -wide / 2 + tooth, wide / 2 - wide * taper * np.clip(t, 0, 1)
    if straight:
        grip_part, grip = handle(rng, between(rng, 0.1, 0.13), 0.032, 0.022, 0.8, look)
        parts = [grip_part]
    else:
        high, deep = between(rng, 0.05, 0.058), between(rng, 0.033, 0.042)
        turn = np.linspace(0, 2 * np.pi, 33)
        squared = np.sign(np.sin(turn)) * np.abs(np.sin(turn)) ** 0.7
        path = np.stack([deep * np.cos(turn) - deep, high * squared + 0.1 * wide, 0 * turn], -1)
        loop = sweep(path, between(rng, 0.011, 0.014), 12, 0.85, square=0.8)
        cheek = plate(
            [-0.02, 0.01, 0.035], [-0.45 * wide] * 3, [0.5 * wide, 0.48 * wide, 0.3 * wide], (0.014, 0.014)
        )
        grip = Grip(np.array([-2 * deep, 0.1 * wide, 0]), np.array([0, 1.0, 0]), 0.012, -X)
        parts = [Part("loop_handle", loop, look, "hold"), Part("plain", cheek, look)]
    return tool("saw", grip, [*parts, _cut(plate(long * t, edge, spine, (0.0012, 0.0015)))])


def chisel(rng: Rng) -> ObjectModel:
    """A chisel with a short blade."""
    long, wide = between(rng, 0.085, 0.12), between(rng, 0.016, 0.034)
    grip_part, grip = handle(
        rng, between(rng, 0.1, 0.125), between(rng, 0.026, 0.034), 0.027, look=choice(rng, "wood", "plastic")
    )
    t = np.array([-0.03, 0.12, 0.2, 0.3, 0.9, 1])
    half = np.array([0.3, 0.3, 0.36, 0.5, 0.5, 0.5]) * wide
    ferrule = sweep(line((-0.012, 0, 0), (0.006, 0, 0), 3), [0.011, 0.011, 0.008], 12)
    return tool(
        "chisel",
        grip,
        [
            grip_part,
            Part("plain", ferrule, choice(rng, "brass", "steel")),
            _cut(plate(long * t, -half, half, (0.004, 0.004))),
        ],
    )


def pocket_knife(rng: Rng) -> ObjectModel:
    """A folding knife, open: a thick handle longer than its blade."""
    long, wide = between(rng, 0.065, 0.09), between(rng, 0.018, 0.026)
    thick = between(rng, 0.012, 0.016)
    grip_part, grip = handle(
        rng,
        between(rng, 0.085, 0.11),
        between(rng, 0.022, 0.03),
        thick,
        0.5,
        choice(rng, "red_plastic", "black_plastic", "wood", "dark_wood"),
        choice(rng, "straight", "bulged", "waisted"),
    )
    t = np.linspace(-0.1, 1, 24)
    edge, spine = _edge_and_spine(rng, choice(rng, "clip", "chef", "dagger"), wide, t)
    pivot = lathe(
        rounded([(0, -0.53 * thick), (0.006, -0.5 * thick), (0.006, 0.5 * thick), (0, 0.53 * thick)], 1), 12
    )
    return tool(
        "pocket_knife",
        grip,
        [
            grip_part,
            Part("plain", pivot.moved((-0.008, 0, 0)), "steel"),
            _cut(_blade(t, long, edge, spine, 0.003)),
        ],
    )


def scissors(rng: Rng) -> ObjectModel:
    """Scissors: two crossed blades on a pivot, open or closed; one holds them by the two rings."""
    long, wide = between(rng, 0.065, 0.12), between(rng, 0.013, 0.019)
    shank, opening = between(rng, 0.04, 0.06), np.deg2rad(rng.choice([0, between(rng, 4, 60)])) / 2
    plastic = rng.random() < 0.75
    look = choice(rng, "black_plastic", "black_plastic", "red_plastic", "plastic") if plastic else "steel"
    bar = between(rng, 0.0042, 0.006) if plastic else between(rng, 0.003, 0.004)
    ring = np.array([between(rng, 0.017, 0.024), between(rng, 0.0125, 0.016)])
    t = np.linspace(-0.18, 1, 16)
    late = np.clip(t, 0, 1)
    outer, inner = 0.6 * wide * (1 - late**1.5) + 0.001, -0.4 * wide * (1 - late**0.8)
    blades: list[Mesh] = []
    shanks: list[Mesh] = []
    rings: list[Mesh] = []
    for side in (1.0, -1.0):
        cos, sin = np.cos(side * opening), np.sin(side * opening)
        turn = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
        long_ring = ring * [between(rng, 1, 1.5) if side > 0 else 1, 1]
        blade = plate(
            long * t,
            np.minimum(side * inner, side * outer),
            np.maximum(side * inner, side * outer),
            (0.0018, 0.0018),
        )
        blades.append(blade.moved((0, 0, 0.0011 * side)).moved(rotation=turn))
        # Behind the pivot each half is on the other side.
        centre = np.array([-shank - long_ring[0], -side * (ring[1] + bar + 0.001), 0])
        angle = np.linspace(0, 2 * np.pi, 29)
        path = np.stack([long_ring[0] * np.cos(angle), long_ring[1] * np.sin(angle), 0 * angle], -1) + centre
        rings.append(sweep(path, bar, 10, between(rng, 0.8, 1.2)).moved(rotation=turn))
        leg = np.array(
            [
                [0.005, 0.1 * side * wide, 0],
                [-0.3 * shank, -0.1 * side * wide, 0],
                [-0.7 * shank, -0.3 * side * wide, 0],
                [centre[0] + 0.75 * long_ring[0], centre[1] * 0.75, 0],
            ]
        )
        shanks.append(
            sweep(leg, [0.35 * wide, 0.38 * wide, 0.33 * wide, bar * 1.2], 10, 0.45, square=0.7)
            .moved((0, 0, 0.0008 * side))
            .moved(rotation=turn)
        )
    screw = lathe([(0, -0.005), (0.004, -0.005), (0.004, 0.005), (0, 0.0055)], 12)
    grip = Grip(np.array([-shank - ring[0], 0, 0]), X, 0.012, Z)
    parts = [
        joined("blade", blades, "steel", "cut_with"),
        joined("plain", [*shanks], look),
        Part("plain", screw, "steel"),
        joined("ring", rings, look, "hold"),
    ]
    return tool("scissors", grip, parts)
