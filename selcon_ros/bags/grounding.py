"""Grounds the images of one stretch of a bag, as the node would with every image and its depth at hand."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseArray
from numpy.typing import NDArray
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from selcon_ros.bags.nearest import Near, camera_message, images_of, stamp_or_none
from selcon_ros.bags.plan import BagPlan, Segment
from selcon_ros.bags.reader import BagReader
from selcon_ros.bags.transforms import BagTransforms, ImageTransforms
from selcon_ros.core.cameras.upright import UprightTurn
from selcon_ros.core.errors import SelconError, first_line
from selcon_ros.core.grasps.grasp import find_grasps
from selcon_ros.core.grasps.grasp_result import GraspResult
from selcon_ros.core.grounding.heatmap import Heatmap
from selcon_ros.core.outputs.cloud import part_mask
from selcon_ros.core.outputs.overlay import draw
from selcon_ros.core.text import one_line
from selcon_ros.model import Model
from selcon_ros.ros.cloud_message import cloud_message
from selcon_ros.ros.conversions import Pixels, fill_image, image_from_message
from selcon_ros.ros.diagnostics import AnswerTimes
from selcon_ros.ros.markers import GraspMarkers, grasp_pose
from selcon_ros.ros.planner_outputs import placed_cloud
from selcon_ros.ros.status import action_status

JPEG_QUALITY = 85
"""Of the overlays' JPEG."""
MAX_NOTE_LENGTH = 600
"""Characters of a row's note, at most."""
NAME = "selcon ground-bag"
Output = tuple[str, str, bytes]
"""Topic, type and message in CDR."""


@dataclass(frozen=True)
class BagRow:
    """What one image says of one action: a line of the table. Positions in metres; NaN where there is none.

    u, v, score, position, orientation and width are those of the best grasp point. frame: that of poses.
    image_turn: degrees clockwise by which the image was turned for the network. note: why something is
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
    frame: str = ""
    image_turn: int = 0
    note: str = ""


@dataclass(frozen=True)
class Grounded:
    """An image's messages, its rows, and the overlay of each action, RGB."""

    received: int
    outputs: list[Output]
    rows: list[BagRow]
    overlays: dict[str, Pixels]


class BagGrounder:
    """Grounds stretches of a bag; one for each process."""

    def __init__(self, model: Model, reader: BagReader, plan: BagPlan) -> None:
        """Read the bag's static transforms if there is a target frame."""
        self._model, self._reader, self._plan = model, reader, plan
        target = plan.settings.target_frame
        self._transforms = BagTransforms(reader, target) if target else None

    def segment(self, segment: Segment) -> Iterator[Grounded]:
        """Yield what is found in each image of a stretch; an image with a fault has a row that says so."""
        plan = self._plan
        images = [
            (received, stamp)
            for _, received, data in images_of(self._reader, plan, segment)
            if (stamp := stamp_or_none(data)) is not None
        ]
        near = Near(self._reader, plan, segment, {stamp for _, stamp in images})
        transforms = None if self._transforms is None else self._transforms.around(images)
        markers, upright = GraspMarkers(), UprightTurn()
        for connection, received, data in images_of(self._reader, plan, segment):
            try:
                message = camera_message(data, connection.msgtype)
                yield _ground(self._model, plan, message, received, near, transforms, markers, upright)
            except SelconError as error:
                yield _fault(plan, received, data, first_line(error))


def _fault(plan: BagPlan, received: int, data: bytes, fault: str) -> Grounded:
    note, stamp = one_line(fault, MAX_NOTE_LENGTH), stamp_or_none(data) or 0
    rows = [BagRow(received, stamp, action, math.nan, 0, note=note) for action in plan.actions]
    return Grounded(received, [], rows, {})


