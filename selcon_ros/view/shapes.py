"""What a frame looks like in three dimensions, as arrays; in the camera's optical frame, in metres."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from selcon_ros.core.cameras.depth_points import deproject
from selcon_ros.core.grasps.grasp_result import GraspPoint
from selcon_ros.core.outputs.gripper_drawing import COLOURS, gripper_lines
from selcon_ros.core.outputs.overlay import tint
from selcon_ros.view.scene import ActionAnswer, ViewFrame

Points = NDArray[np.float32]
Colours = NDArray[np.uint8]
FADE_SHARE = 0.55
"""How far the colour of all but the best grasp goes towards grey."""


def shown_heat(frame: ViewFrame) -> NDArray[np.float32]:
    """Return the heat [H, W], 0..1, of the actions that the model is sure enough of; the hottest counts."""
    heat = np.zeros(frame.image.shape[:2], np.float32)
    for answer in frame.answers:
        if answer.heatmap.confidence >= frame.thresholds.min_confidence:
            np.maximum(heat, answer.heatmap.values, out=heat)
    return heat


def coloured_cloud(frame: ViewFrame, stride: int = 1) -> tuple[Points, Colours]:
    """Return the points [N, 3] of every `stride`-th row and column, and their colours [N, 3], RGB with heat.

    Empty for a frame without depth.
    """
    if frame.depth is None or frame.intrinsics is None:
        return np.empty((0, 3), np.float32), np.empty((0, 3), np.uint8)
    every = np.s_[::stride, ::stride]
    colours = np.ascontiguousarray(frame.image[every])
    if colours is frame.image or colours.base is frame.image:
        colours = colours.copy()
    tint(colours, np.ascontiguousarray(shown_heat(frame)[every]))
    points = deproject(frame.depth[every], frame.intrinsics, step=stride)
    there = np.isfinite(points[..., 2])
    return points[there], colours[there]


def point_size(points: Points, frame: ViewFrame, stride: int) -> float:
    """Return the side in metres at which neighbouring points of the middle distance touch."""
    if frame.intrinsics is None or not len(points):
        return 0.001
    return float(np.median(points[:, 2])) * stride / frame.intrinsics.fx


def posed(answer: ActionAnswer) -> list[GraspPoint]:
    """Return the grasp points of an answer that have a pose, best first."""
    return [
        point
        for point in answer.grasps.points
        if point.position is not None and point.orientation is not None
    ]


def colour_of(place: int) -> tuple[int, int, int]:
    """Return the colour of the action at this place of the list that is asked for, RGB."""
    red, green, blue = (round(255 * value) for value in COLOURS[place % len(COLOURS)])
    return red, green, blue


def grippers(points: list[GraspPoint], place: int) -> tuple[Points, Colours]:
    """Return lines [N, 2, 3] and colours [N, 2, 3] of grasps that have a pose; all but the first are fainter.

    place: of the action in the list that is asked for.
    """
    lines = [gripper_lines(point) for point in points]
    best = np.array(colour_of(place), np.float32)
    faint = best + FADE_SHARE * (160 - best)
    shades = [np.broadcast_to(faint if number else best, each.shape) for number, each in enumerate(lines)]
    if not lines:
        return np.empty((0, 2, 3), np.float32), np.empty((0, 2, 3), np.uint8)
    return np.concatenate(lines), np.rint(np.concatenate(shades)).astype(np.uint8)
