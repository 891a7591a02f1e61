"""What an object of the tabletop world is made of: parts that afford actions, and grips for hands. Metres."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from selcon_tabletop.shapes import Mesh, Points

ACTIONS = ("brush_with", "cut_with", "drink_with", "hit", "hold", "open", "pour", "stir")

# What a token may belong to, for encoder training and the oracle experiment; 0 is everything else.
PART_KINDS = (
    "background",
    "blade",
    "head",
    "scoop",
    "bristles",
    "rim",
    "spout",
    "lid",
    "rod_handle",
    "loop_handle",
    "body",
    "plain",
    "clutter",
    "hand",
    "inside",
    "ring",
)


@dataclass(frozen=True)
class Part:
    """A part of an object: its mesh, what it is made to look like, and the action it affords, if any.

    `texture` H×W×3 uint8 RGB, if any, is laid on the mesh by its `uv` in place of the colour that `look`
    would give; `look` still says how the surface reflects.
    """

    kind: str
    mesh: Mesh
    look: str
    action: str | None = None
    texture: NDArray[np.uint8] | None = None


@dataclass(frozen=True)
class Grip:
    """Where a hand closes: a cylinder of `radius` metres about `axis` through `point`; `away` points towards
    the palm."""

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


def between(rng: Rng, low: float, high: float) -> float:
    """Return a uniform draw."""
    return float(rng.uniform(low, high))


def choice(rng: Rng, *names: str) -> str:
    """Return one of the names."""
    return str(rng.choice(names))
