"""What was found in an image, as messages of `selcon_interfaces`; import it only where that package is."""

from __future__ import annotations

import math

import numpy as np
from builtin_interfaces.msg import Duration
from geometry_msgs.msg import Point, Pose, Quaternion
from sensor_msgs.msg import Image, RegionOfInterest
from std_msgs.msg import Header

from selcon_ros.core.grasps import grasp_result
from selcon_ros.core.grasps.grasp_result import GraspPoint, GraspResult
from selcon_ros.core.reason import Reason
from selcon_ros.core.text import one_line
from selcon_ros.ros import diagnostics, interfaces
from selcon_ros.ros.conversions import fill_image
from selcon_ros.ros.markers import grasp_pose

Size = tuple[int, int]
"""Height and width of an image."""


def result_message(
    action: str,
    confidence: float,
    grasps: GraspResult,
    size: Size,
    times: diagnostics.AnswerTimes,
    model: str,
    header: Header,
    pose_header: Header | None = None,
) -> interfaces.AffordanceResult:
    """An AffordanceResult: what one image says of one action.

    `confidence` is 0..1. `size` is that of the image, in whose pixels the grasp points are. `model` is the
    bundle's name. `header` is the image's. `pose_header` has the image's stamp and the frame of the poses;
    None: the image's header.
    """
    height, width = size
    return interfaces.AffordanceResult(
        header=pose_header or header,
        image_height=height,
        image_width=width,
        action=action,
        confidence=float(confidence),
        grasps=[grasp_message(point, size, header) for point in grasps.points],
        reasons=[reason_message(refusal.reason, refusal.text) for refusal in grasps.refused],
        times=times_message(times),
        model=one_line(model),
    )


def grasp_message(point: GraspPoint, size: Size, header: Header) -> interfaces.Grasp:
    """A Grasp: pose and width are NaN where there are none, the part is empty where it is not known."""
    known = point.position is not None and point.width is not None
    return interfaces.Grasp(
        has_pose=known,
        pose=grasp_pose(point) if known else _no_pose(),
        width=math.nan if point.width is None else float(point.width),
        pixel=_pixel(point.pixel),
        jaws=[_pixel(each) for each in point.jaws or ()],
        score=float(point.score),
        part=interfaces.PartMask() if point.part is None else part_message(point.part, size, header),
        reason=reason_message(point.reason, point.note),
    )


def part_message(part: grasp_result.PartMask, size: Size, header: Header) -> interfaces.PartMask:
    """A PartMask: where the mask lies in an image of this size, and the mask as mono8, 255 on the part."""
    (left, top), (rows, columns) = part.origin, part.mask.shape
    region = RegionOfInterest(
        x_offset=int(left),
        y_offset=int(top),
        height=min(part.step * rows, size[0] - int(top)),
        width=min(part.step * columns, size[1] - int(left)),
    )
    mask = fill_image(Image(), np.where(part.mask, np.uint8(255), np.uint8(0)), "mono8", header)
    return interfaces.PartMask(roi=region, step=part.step, mask=mask)


def reason_message(reason: Reason | None, text: str = "") -> interfaces.Reason:
    """A Reason: its code and the text on one line; code NONE where nothing is missing."""
    return interfaces.Reason(code=0 if reason is None else reason.code, text=one_line(text))


def times_message(times: diagnostics.AnswerTimes) -> interfaces.Times:
    """The times of an answer, which are in seconds, as durations."""
    return interfaces.Times(**{name: duration(seconds) for name, seconds in times.parts().items()})


def duration(seconds: float) -> Duration:
    """Seconds as ROS has them, to the nanosecond."""
    whole, part = divmod(round(1e9 * seconds), 1_000_000_000)
    return Duration(sec=whole, nanosec=part)


def _pixel(pixel: grasp_result.Pixel) -> interfaces.Pixel:
    return interfaces.Pixel(x=float(pixel[0]), y=float(pixel[1]))


def _no_pose() -> Pose:
    nan = math.nan
    return Pose(position=Point(x=nan, y=nan, z=nan), orientation=Quaternion(x=nan, y=nan, z=nan, w=nan))
