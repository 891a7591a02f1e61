"""What every output of the node has to be, whatever came in."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PolygonStamped, Pose, PoseArray
from sensor_msgs.msg import Image, PointCloud2
from visualization_msgs.msg import Marker, MarkerArray

from fuzzing.report import bad_text
from selcon_ros.ros import interfaces

MAX_TEXT_LENGTH = 4000
"""Longest text in a status or a marker, in characters."""
PIXEL_TYPES = {"32FC1": (np.float32, 1), "bgr8": (np.uint8, 3), "mono8": (np.uint8, 1)}
Stamp = tuple[int, int]
Sizes = dict[Stamp, tuple[int, int]]


def faults(message: Any, sizes: Sizes) -> Iterator[str]:
    """What is wrong with an output message.

    `sizes` are widths and heights that the images with a stamp had at most.
    """
    if isinstance(message, MarkerArray):
        for marker in message.markers:
            yield from _marker(marker)
        return
    stamp = (message.header.stamp.sec, message.header.stamp.nanosec)
    if isinstance(message, DiagnosticArray):
        yield from _status(message)
        if message.status and message.status[0].name.endswith("grounding") and stamp not in sizes:
            return  # /diagnostics are stamped with the node's clock
    elif stamp not in sizes:
        yield f"stamp {stamp} is none of an image that was sent"
    if isinstance(message, Image):
        yield from _image(message)
    elif isinstance(message, PointCloud2):
        yield from _cloud(message)
    elif isinstance(message, PoseArray):
        for pose in message.poses:
            yield from _grasp_pose(pose)
    elif not interfaces.MISSING and isinstance(message, interfaces.AffordanceResult):
        yield from _result(message, sizes.get(stamp, (0, 0)))
    elif isinstance(message, PolygonStamped):
        width, height = sizes.get(stamp, (0, 0))
        for point in message.polygon.points:
            inside = -0.5 <= point.x <= width - 0.5 and -0.5 <= point.y <= height - 0.5
            if not inside:
                yield f"pixel ({point.x}, {point.y}) lies outside the image of {width} x {height}"
            if not 0 <= point.z <= 1:
                yield f"a score of {point.z}"


def _result(message: Any, most: tuple[int, int]) -> Iterator[str]:
    size = message.image_width, message.image_height
    if not (0 < size[0] <= most[0] and 0 < size[1] <= most[1]):
        yield f"a result of an image of {size[0]} x {size[1]}, which has {most[0]} x {most[1]}"
    for name, value in (
        ("confidence", message.confidence),
        *(("score", each.score) for each in message.grasps),
    ):
        if not 0 <= value <= 1:
            yield f"a {name} of {value}"
    for grasp in message.grasps:
        if grasp.has_pose:
            yield from _grasp_pose(grasp.pose)
        if grasp.has_pose != (grasp.width > 0) or grasp.has_pose != math.isfinite(grasp.pose.position.x):
            yield f"a grasp of width {grasp.width} at x = {grasp.pose.position.x}, has_pose {grasp.has_pose}"
        if not (-0.5 <= grasp.pixel.x <= size[0] - 0.5 and -0.5 <= grasp.pixel.y <= size[1] - 0.5):
            yield f"a grasp at pixel ({grasp.pixel.x}, {grasp.pixel.y}), outside the image"
        if not all(math.isfinite(value) for each in grasp.jaws for value in (each.x, each.y)):
            yield f"jaws at {grasp.jaws}"
    for reason in (*message.reasons, *(each.reason for each in message.grasps)):
        if bad := bad_text(reason.text, MAX_TEXT_LENGTH):
            yield f"a reason: {bad}"


def _grasp_pose(pose: Pose) -> Iterator[str]:
    yield from _pose(pose)
    if not pose.position.z > 0:
        yield f"a grasp pose at z = {pose.position.z}, not in front of the camera"


def _image(message: Image) -> Iterator[str]:
    kind, channels = PIXEL_TYPES[message.encoding]
    row = message.width * channels * np.dtype(kind).itemsize
    if message.step != row or len(message.data) != row * message.height or not row:
        yield (
            f"an output of {message.width} x {message.height} {message.encoding} has step {message.step} "
            f"and {len(message.data)} bytes"
        )
    elif message.encoding == "32FC1":
        values = np.frombuffer(message.data, np.float32)
        if not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1):
            yield f"heat from {values.min()} to {values.max()}"


def _cloud(cloud: PointCloud2) -> Iterator[str]:
    size, row = cloud.height * cloud.width, cloud.width * cloud.point_step
    if cloud.row_step != row or len(cloud.data) != row * cloud.height:
        yield (
            f"a cloud of {cloud.width} x {cloud.height} has steps {cloud.point_step} and {cloud.row_step}, "
            f"and {len(cloud.data)} bytes"
        )
        return
    offsets = {each.name: each.offset for each in cloud.fields}
    table = np.frombuffer(cloud.data, np.uint8).reshape(size, cloud.point_step)
    for name in ("x", "y", "z", "heat"):
        start = offsets[name]
        values = np.ascontiguousarray(table[:, start : start + 4]).view(np.float32)
        kept = values[np.isfinite(values)]
        if cloud.is_dense and len(kept) < size:
            yield f"a dense cloud with {size - len(kept)} {name} that are not finite"
        if len(kept) and name == "heat" and not (kept.min() >= 0 and kept.max() <= 1):
            yield f"heat in the cloud from {kept.min()} to {kept.max()}"
        if len(kept) and name == "z" and not kept.min() > 0:
            yield f"a point at z = {kept.min()}, not in front of the camera"


def _pose(pose: Pose) -> Iterator[str]:
    p, q = pose.position, pose.orientation
    if not all(math.isfinite(each) for each in (p.x, p.y, p.z, q.x, q.y, q.z, q.w)):
        yield f"a pose that is not finite: {p}, {q}"
    elif abs(math.hypot(q.x, q.y, q.z, q.w) - 1) > 1e-3:
        yield f"a quaternion of length {math.hypot(q.x, q.y, q.z, q.w)}"


def _marker(marker: Marker) -> Iterator[str]:
    if marker.action != Marker.ADD:
        return
    yield from _pose(marker.pose)
    numbers = [marker.scale.x, marker.scale.y, marker.scale.z]
    numbers += [value for point in marker.points for value in (point.x, point.y, point.z)]
    if not all(math.isfinite(each) for each in numbers) or min(numbers[:3]) < 0:
        yield f"a marker with numbers {numbers}"
    if said := bad_text(marker.text, MAX_TEXT_LENGTH):
        yield f"a marker's text: {said}"


def _status(message: DiagnosticArray) -> Iterator[str]:
    for status in message.status:
        texts = [status.name, status.message, status.hardware_id]
        for text in [*texts, *(each.value for each in status.values)]:
            if said := bad_text(text, MAX_TEXT_LENGTH):
                yield f"diagnostics: {said}"
        values = {each.key: each.value for each in status.values}
        confidence = values.get("confidence")
        if confidence is not None and not 0 <= float(confidence) <= 1:
            yield f"a confidence of {confidence}"
