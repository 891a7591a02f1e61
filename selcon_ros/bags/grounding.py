"""Grounds the images of one stretch of a bag, as the node would with every image and its depth at hand."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseArray
from numpy.typing import NDArray
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from selcon_ros.bags.plan import Plan, Segment
from selcon_ros.bags.reader import BagError, BagReader, Message, stamp_of
from selcon_ros.bags.topics import TYPES
from selcon_ros.core.camera import Intrinsics
from selcon_ros.core.errors import SelconError, first_line
from selcon_ros.core.grasp import find_grasps
from selcon_ros.core.grasp_result import GraspResult
from selcon_ros.core.heatmap import Heatmap
from selcon_ros.core.overlay import draw
from selcon_ros.core.text import one_line
from selcon_ros.model import Model
from selcon_ros.ros.conversions import Pixels, fill_image, image_from_message
from selcon_ros.ros.depth import Depth
from selcon_ros.ros.diagnostics import Times
from selcon_ros.ros.markers import GraspMarkers, grasp_pose
from selcon_ros.ros.registered import registered_depth, registered_intrinsics
from selcon_ros.ros.status import action_status

BESIDE = 1.0
"""Seconds around a stretch in which depth and calibration of its images are looked for."""
QUALITY = 85
"""Of the overlays' JPEG."""
NAME = "selcon ground-bag"
Output = tuple[str, str, bytes]
"""Topic, type and message in CDR."""


@dataclass(frozen=True)
class Row:
    """What one image says of one action: a line of the table. Positions in metres; NaN where there is none.

    u, v, score, position, orientation and width are those of the best grasp point. note: why something is
    missing, or the image's fault.
    """

    received: int
    stamp: int
    action: str
    confidence: float
    points: int
    u: float = math.nan
    v: float = math.nan
    score: float = math.nan
    x: float = math.nan
    y: float = math.nan
    z: float = math.nan
    qx: float = math.nan
    qy: float = math.nan
    qz: float = math.nan
    qw: float = math.nan
    width: float = math.nan
    note: str = ""


@dataclass(frozen=True)
class Grounded:
    """An image's messages, its rows, and the overlay of each action, RGB."""

    received: int
    outputs: list[Output]
    rows: list[Row]
    overlays: dict[str, Pixels]


def ground_segment(model: Model, reader: BagReader, plan: Plan, segment: Segment) -> Iterator[Grounded]:
    """Yield what is found in each image of a stretch; an image with a fault has a row that says so."""
    near = _Near(reader, plan, segment)
    markers = GraspMarkers()
    for connection, received, data in _images(reader, plan, segment):
        try:
            message = _message(data, connection.msgtype)
            yield _ground(model, plan, message, received, near, markers)
        except SelconError as error:
            yield _fault(plan, received, data, first_line(error))


def _images(reader: BagReader, plan: Plan, segment: Segment) -> Iterator[Message]:
    return reader.messages(reader.of(plan.topics.image), segment.start, segment.end)


def _fault(plan: Plan, received: int, data: bytes, fault: str) -> Grounded:
    note, stamp = one_line(fault, 300), _stamp(data) or 0
    rows = [Row(received, stamp, action, math.nan, 0, note=note) for action in plan.actions]
    return Grounded(received, [], rows, {})


def _message(data: bytes, kind: str) -> Any:
    try:
        return deserialize_message(bytes(data), TYPES[kind])
    except Exception as error:  # whatever the middleware throws
        raise BagError(f"a {kind} cannot be read: {first_line(error)}") from error


def _stamp(data: bytes) -> int | None:
    """A message's stamp in ns; None for what is damaged."""
    try:
        return stamp_of(bytes(data[:16]))
    except BagError:
        return None


_Stamped = tuple[int, str, bytes]
"""A message's stamp in ns, its type, and the message in CDR."""


def _nearest(messages: Iterable[Message], stamps: Set[int]) -> dict[int, _Stamped]:
    """The message nearest to each of the stamps; no others are kept: between two images may be hours."""
    found: dict[int, _Stamped] = {}
    for connection, _, data in messages:
        if (when := _stamp(data)) is None:
            continue
        for stamp in stamps:
            if stamp not in found or abs(when - stamp) < abs(found[stamp][0] - stamp):
                found[stamp] = (when, connection.msgtype, data)
    return found


