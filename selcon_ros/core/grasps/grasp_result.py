"""What the search for grasp points returns: points, and why there is none."""

from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from selcon_ros.core.reason import Reason

Pixel = tuple[float, float]


@dataclass(frozen=True)
class Refusal:
    """Why there is no grasp point: a reason for programs, and a text for people."""

    reason: Reason
    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class PartMask:
    """The hot region of a heatmap around a grasp point, cropped.

    origin: (u, v), the image's pixel of the mask's first.
    step: one pixel of the mask stands for this many of the image in each direction; 1 but for a large part.
    mask: [h, w] bool; element (j, i) is the image's pixel (u + step * i, v + step * j).
    """

    origin: tuple[int, int]
    step: int
    mask: NDArray[np.bool_]


@dataclass(frozen=True)
class GraspPoint:
    """Where to grasp.

    pixel: (u, v) in the camera image, on the part.
    score: 0..1, the heatmap's confidence for the best region, less for smaller ones.
    position: (x, y, z) in metres on the part's surface, in the camera's optical frame.
    orientation: quaternion (x, y, z, w); its z axis is the approach direction, into the object, its x axis
        the closing direction of the gripper, across the region's thin axis.
    width: metres to close over.
    jaws: the two pixels where the fingers would touch; they may lie outside of the image, by half its longer
        side at most.
    note, reason: what limits the answer, for people and for programs; "" and None where nothing does. Without
        usable depth there is no position, orientation or width, and these say why.
    part: the hot region that the point was found in. It does not count when points are compared.
    """

    pixel: Pixel
    score: float
    position: tuple[float, float, float] | None = None
    orientation: tuple[float, float, float, float] | None = None
    width: float | None = None
    jaws: tuple[Pixel, Pixel] | None = None
    note: str = ""
    reason: Reason | None = None
    part: PartMask | None = field(default=None, compare=False, repr=False)

    def record(self) -> dict[str, Any]:
        """Return everything but `part` by name, as JSON takes it."""
        return {each.name: getattr(self, each.name) for each in fields(self) if each.name != "part"}


@dataclass(frozen=True)
class GraspResult:
    """Grasp points, best first, and what was refused: why there are none, or why a region gave none."""

    points: tuple[GraspPoint, ...] = ()
    refused: tuple[Refusal, ...] = ()


NO_GRASPS = GraspResult()
