"""Vessels of the tabletop world: they stand on z = 0, spouts at negative x, handles at positive x."""

from __future__ import annotations

import numpy as np

from selcon_training.tabletop.parts import Grip, ObjectModel, Part, Rng, X, Z, between, choice
from selcon_training.tabletop.shapes import Mesh, arc, lathe, merged, sweep


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
    look = choice(rng, "ceramic", "plastic", "metal", "glass")
    floor = lathe([(0, 0.0), (lower[0][0], 0.0), (lower[0][0], 0.004), (0, 0.004)])
    body = merged([lathe(_wall(lower)), floor])
    rim_part = Part(
        "rim",
        lathe(_wall(upper)),
        look if rng.random() < 0.6 else choice(rng, "ceramic", "plastic"),
        "drink_with",
    )
    middle = _body_grip(at_edge, 0.5 * edge)
    if not handle:
        return ObjectModel(kind, [Part("body", body, look, "hold"), rim_part], {"hold": middle}, stands=True)
    thick = between(rng, 0.008, 0.011)
    loop, grip = _loop(
        between(rng, 0.032, 0.042),
        0.5 * heights.max(),
        between(rng, 0.6, 0.75) * heights.max(),
        thick,
        at_edge,
    )
    parts = [Part("plain", body, look), rim_part, Part("loop_handle", loop, look, "hold")]
    return ObjectModel(kind, parts, {"hold": grip}, stands=True)


def mug(rng: Rng) -> ObjectModel:
    radius, tall = between(rng, 0.036, 0.046), between(rng, 0.085, 0.11)
    return _vessel(
        rng, "mug", [(radius * between(rng, 0.85, 1), 0), (radius, 0.3 * tall), (radius, tall)], 0.32, True
    )


def glass(rng: Rng) -> ObjectModel:
    radius, tall = between(rng, 0.034, 0.044), between(rng, 0.11, 0.15)
    return _vessel(
        rng,
        "glass",
        [(radius * between(rng, 0.65, 0.9), 0), (0.92 * radius, 0.5 * tall), (radius, tall)],
        0.3,
        False,
    )


def tumbler(rng: Rng) -> ObjectModel:
    radius, tall = between(rng, 0.04, 0.052), between(rng, 0.08, 0.1)
    waist = between(rng, 0.75, 0.95)
    return _vessel(
        rng, "tumbler", [(0.8 * radius, 0), (waist * radius, 0.4 * tall), (radius, tall)], 0.34, False
    )


def teacup(rng: Rng) -> ObjectModel:
    radius, tall = between(rng, 0.044, 0.054), between(rng, 0.06, 0.075)
    return _vessel(
        rng,
        "teacup",
        [(0.5 * radius, 0), (0.8 * radius, 0.3 * tall), (0.95 * radius, 0.65 * tall), (radius, tall)],
        0.36,
        True,
    )


def _spout(start: float, low: float, high: float, reach: float, thick: float) -> Part:
    """Return a spout at −x that rises from height `low` at the wall to `high`."""
    along = np.linspace(0, 1, 9)
    bend = np.stack([-start + 0.008 - reach * along, np.zeros(9), low + (high - low) * along**1.5], -1)
    return Part("spout", sweep(bend, thick * (1.25 - 0.55 * along), around=12, up=(0, 1, 0)), "", "pour")


def _lid(radius: float, height: float, dome: float, knob: float) -> Mesh:
    """Return a round lid at `height` with a knob."""
    profile = [
        (0, 0),
        (radius, 0),
        (radius, 0.3 * dome),
        (0.75 * radius, 0.8 * dome),
        (0.35 * radius, dome),
        (knob * 0.6, dome + 0.004),
        (knob, dome + 0.012),
        (0.8 * knob, dome + 0.022),
        (0, dome + 0.024),
    ]
    return lathe(profile).moved((0, 0, height))


def _lid_grip(radius: float, height: float) -> Grip:
    return Grip(np.array([0, 0, height]), X, radius, Z)


def _pouring(
    rng: Rng,
    kind: str,
    profile: list[tuple[float, float]],
    spout: Part,
    handle: Mesh,
    grip: Grip,
    lid: Mesh | None,
) -> ObjectModel:
    look = choice(rng, "ceramic", "metal", "plastic")
    body = (
        lathe([(0, 0), *profile, (0, profile[-1][1])])
        if lid is not None
        else merged(
            [lathe(_wall(profile)), lathe([(0, 0), (profile[0][0], 0), (profile[0][0], 0.004), (0, 0.004)])]
        )
    )
    parts = [
        Part("plain", body, look),
        Part("spout", spout.mesh, look, "pour"),
        Part(
            "loop_handle",
            handle,
            look if rng.random() < 0.4 else choice(rng, "plastic", "wood", "rubber"),
            "hold",
        ),
    ]
    grips = {"hold": grip}
    if lid is not None:
        parts.append(
            Part("lid", lid, look if rng.random() < 0.4 else choice(rng, "plastic", "metal"), "open")
        )
        top = float(lid.vertices[:, 2].max())
        grips["open"] = _lid_grip(0.018, top - 0.01)
    return ObjectModel(kind, parts, grips, stands=True)


def kettle(rng: Rng) -> ObjectModel:
    radius, tall = between(rng, 0.06, 0.075), between(rng, 0.09, 0.12)
    profile = [(0.85 * radius, 0), (radius, 0.3 * tall), (0.85 * radius, 0.8 * tall), (0.55 * radius, tall)]
    thick = between(rng, 0.009, 0.012)
    handle, grip = _loop(between(rng, 0.045, 0.055), 0.55 * tall, 0.85 * tall, thick, 0.92 * radius)
    spout = _spout(radius, 0.4 * tall, tall, between(rng, 0.055, 0.07), between(rng, 0.016, 0.02))
    return _pouring(rng, "kettle", profile, spout, handle, grip, _lid(0.56 * radius, tall, 0.014, 0.014))