class _Near:
    """Depth and calibration around a stretch, found by the stamps of its images."""

    def __init__(self, reader: BagReader, plan: Plan, segment: Segment) -> None:
        self._plan = plan
        margin = int((BESIDE + plan.settings.sync_tolerance) * 1e9)
        window = (segment.start - margin, segment.end + margin)
        stamps = {
            stamp for _, _, data in _images(reader, plan, segment) if (stamp := _stamp(data)) is not None
        }
        depths, infos = reader.of(plan.topics.depth), reader.of(plan.topics.camera_info)
        self._depths = _nearest(reader.messages(depths, *window), stamps)
        self._infos = _nearest(reader.messages(infos, *window), stamps)
        if not self._infos:
            # A calibration that was sent once, before.
            before = deque(reader.messages(infos, None, segment.end), maxlen=1)
            self._infos = _nearest(before, stamps)

    def of(self, header: Header, size: tuple[int, int]) -> tuple[Depth | None, Intrinsics | None, str]:
        """Depth and intrinsics of an image of this size (width, height), and what is wrong with them."""
        stamp = header.stamp.sec * 1_000_000_000 + header.stamp.nanosec
        settings = self._plan.settings
        if not self._depths:
            return None, None, ""
        when, kind, data = self._depths[stamp]
        if abs(when - stamp) > settings.sync_tolerance * 1e9:
            apart = abs(when - stamp) / 1e6
            return None, None, f"the nearest depth image is {apart:.0f} ms away: raise --sync-tolerance"
        try:
            depth = registered_depth(_message(data, kind), header, size, settings)
        except SelconError as error:
            return None, None, str(error)
        if not self._infos:
            return depth, None, ""
        _, kind, data = self._infos[stamp]
        try:
            info: CameraInfo = _message(data, kind)
            return depth, registered_intrinsics(info, header, size, settings, self._plan.topics.image), ""
        except SelconError as error:
            return depth, None, str(error)


def _ground(
    model: Model,
    plan: Plan,
    message: Image | CompressedImage,
    received: int,
    near: _Near,
    markers: GraspMarkers,
) -> Grounded:
    start = time.monotonic()
    image = image_from_message(message, plan.settings.limit)
    grounding = model.ground(image)
    header = message.header
    depth, intrinsics, fault = near.of(header, (grounding.width, grounding.height))
    outputs: list[Output] = []
    rows: list[Row] = []
    overlays: dict[str, Pixels] = {}
    found: dict[str, GraspResult] = {}
    for action in plan.actions:
        heatmap = grounding.heatmap(action)
        found[action] = grasps = find_grasps(heatmap, depth, intrinsics, plan.settings.grasp)
        overlays[action] = draw(image, heatmap, grasps)
        outputs += _outputs(plan, heatmap, grasps, overlays[action], header)
        rows.append(_row(received, header, heatmap, grasps, fault))
    spent = Times(0.0, grounding.seconds, 0.0, time.monotonic() - start - grounding.seconds)
    statuses = [
        action_status(NAME, row.action, row.confidence, found[row.action], header.frame_id, spent)
        for row in rows
    ]
    points = {action: grasps.points for action, grasps in found.items()}
    whole = {
        "status": DiagnosticArray(header=header, status=statuses),
        "markers": markers.update(points, header, plan.settings.marker_lifetime),
    }
    outputs += [_output(f"{plan.prefix}/{kind}", each) for kind, each in whole.items()]
    return Grounded(received, outputs, rows, overlays)


def _outputs(
    plan: Plan, heatmap: Heatmap, grasps: GraspResult, overlay: Pixels, header: Header
) -> Iterator[Output]:
    """The messages of one action."""
    action = heatmap.action
    if plan.heatmaps:
        message = fill_image(Image(), heatmap.values, "32FC1", header)
        yield _output(plan.topic("heatmap", action), message)
    poses = [grasp_pose(point) for point in grasps.points if point.position is not None]
    yield _output(plan.topic("grasp_points", action), PoseArray(header=header, poses=poses))
    picture = CompressedImage(header=header, format="bgr8; jpeg compressed bgr8", data=jpeg(overlay))
    yield _output(f"{plan.topic('overlay', action)}/compressed", picture)


def _output(topic: str, message: Any) -> Output:
    kind = type(message)
    return topic, f"{kind.__module__.split('.')[0]}/msg/{kind.__name__}", serialize_message(message)


def jpeg(picture: NDArray[np.uint8]) -> bytes:
    """Return an RGB picture [H, W, 3] as the bytes of a JPEG file."""
    _, data = cv2.imencode(
        ".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
    )
    return data.tobytes()


def _row(received: int, header: Header, heatmap: Heatmap, grasps: GraspResult, fault: str) -> Row:
    best = grasps.points[0] if grasps.points else None
    notes = [fault, best.note if best is not None else "", *map(str, grasps.refused)]
    row = Row(
        received,
        header.stamp.sec * 1_000_000_000 + header.stamp.nanosec,
        heatmap.action,
        heatmap.confidence,
        len(grasps.points),
        note=one_line("; ".join(filter(None, notes)), 300),
    )
    if best is None:
        return row
    (u, v), (x, y, z) = best.pixel, best.position or (math.nan,) * 3
    qx, qy, qz, qw = best.orientation or (math.nan,) * 4
    width = math.nan if best.width is None else best.width
    return replace(row, u=u, v=v, score=best.score, x=x, y=y, z=z, qx=qx, qy=qy, qz=qz, qw=qw, width=width)
