"""What was found of an action in an image, as key and value."""

from __future__ import annotations

from diagnostic_msgs.msg import DiagnosticStatus

from selcon_ros.core.grasps.grasp_result import GraspResult
from selcon_ros.core.text import one_line
from selcon_ros.ros.diagnostics import AnswerTimes, key_values


def action_status(
    name: str, action: str, confidence: float, grasps: GraspResult, frame: str, times: AnswerTimes
) -> DiagnosticStatus:
    """The status of one action: how sure the model is, the grasp points, and how long the image took.

    `frame` is that of the poses.
    """
    values = {
        "action": action,
        "confidence": f"{confidence:.4f}",
        "frame": frame,
        **grasp_facts(grasps),
        **{f"{part}_ms": f"{1e3 * seconds:.3f}" for part, seconds in times.parts().items()},
    }
    count = len(grasps.points)
    points = f"{count} grasp point{'' if count == 1 else 's'}"
    text = f"{action}: confidence {confidence:.2f}, {points}"
    return DiagnosticStatus(name=name, message=one_line(text), values=key_values(values))


def grasp_facts(grasps: GraspResult) -> dict[str, str]:
    """What the poses do not say of grasp points: widths, and why a pose or a point is missing."""
    notes = [f"point {number}: {point.note}" for number, point in enumerate(grasps.points) if point.note]
    widths = ["nan" if point.width is None else f"{point.width:.4f}" for point in grasps.points]
    return {
        "grasp_points": str(len(grasps.points)),
        "widths_m": " ".join(widths),
        "grasp_notes": "; ".join([*notes, *map(str, grasps.refused)]),
    }