def coffee_pot(rng: Rng) -> ObjectModel:
    radius, tall = between(rng, 0.045, 0.056), between(rng, 0.14, 0.18)
    profile = [(radius, 0), (0.95 * radius, 0.3 * tall), (0.7 * radius, tall)]
    handle, grip = _loop(
        between(rng, 0.042, 0.052), 0.5 * tall, 0.6 * tall, between(rng, 0.009, 0.012), 0.82 * radius
    )
    spout = _spout(
        0.85 * radius, 0.45 * tall, 0.95 * tall, between(rng, 0.05, 0.065), between(rng, 0.014, 0.018)
    )
    return _pouring(rng, "coffee_pot", profile, spout, handle, grip, _lid(0.7 * radius, tall, 0.016, 0.013))


def watering_can(rng: Rng) -> ObjectModel:
    radius, tall = between(rng, 0.05, 0.065), between(rng, 0.09, 0.12)
    profile = [(radius, 0), (radius, 0.5 * tall), (0.95 * radius, tall)]
    handle, grip = _loop(
        between(rng, 0.045, 0.055), 0.55 * tall, 0.8 * tall, between(rng, 0.009, 0.012), 0.96 * radius
    )
    spout = _spout(radius, 0.2 * tall, 1.15 * tall, between(rng, 0.08, 0.11), between(rng, 0.014, 0.018))
    return _pouring(rng, "watering_can", profile, spout, handle, grip, None)


def teapot(rng: Rng) -> ObjectModel:
    radius = between(rng, 0.055, 0.068)
    tall = between(rng, 1.35, 1.6) * radius
    profile = [
        (0.55 * radius, 0),
        (0.9 * radius, 0.2 * tall),
        (radius, 0.5 * tall),
        (0.85 * radius, 0.8 * tall),
        (0.5 * radius, tall),
    ]
    handle, grip = _loop(
        between(rng, 0.038, 0.046), 0.52 * tall, 0.65 * tall, between(rng, 0.008, 0.011), 0.95 * radius
    )
    spout = _spout(
        0.95 * radius, 0.35 * tall, 0.95 * tall, between(rng, 0.055, 0.07), between(rng, 0.014, 0.018)
    )
    return _pouring(rng, "teapot", profile, spout, handle, grip, _lid(0.52 * radius, tall, 0.014, 0.013))


def _container(
    rng: Rng, kind: str, profile: list[tuple[float, float]], lid: Mesh, lid_radius: float
) -> ObjectModel:
    looks = ("glass", "plastic", "ceramic", "metal")
    body = lathe([(0, 0), *profile, (0, profile[-1][1])])
    parts = [
        Part("body", body, choice(rng, *looks), "hold"),
        Part("lid", lid, choice(rng, "plastic", "metal", "wood"), "open"),
    ]
    low, high = float(lid.vertices[:, 2].min()), float(lid.vertices[:, 2].max())
    grips = {
        "hold": _body_grip(profile[0][0], 0.4 * low),
        "open": Grip(np.array([0, 0, (low + high) / 2]), Z, lid_radius, X),
    }
    return ObjectModel(kind, parts, grips, stands=True)


def _cap(radius: float, tall: float, height: float) -> Mesh:
    """Return a ribbed screw cap."""
    ribs = 1 - 0.06 * (np.arange(5) % 2)
    side = [(radius * rib, tall * step) for rib, step in zip(ribs, np.linspace(0, 0.9, 5), strict=True)]
    return lathe([(0, 0), *side, (0.9 * radius, tall), (0, tall)]).moved((0, 0, height))


def bottle(rng: Rng) -> ObjectModel:
    radius, tall = between(rng, 0.033, 0.042), between(rng, 0.15, 0.2)
    neck = between(rng, 0.015, 0.019)
    profile = [
        (radius, 0),
        (radius, 0.6 * tall),
        (0.85 * radius, 0.72 * tall),
        (neck, 0.86 * tall),
        (neck, tall),
    ]
    cap = between(rng, 1.15, 1.4) * neck
    return _container(rng, "bottle", profile, _cap(cap, between(rng, 0.03, 0.04), tall - 0.012), cap)


def jar(rng: Rng) -> ObjectModel:
    radius, tall = between(rng, 0.038, 0.052), between(rng, 0.08, 0.12)
    profile = [(0.95 * radius, 0), (radius, 0.1 * tall), (radius, 0.85 * tall), (0.88 * radius, tall)]
    return _container(
        rng, "jar", profile, _cap(0.98 * radius, between(rng, 0.024, 0.032), 0.94 * tall), radius
    )


def canister(rng: Rng) -> ObjectModel:
    radius, tall = between(rng, 0.042, 0.052), between(rng, 0.1, 0.14)
    profile = [(radius, 0), (radius, tall)]
    return _container(rng, "canister", profile, _lid(1.03 * radius, tall, 0.02, 0.016), 0.02)


def flask(rng: Rng) -> ObjectModel:
    radius, tall = between(rng, 0.034, 0.042), between(rng, 0.15, 0.19)
    profile = [(radius, 0), (radius, 0.9 * tall), (0.9 * radius, tall)]
    return _container(
        rng, "flask", profile, _cap(0.92 * radius, between(rng, 0.038, 0.048), 0.97 * tall), radius
    )
