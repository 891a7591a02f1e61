"""Containers with a lid or cap to open and a body to hold."""

from __future__ import annotations

import numpy as np

from selcon_tabletop.parts import Grip, ObjectModel, Part, Rng, X, Z, between, choice
from selcon_tabletop.shapes import Mesh, lathe, rounded
from selcon_tabletop.walls import Profile, body_grip, cap, lid, outline, radius_at


def _container(
    rng: Rng, kind: str, profile: Profile, looks: tuple[str, ...], top: Part, radius: float
) -> ObjectModel:
    """Return body, lid and, now and then, a label around the body."""
    body = lathe([(0, 0), *profile, (0, profile[-1][1])], 32)
    parts = [Part("body", body, choice(rng, *looks), "hold"), top]
    tall = profile[-1][1]
    if rng.random() < 0.5:
        low, high = between(rng, 0.12, 0.25) * tall, between(rng, 0.45, 0.62) * tall
        heights = np.linspace(low, high, 5)
        band = [(radius_at(profile, z) + 0.0006, z) for z in heights]
        label = lathe([(band[0][0] - 0.002, low), *band, (band[-1][0] - 0.002, high)], 32, closed=True)
        parts.append(Part("body", label, choice(rng, "paper", "paper", "plastic", "red_plastic"), "hold"))
    bottom, crest = float(top.mesh.vertices[:, 2].min()), float(top.mesh.vertices[:, 2].max())
    grips = {
        "hold": body_grip(radius_at(profile, 0.4 * tall), 0.4 * bottom),
        "open": Grip(np.array([0, 0, (bottom + crest) / 2]), Z, radius, X),
    }
    return ObjectModel(kind, parts, grips, stands=True)


def _lid(mesh: Mesh, *looks: str, rng: Rng) -> Part:
    return Part("lid", mesh, choice(rng, *looks), "open")


def bottle(rng: Rng) -> ObjectModel:
    """A bottle: round or sloping shoulders, a screw cap."""
    radius, tall = between(rng, 0.028, 0.04), between(rng, 0.15, 0.23)
    neck = between(rng, 0.011, 0.016)
    shoulder = between(rng, 0.55, 0.72)
    profile = rounded(
        [
            (0.92 * radius, 0),
            (radius, 0.02 * tall),
            (radius, 0.3 * tall),
            (radius, shoulder * tall),
            (0.95 * radius, (shoulder + 0.08) * tall),
            (neck, between(rng, 0.84, 0.9) * tall),
            (neck, tall),
        ],
        2,
    )
    wide = between(rng, 1.12, 1.4) * neck
    top = _lid(
        cap(rng, wide, between(rng, 0.016, 0.03), tall - 0.01),
        "plastic",
        "white_plastic",
        "black_plastic",
        "red_plastic",
        "blue_plastic",
        "steel",
        rng=rng,
    )
    return _container(
        rng, "bottle", profile, ("glass", "clear_glass", "plastic", "white_plastic", "dark_glass"), top, wide
    )


def jar(rng: Rng) -> ObjectModel:
    """A wide jar with a cap."""
    radius, tall = between(rng, 0.032, 0.048), between(rng, 0.07, 0.12)
    profile = outline(radius, tall, [(0.9, 0), (1, 0.08), (1, 0.5), (1, 0.88), (0.86, 1)], 2)
    top = _lid(
        cap(rng, between(rng, 0.9, 1) * radius, between(rng, 0.014, 0.024), 0.95 * tall),
        "steel",
        "brass",
        "plastic",
        "white_plastic",
        "red_plastic",
        "black_plastic",
        rng=rng,
    )
    return _container(
        rng, "jar", profile, ("clear_glass", "glass", "clear_glass", "plastic", "honey"), top, radius
    )


def canister(rng: Rng) -> ObjectModel:
    """A straight canister with a lid."""
    radius, tall = between(rng, 0.04, 0.049), between(rng, 0.09, 0.15)
    profile = [(radius, 0.0), (radius, 0.5 * tall), (radius, tall)]
    cover = lid(1.03 * radius, tall, between(rng, 0.008, 0.018), between(rng, 0.01, 0.015), 0.02)
    return _container(
        rng,
        "canister",
        profile,
        ("ceramic", "white_ceramic", "steel", "plastic", "enamel"),
        _lid(cover, "wood", "light_wood", "plastic", "steel", "white_ceramic", rng=rng),
        0.016,
    )


def flask(rng: Rng) -> ObjectModel:
    """A vacuum flask or sports bottle."""
    radius, tall = between(rng, 0.03, 0.04), between(rng, 0.17, 0.23)
    profile = outline(radius, tall, [(0.95, 0), (1, 0.03), (1, 0.5), (1, 0.88), (0.8, 1)], 1)
    top = _lid(
        cap(rng, between(rng, 0.75, 0.95) * radius, between(rng, 0.028, 0.048), 0.98 * tall),
        "black_plastic",
        "steel",
        "plastic",
        "white_plastic",
        rng=rng,
    )
    return _container(
        rng, "flask", profile, ("steel", "steel", "plastic", "enamel", "dark_metal"), top, radius
    )
