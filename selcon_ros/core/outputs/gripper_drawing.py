"""How a grasp point is drawn in three dimensions: sizes, colours and lines."""

import numpy as np
from numpy.typing import NDArray

from selcon_ros.core.grasps.grasp_result import GraspPoint
from selcon_ros.core.grasps.rigid import Rigid

ARROW_LENGTH = 0.10
"""Metres from where the hand comes to the grasp point, along the approach direction."""
FINGER_LENGTH = 0.03
UNKNOWN_WIDTH = 0.02
"""Metres between the fingers that are drawn when the width is not known."""
Colour = tuple[float, float, float]
COLOURS: tuple[Colour, ...] = (
    (0.1, 0.9, 0.2),
    (0.2, 0.5, 1.0),
    (1.0, 0.6, 0.1),
    (0.9, 0.2, 0.8),
    (0.1, 0.9, 0.9),
    (1.0, 0.9, 0.1),
    (1.0, 0.3, 0.3),
    (0.6, 0.4, 1.0),
)
"""RGB of what is drawn of the first action of a list, the second and so on; after the last from the start."""


def gripper_lines(point: GraspPoint) -> NDArray[np.float32]:
    """Return the lines [4, 2, 3] of a gripper that is open by the grasp's width: start and end in metres.

    They are in the frame of the pose: two fingers that end level with the grasp point, the palm between them,
    and the arm behind it, along the approach direction. The point must have a pose.
    """
    assert point.position is not None and point.orientation is not None
    half = 0.5 * (UNKNOWN_WIDTH if point.width is None else point.width)
    palm = -FINGER_LENGTH
    lines = np.array(
        [
            [[-half, 0, 0], [-half, 0, palm]],
            [[half, 0, 0], [half, 0, palm]],
            [[-half, 0, palm], [half, 0, palm]],
            [[0, 0, palm], [0, 0, -ARROW_LENGTH]],
        ]
    )
    return Rigid(point.orientation, point.position).points(lines)
