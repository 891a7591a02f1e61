"""What the demo reports of one action: pictures, numbers, and what did not come."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from selcon_ros.demo.collector import GRASP_PIXELS, GRASP_POINTS, HEATMAP, IMAGE, OVERLAY, FrameMessages
from selcon_ros.demo.truth import DemoTruth, Nearest


@dataclass(frozen=True)
class ShownPoint:
    """One grasp point of the frame that is shown; position in metres in the camera's optical frame."""

    pixel: tuple[float, float]
    score: float
    position: tuple[float, float, float] | None = None
    orientation: tuple[float, float, float, float] | None = None
    width: float | None = None
    nearest: Nearest | None = None


@dataclass
class ActionResult:
    """The answer to one action: the frame that is shown, and the times and distances of all its frames."""

    action: str
    frames: int = 0
    grasped: int = 0
    stamp_ns: int = 0
    frame_id: str = ""
    confidence: float = math.nan
    overlay: NDArray[np.uint8] | None = None
    points: list[ShownPoint] = field(default_factory=list)
    latencies_ms: list[float] = field(default_factory=list)
    distances_mm: list[float] = field(default_factory=list)
    notes: str = ""
    missing: list[str] = field(default_factory=list)

    @property
    def nearest(self) -> Nearest | None:
        """The true part nearest to the best grasp point of the frame shown."""
        return self.points[0].nearest if self.points else None

    def to_json(self) -> dict[str, Any]:
        """What is written beside the picture: millimetres, and null for what is not known."""
        return {
            "action": self.action,
            "confidence": _number(self.confidence, 4),
            "stamp_ns": self.stamp_ns,
            "frame_id": self.frame_id,
            "frames": self.frames,
            "frames_with_3d_grasp_point": self.grasped,
            "latency_ms": {"median": _median(self.latencies_ms), "p95": _p95(self.latencies_ms)},
            "distance_to_part_mm": {
                "median": _median(self.distances_mm),
                "worst": _number(max(self.distances_mm, default=math.nan), 1),
            },
            "notes": self.notes,
            "missing": self.missing,
            "grasp_points": [_point_json(point) for point in self.points],
        }


def summarise(action: str, frames: list[FrameMessages], truth: DemoTruth) -> ActionResult:
    """Make the result of an action of the frames that answered it.

    The last complete frame with a grasp point in 3D is the one shown, or without any the last complete one.
    """
    if not frames:
        return ActionResult(action, missing=["an answer"])
    answers = [(frame, shown_points(frame, action, truth)) for frame in frames if not frame.missing()]
    if not answers:
        return ActionResult(action, frames=len(frames), missing=frames[-1].missing())
    best = [points[0] for _, points in answers if points and points[0].position is not None]
    shown, points = next(
        (each for each in reversed(answers) if each[1] and each[1][0].position is not None), answers[-1]
    )
    overlay = shown.message(OVERLAY)
    pixels = np.frombuffer(overlay.data, np.uint8).reshape(overlay.height, overlay.step // 3, 3)
    return ActionResult(
        action,
        frames=len(frames),
        grasped=len(best),
        stamp_ns=shown.stamp_ns,
        frame_id=shown.message(HEATMAP).header.frame_id,
        confidence=float(shown.status["confidence"]),
        overlay=pixels[:, : overlay.width],
        points=points,
        latencies_ms=[frame.latency_ms for frame in frames],
        distances_mm=[1e3 * point.nearest.distance for point in best if point.nearest is not None],
        notes=shown.status["grasp_notes"],
        missing=[] if best else [f"a grasp point in 3D ({shown.status['grasp_notes']})"],
    )


def shown_points(frame: FrameMessages, action: str, truth: DemoTruth) -> list[ShownPoint]:
    """Put together the grasp points of a complete frame from its pixels, poses and widths."""
    image = frame.message(IMAGE)
    pixels = np.frombuffer(image.data, np.uint8).reshape(image.height, image.width, 3)
    recorded = truth.frame(pixels)
    widths = [float(text) for text in frame.status["widths_m"].split()]
    # A point without a pose has no width either: so the poses find the pixels that they belong to.
    poses = iter(frame.message(GRASP_POINTS).poses)
    found = []
    for place, width in zip(frame.message(GRASP_PIXELS).polygon.points, widths, strict=True):
        point = ShownPoint((place.x, place.y), place.z)
        if math.isfinite(width) and (pose := next(poses, None)) is not None:
            p, q = pose.position, pose.orientation
            position = (p.x, p.y, p.z)
            nearest = truth.nearest(recorded, action, position) if recorded is not None else None
            point = ShownPoint(point.pixel, point.score, position, (q.x, q.y, q.z, q.w), width, nearest)
        found.append(point)
    return found


def _point_json(point: ShownPoint) -> dict[str, Any]:
    known = point.position is not None and point.orientation is not None
    return {
        "pixel": [_number(value, 1) for value in point.pixel],
        "score": _number(point.score, 4),
        "position_mm": [_number(1e3 * value, 1) for value in point.position or ()] if known else None,
        "orientation_xyzw": [_number(value, 5) for value in point.orientation or ()] if known else None,
        "width_mm": None if point.width is None else _number(1e3 * point.width, 1),
        "nearest_true_part": None
        if point.nearest is None
        else {
            "object": point.nearest.label.object,
            "part": point.nearest.label.part,
            "distance_mm": _number(1e3 * point.nearest.distance, 1),
        },
    }


def _number(value: float, digits: int) -> float | None:
    return round(float(value), digits) if math.isfinite(value) else None


def _median(values: list[float]) -> float | None:
    return _number(float(np.median(values)), 1) if values else None


def _p95(values: list[float]) -> float | None:
    return _number(float(np.percentile(values, 95)), 1) if values else None