def _ground(
    model: Model,
    plan: BagPlan,
    message: Image | CompressedImage,
    received: int,
    near: Near,
    transforms: ImageTransforms | None,
    markers: GraspMarkers,
    upright: UprightTurn,
) -> Grounded:
    start = time.monotonic()
    image = image_from_message(message, plan.settings.limit)
    header = message.header
    pose_header, rigid, missing = (header, None, "")
    if transforms is not None:
        pose_header, rigid, missing = transforms.of(header, received)
    turn = plan.settings.image_turn
    if plan.settings.image_turn_by_tf and rigid is not None:
        turn = upright.of(rigid.matrix[2].tolist(), turn)
    elif plan.settings.image_turn_by_tf and not missing:
        missing = "not turned: --target-frame is the camera's own, whose z points ahead"
    grounding = model.ground(image, turn)
    depth, intrinsics, fault = near.of(header, (grounding.width, grounding.height))
    outputs: list[Output] = []
    rows: list[BagRow] = []
    overlays: dict[str, Pixels] = {}
    found: dict[str, GraspResult] = {}
    for action in plan.actions:
        heatmap = grounding.heatmap(action)
        grasps = find_grasps(heatmap, depth, intrinsics, plan.settings.grasp)
        found[action] = grasps = grasps if rigid is None else rigid.grasps(grasps)
        overlays[action] = draw(image, heatmap, grasps)
        outputs += _outputs(plan, heatmap, grasps, overlays[action], header, pose_header)
        if plan.cloud:
            part = part_mask(heatmap, plan.settings.grasp) if plan.settings.cloud_part else None
            cloud = placed_cloud(image, heatmap, depth, intrinsics, part, rigid, organised=False)
            outputs.append(_output(plan.topic("cloud", action), cloud_message(cloud, pose_header)))
        rows.append(_row(received, pose_header, heatmap, grasps, turn, (fault, missing)))
    spent = AnswerTimes(0.0, grounding.seconds, 0.0, time.monotonic() - start - grounding.seconds)
    statuses = [
        action_status(NAME, row.action, row.confidence, found[row.action], pose_header.frame_id, spent)
        for row in rows
    ]
    points = {action: grasps.points for action, grasps in found.items()}
    whole = {
        "status": DiagnosticArray(header=header, status=statuses),
        "markers": markers.update(points, pose_header, plan.settings.marker_lifetime),
    }
    outputs += [_output(f"{plan.prefix}/{kind}", each) for kind, each in whole.items()]
    return Grounded(received, outputs, rows, overlays)


def _outputs(
    plan: BagPlan,
    heatmap: Heatmap,
    grasps: GraspResult,
    overlay: Pixels,
    header: Header,
    pose_header: Header,
) -> Iterator[Output]:
    """The messages of one action."""
    action = heatmap.action
    if plan.heatmaps:
        message = fill_image(Image(), heatmap.values, "32FC1", header)
        yield _output(plan.topic("heatmap", action), message)
    poses = [grasp_pose(point) for point in grasps.points if point.position is not None]
    yield _output(plan.topic("grasp_points", action), PoseArray(header=pose_header, poses=poses))
    picture = CompressedImage(header=header, format="bgr8; jpeg compressed bgr8", data=jpeg(overlay))
    yield _output(f"{plan.topic('overlay', action)}/compressed", picture)


def _output(topic: str, message: Any) -> Output:
    kind = type(message)
    return topic, f"{kind.__module__.split('.')[0]}/msg/{kind.__name__}", serialize_message(message)


def jpeg(picture: NDArray[np.uint8]) -> bytes:
    """Return an RGB picture [H, W, 3] as the bytes of a JPEG file."""
    _, data = cv2.imencode(
        ".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    )
    return data.tobytes()


def _row(
    received: int,
    header: Header,
    heatmap: Heatmap,
    grasps: GraspResult,
    turn: int,
    faults: tuple[str, ...],
) -> BagRow:
    best = grasps.points[0] if grasps.points else None
    notes = [*faults, best.note if best is not None else "", *map(str, grasps.refused)]
    row = BagRow(
        received,
        header.stamp.sec * 1_000_000_000 + header.stamp.nanosec,
        heatmap.action,
        heatmap.confidence,
        len(grasps.points),
        frame=one_line(header.frame_id, 100),
        image_turn=turn,
        note=one_line("; ".join(filter(None, notes)), MAX_NOTE_LENGTH),
    )
    if best is None:
        return row
    (u, v), (x, y, z) = best.pixel, best.position or (math.nan,) * 3
    qx, qy, qz, qw = best.orientation or (math.nan,) * 4
    width = math.nan if best.width is None else best.width
    return replace(row, u=u, v=v, score=best.score, x=x, y=y, z=z, qx=qx, qy=qy, qz=qz, qw=qw, width=width)
