"""What the search for grasp points returns: points, and why there is none."""

from dataclasses import dataclass
from enum import Enum

Pixel = tuple[float, float]


class Reason(str, Enum):
    """Why a heatmap or a region gives no grasp point, or a point no pose."""

    LOW_CONFIDENCE = "low_confidence"
    """The heatmap's confidence is below `min_confidence`."""
    UNCALIBRATED = "uncalibrated"
    """No confidence was fitted for this action."""
    FLAT = "flat"
    """The heatmap has no peak."""
    LOW_CONTRAST = "low_contrast"
    """The peak hardly exceeds the image's mean heat."""
    TOO_SMALL = "too_small"
    """The largest hot region has too few pixels."""
    TOO_WIDE = "too_wide"
    """The part is wider than the gripper opens."""
    NO_DEPTH = "no_depth"
    """No depth image was given."""
    NO_CAMERA = "no_camera"
    """No camera calibration was given."""
    FEW_DEPTHS = "few_depths"
    """The part has too few valid depths, or none."""
    NO_POSE = "no_pose"
    """A pose was found, but cannot be right."""
    CUT_OFF = "cut_off"
    """The image border cuts the part off: its width is a lower bound. The pose holds."""
    NOT_ASKED = "not_asked"
    """Nobody asked for grasp points."""


@dataclass(frozen=True)
class Refusal:
    """Why there is no grasp point: a reason for programs, and a text for people."""

    reason: Reason
    text: str

    def __str__(self) -> str:
        return self.text


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
    """

    pixel: Pixel
    score: float
    position: tuple[float, float, float] | None = None
    orientation: tuple[float, float, float, float] | None = None
    width: float | None = None
    jaws: tuple[Pixel, Pixel] | None = None
    note: str = ""
    reason: Reason | None = None


@dataclass(frozen=True)
class GraspResult:
    """Grasp points, best first, and what was refused: why there are none, or why a region gave none."""

    points: tuple[GraspPoint, ...] = ()
    refused: tuple[Refusal, ...] = ()


NO_GRASPS = GraspResult()
