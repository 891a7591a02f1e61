"""Makes frames out of what is heard of a node."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from numpy.typing import NDArray

from selcon_ros.core.cameras.camera import Intrinsics
from selcon_ros.core.errors import SelconError
from selcon_ros.core.grasps.grasp_result import GraspPoint, GraspResult
from selcon_ros.core.grounding.heatmap import Heatmap
from selcon_ros.core.outputs.overlay import draw
from selcon_ros.ros.conversions import image_from_message
from selcon_ros.view.scene import (
    ActionAnswer,
    Diagnostic,
    DiagnosticLevel,
    TargetFrame,
    Thresholds,
    ViewFrame,
)
from selcon_ros.view.sources.node_listener import NodeListener, stamp_of

SILENCE_SECONDS = 4.0
"""Seconds without diagnostics after which the node is taken for gone; longer where it says them rarely."""
LEVEL_OF_STATUS: tuple[DiagnosticLevel, ...] = ("ok", "warning", "error", "error")
BLANK_IMAGE = np.full((480, 640, 3), 40, np.uint8)


class ImageMessages:
    """What is heard of one image; made while nothing changes."""

    def __init__(self, listener: NodeListener, stamp: int) -> None:
        status: DiagnosticArray = listener.statuses[stamp]
        self.image = listener.images[stamp]
        self.overlay = listener.overlays.get(stamp)
        self.actions = listener.actions_of(status)
        self.values = [{each.key: each.value for each in one.values} for one in status.status]
        self.heatmaps, self.poses, self.pixels = (
            [listener.heard_of(kind, self.actions, action)[stamp] for action in self.actions]
            for kind in ("heatmap", "grasp_points", "grasp_pixels")
        )
        self.pose_frame = self.poses[0].header.frame_id if self.poses else ""


def frame_of(number: int, listener: NodeListener, messages: ImageMessages) -> ViewFrame:
    """Return an image with the answers about it. Raises ValueError, also as SelconError, for odd messages."""
    notes: list[Diagnostic] = []
    image = image_from_message(messages.image, listener.settings.limit)
    header = messages.image.header
    depth, intrinsics = _geometry(listener, header, image)
    target = _target(listener, messages, notes)
    answers = tuple(
        _answer(messages, number, image, target, listener) for number in range(len(messages.actions))
    )
    times = {
        key.removesuffix("_ms"): float(value)
        for key, value in messages.values[0].items()
        if key.endswith("_ms")
    }
    return ViewFrame(
        number=number,
        stamp=stamp_of(header) / 1e9,
        frame_id=header.frame_id,
        image=image,
        depth=depth,
        intrinsics=intrinsics,
        answers=answers,
        confidences={answer.action: answer.heatmap.confidence for answer in answers},
        thresholds=thresholds_of(listener),
        times=times,
        diagnostics=(*notes, *_state(listener)),
        target=target,
    )


def frame_without_answer(
    number: int, listener: NodeListener, last: ViewFrame | None, fault: str = ""
) -> ViewFrame:
    """Return what is known while no answers come: the last one, or the newest image if there is none to come.

    fault: what is wrong with an answer that came.
    """
    with listener.changed:
        newest = next(reversed(listener.images.values()), None)
        node_status = listener.node_status
    idle = node_status is not None and node_status.values.get("action", "none") == "none"
    notes = [Diagnostic("error", f"an answer cannot be used: {fault}")] if fault else []
    stamp = 0.0 if newest is None else stamp_of(newest.header) / 1e9
    frame = (
        ViewFrame(0, 0.0, "", BLANK_IMAGE, None, None, (), {}, thresholds_of(listener))
        if last is None
        else last
    )
    # An answer that is the last one for the present stays on show.
    if newest is not None and stamp > frame.stamp and (idle or not frame.answers):
        try:
            image = image_from_message(newest, listener.settings.limit)
            depth, intrinsics = _geometry(listener, newest.header, image)
            frame = ViewFrame(
                0, stamp, newest.header.frame_id, image, depth, intrinsics, (), {}, thresholds_of(listener)
            )
        except SelconError as error:
            notes.append(Diagnostic("error", str(error)))
    return replace(
        frame,
        number=number,
        answers=() if idle else frame.answers,
        thresholds=thresholds_of(listener),
        diagnostics=(*notes, *_state(listener)),
    )


def _geometry(
    listener: NodeListener, header: Any, image: NDArray[np.uint8]
) -> tuple[NDArray[np.float32], Intrinsics] | tuple[None, None]:
    """The depth and the calibration of an image; both, or none."""
    size = (image.shape[1], image.shape[0])
    depth, intrinsics = listener.depth.of(header, size, listener.settings)
    return (None, None) if depth is None or intrinsics is None else (depth, intrinsics)


def _target(listener: NodeListener, messages: ImageMessages, notes: list[Diagnostic]) -> TargetFrame | None:
    """Where the frame of the poses is, if that is not the camera's."""
    posed, header = messages.pose_frame, messages.image.header
    if posed in ("", header.frame_id):
        return None
    lookup = listener.lookup(header.frame_id)
    if lookup is not None:
        found = lookup.of(type(header)(stamp=header.stamp, frame_id=posed), 0.0)
        if found.rigid is not None and found.header.frame_id == header.frame_id:
            return TargetFrame(posed, found.rigid)
    text = f"the poses are in {posed}, and there is no transform to {header.frame_id}: they are not shown"
    notes.append(Diagnostic("warning", text))
    return None


