"""Poses and clouds in the frame that the parameter `target_frame` names, by tf2 where it is installed."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

from rclpy.node import Node
from rclpy.time import Time
from std_msgs.msg import Header

from selcon_ros.core.errors import CameraError, first_line
from selcon_ros.core.grasps.grasp_result import GraspResult, Refusal
from selcon_ros.core.grasps.rigid import Rigid
from selcon_ros.core.reason import Reason
from selcon_ros.core.text import one_line, quoted
from selcon_ros.ros.diagnostics import Health

PROBLEM_SOURCE = "target_frame"
POLL_SECONDS = 0.005
"""Seconds between two looks for a transform that is on its way."""
NEAREST_SECONDS = 1.0
"""How far from the stamp of an image the newest transform may be to tell where up is."""


@dataclass(frozen=True)
class PoseFrame:
    """The frame that the poses and clouds of an image are in.

    header: the image's stamp and that frame. rigid: how they get there from the camera's frame; None: they
    stay as they are. missing: why they are not in the target frame; None: they are, or there is none.
    """

    header: Header
    rigid: Rigid | None = None
    missing: Refusal | None = None

    def grasps(self, found: GraspResult) -> GraspResult:
        """Return what was found in the camera's frame with its poses in this one; where that is not the
        target frame, that is among what was refused."""
        moved = found if self.rigid is None else self.rigid.grasps(found)
        if self.missing is None or all(point.position is None for point in found.points):
            return moved
        return replace(moved, refused=(*moved.refused, self.missing))


class TargetFrameLookup:
    """Finds where the camera is in the target frame at the stamp of an image.

    Without a target frame nothing is imported, and /tf is not subscribed to. Transforms are received in the
    executor's thread between `subscribe` and `unsubscribe`; the one that makes results waits for them.
    """

    def __init__(self, node: Node, health: Health, target: str) -> None:
        """Import tf2 if there is a target frame.

        `target` is its name; "": the camera's own frame.
        """
        self._node, self._health, self._target = node, health, target
        self._tf2: Any = None
        self._buffer: Any = None
        self._listener: Any = None
        self._without_tf2: Refusal | None = None
        if not target:
            return
        try:
            self._tf2 = import_module("tf2_ros")
        except ImportError as error:
            what = "tf2_ros cannot be imported (install ros-$ROS_DISTRO-tf2-ros-py)"
            self._without_tf2 = self._report(what, first_line(error))

    def subscribe(self) -> None:
        """Listen to /tf and /tf_static, if there is a target frame and tf2. Transforms of before are gone."""
        if self._tf2 is not None and self._listener is None:
            self._buffer = self._tf2.Buffer()
            self._listener = self._tf2.TransformListener(self._buffer, self._node)

    def unsubscribe(self) -> None:
        """Listen no more."""
        if self._listener is not None:
            self._listener.unregister()
            self._listener = None

    def of(self, header: Header, wait: float) -> PoseFrame:
        """The frame that poses and clouds of an image are in.

        Without a transform at the image's stamp they stay in the camera's frame, as their header says, and
        that is reported. `wait` is how many seconds to wait for one that is on its way.
        """
        if header.frame_id == self._target:
            return PoseFrame(header)
        if self._buffer is None:
            return PoseFrame(header, missing=self._without_tf2)
        try:
            found = self._look_up(header, wait)
        except (self._tf2.TransformException, CameraError, ValueError) as error:
            where = (
                f"no transform from {quoted(header.frame_id)} to {quoted(self._target)} at the image's stamp"
            )
            return PoseFrame(header, missing=self._report(where, first_line(error)))
        self._health.solved(PROBLEM_SOURCE)
        return PoseFrame(Header(stamp=header.stamp, frame_id=self._target), found)

    def nearest(self, header: Header) -> Rigid:
        """Where the camera is in the target frame at the stamp of an image, or last, without waiting.

        Raises CameraError if that is not known, or further than `NEAREST_SECONDS` from the stamp.
        """
        if not self._target:
            raise CameraError("there is no target_frame, whose z points up: set it at the start")
        if header.frame_id == self._target:
            raise CameraError(
                f"target_frame is the camera's own, {quoted(self._target)}: take one whose z points up"
            )
        if self._without_tf2 is not None:
            raise CameraError(self._without_tf2.text)
        where = f"no transform from {quoted(header.frame_id)} to {quoted(self._target)}"
        if self._buffer is None:
            raise CameraError(f"{where}: the node does not listen")
        stamp = Time.from_msg(header.stamp)
        try:
            known = self._buffer.can_transform(self._target, header.frame_id, stamp)
            found = self._buffer.lookup_transform(self._target, header.frame_id, stamp if known else Time())
            camera = _rigid(found.transform)
        except (self._tf2.TransformException, CameraError, ValueError) as error:
            raise CameraError(f"{where}: {first_line(error)}") from None
        away = 1e-9 * abs(stamp.nanoseconds - Time.from_msg(found.header.stamp).nanoseconds)
        if not known and away > NEAREST_SECONDS:
            raise CameraError(f"{where} at the image's stamp: the newest is {away:.1f} s away")
        return camera

    def _look_up(self, header: Header, wait: float) -> Rigid:
        buffer, stamp, source = self._buffer, Time.from_msg(header.stamp), header.frame_id
        end = time.monotonic() + wait
        # Where the frames are not connected at all, waiting would only make every answer late.
        while (
            time.monotonic() < end
            and not buffer.can_transform(self._target, source, stamp)
            and buffer.can_transform(self._target, source, Time())
        ):
            time.sleep(POLL_SECONDS)
        return _rigid(buffer.lookup_transform(self._target, source, stamp).transform)

    def _report(self, what: str, why: str) -> Refusal:
        text = f"poses, markers and cloud stay in the camera's frame: {what}: {why}"
        self._health.problem(PROBLEM_SOURCE, text)
        return Refusal(Reason.NO_TRANSFORM, one_line(text))


def _rigid(found: Any) -> Rigid:
    moved, turned = found.translation, found.rotation
    return Rigid((turned.x, turned.y, turned.z, turned.w), (moved.x, moved.y, moved.z))
