"""Painted images, depth and recordings whose parts the colour bundle can find."""

import math
from pathlib import Path

import numpy as np

from selcon_ros.core.cameras.camera import Intrinsics
from selcon_ros.core.grasps.rigid import Rigid
from selcon_ros.recording import PartLabel, RecordedFrame, write_recording
from support.bundles import COLOURS

LABELS = {
    1: PartLabel("knife", "blade", "cut_with"),
    2: PartLabel("knife", "handle", "hold"),
    3: PartLabel("bottle", "neck", "pour"),
}
INTRINSICS = Intrinsics(460.0, 460.0, 319.5, 239.5, 640, 480)
TABLE_MM = 800
PART_MM = 760
# Part number -> top left corner and size in pixels (x, y, width, height); a gripper of 10 cm opens over 60.
BOXES = {1: (80, 100, 160, 48), 2: (240, 100, 110, 48), 3: (420, 260, 52, 130)}


def level(turn: float) -> Rigid:
    """A camera that looks ahead from 1 m above a robot's base, whose image must be turned by so many degrees
    clockwise to be upright."""
    half = math.radians(turn) / 2
    rolled = Rigid((0.0, 0.0, math.sin(half), math.cos(half)), (0.0, 0.0, 0.0))
    return Rigid((0.5, -0.5, 0.5, -0.5), (0.0, 0.0, 1.0)) @ rolled


def scene(width: int = 320, height: int = 240, **parts: tuple[int, int, int, int]) -> np.ndarray:
    """A grey image with a part (left, top, right, bottom) painted for each action that it shall afford."""
    image = np.full((height, width, 3), 120, np.uint8)
    for action, (left, top, right, bottom) in parts.items():
        image[top:bottom, left:right] = COLOURS[action]
    return image


def bar_depth(width: int, height: int, part: tuple[int, int, int, int]) -> np.ndarray:
    """Millimetres: a table at 0.80 m, and the part 4 cm above it."""
    depth = np.full((height, width), 800, np.uint16)
    left, top, right, bottom = part
    depth[top:bottom, left:right] = 760
    return depth


def painted_frame(index: int) -> RecordedFrame:
    """Frame `index`: all moves three pixels to the right per frame; 5 frames a second suit a busy machine."""
    image = np.full((480, 640, 3), 128, np.uint8)
    depth = np.full((480, 640), TABLE_MM, np.uint16)
    labels = np.zeros((480, 640), np.uint8)
    for number, (x, y, width, height) in BOXES.items():
        area = np.s_[y : y + height, x + 3 * index : x + 3 * index + width]
        image[area] = COLOURS[LABELS[number].action]
        depth[area] = PART_MM
        labels[area] = number
    depth[:, :8] = 0  # a camera's blind edge
    return RecordedFrame(1_000_000_000 + index * 200_000_000, image, depth, INTRINSICS, labels)


def painted_recording(folder: Path, frames: int = 6) -> Path:
    """Write a recording of `frames` painted frames and return its folder."""
    write_recording(folder, (painted_frame(index) for index in range(frames)), LABELS)
    return folder