def thresholds_of(listener: NodeListener) -> Thresholds:
    """Return the thresholds that the node has at present."""
    return Thresholds(**{name: getattr(listener.settings, name) for name in asdict(Thresholds())})


def _state(listener: NodeListener) -> tuple[Diagnostic, ...]:
    """What the node says of itself, what is wrong here, and what it has refused."""
    lines = []
    node_status = listener.node_status
    if listener.refused:
        lines.append(Diagnostic("error", f"the node refuses that: {listener.refused}"))
    silent = time.monotonic() - listener.heard_at
    if silent > max(SILENCE_SECONDS, 3 * listener.settings.diagnostics_period):
        lines.append(Diagnostic("error", f"nothing is heard of the node for {silent:.0f} s: is it running?"))
    elif node_status is not None:
        *problems, doing = node_status.message.split("; ")
        lines += [
            Diagnostic(LEVEL_OF_STATUS[min(node_status.level, len(LEVEL_OF_STATUS) - 1)], each)
            for each in problems
        ]
        lines.append(Diagnostic("ok", doing))
    lines += [Diagnostic("warning", f"here: {text}") for text in listener.health.problems.values()]
    return tuple(lines)


def _answer(
    messages: ImageMessages,
    number: int,
    image: NDArray[np.uint8],
    target: TargetFrame | None,
    listener: NodeListener,
) -> ActionAnswer:
    """What the messages say of one action."""
    action, values = messages.actions[number], messages.values[number]
    heat = messages.heatmaps[number]
    kind = np.dtype(np.float32).newbyteorder(">" if heat.is_bigendian else "<")
    map_ = np.frombuffer(heat.data, kind).reshape(heat.height, heat.width).astype(np.float32)
    heatmap = Heatmap(action, map_, float(values.get("confidence", "nan")))
    posed = messages.poses[number].header.frame_id
    hidden = posed != messages.image.header.frame_id and target is None
    grasps = _grasps(messages.pixels[number], messages.poses[number], values, hidden)
    if target is not None:
        grasps = target.pose.grasps(grasps)
    overlay = messages.overlay if number == 0 else None
    picture = (
        draw(image, heatmap, grasps)
        if overlay is None
        else image_from_message(overlay, listener.settings.limit)
    )
    return ActionAnswer(heatmap, grasps, picture, values.get("grasp_notes", ""))


def _grasps(pixels: Any, poses: Any, values: Mapping[str, str], hidden: bool) -> GraspResult:
    """Join pixels and scores, widths, and poses: a point without a width has no pose."""
    widths = [float(each) for each in values.get("widths_m", "").split()]
    left = iter(poses.poses)
    points = []
    for number, pixel in enumerate(pixels.polygon.points):
        point = GraspPoint((float(pixel.x), float(pixel.y)), float(pixel.z))
        width = widths[number] if number < len(widths) else math.nan
        pose = None if math.isnan(width) else next(left, None)
        if pose is not None and not hidden:
            at, turned = pose.position, pose.orientation
            point = replace(
                point,
                position=(at.x, at.y, at.z),
                orientation=(turned.x, turned.y, turned.z, turned.w),
                width=width,
            )
        points.append(point)
    return GraspResult(tuple(points))
