"""Whether a depth image and a calibration belong to an image, pixel by pixel."""

from __future__ import annotations

from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from selcon_ros.core.cameras.camera import Intrinsics
from selcon_ros.core.cameras.depth_points import check_metres
from selcon_ros.core.text import quoted
from selcon_ros.ros.conversions import MessageError
from selcon_ros.ros.depth import Depth, depth_from_message, intrinsics_from_message
from selcon_ros.ros.parameters import Settings

Size = tuple[int, int]
"""Width and height."""


def registered_depth(
    message: Image | CompressedImage, header: Header, size: Size, settings: Settings
) -> Depth:
    """Return the depth image [H, W] float32 in metres that belongs to an image of this header and size.

    Raises MessageError if it cannot be read, has another size or frame, or no valid pixel, and DepthError if
    its unit cannot be right.
    """
    depth = depth_from_message(message, settings.limit)
    check_same_view(header, size, message.header, (depth.shape[1], depth.shape[0]), "depth image")
    if not (depth > 0).any():
        raise MessageError("the depth image has no valid pixel: all are zero, negative, infinite or NaN")
    check_metres(depth, "a 32FC1 depth image must be in metres, a 16UC1 one in millimetres")
    return depth


def registered_intrinsics(
    info: CameraInfo, header: Header, size: Size, settings: Settings, image_topic: str
) -> Intrinsics:
    """Return the intrinsics for an image of this header and size.

    The name `image_topic` may say that the image is rectified. Raises MessageError if they are for another
    size or frame, or not for what the topic's name says, and CameraError if the camera is not calibrated.
    """
    intrinsics = intrinsics_from_message(info, settings.rectified)
    part = (intrinsics.width, intrinsics.height)
    what = "camera_info"
    if part != (info.width, info.height):
        what += f", {info.width} x {info.height} before binning and region of interest,"
    check_same_view(header, size, info.header, part, what)
    if intrinsics.distortion is not None and named_rectified(image_topic):
        raise MessageError(
            f"the image topic {image_topic} is named like a rectified image, but the parameter "
            f"rectified is false and camera_info has distortion ({intrinsics.distortion.model}): set "
            "rectified to true, or take the raw image"
        )
    return intrinsics


def check_same_view(header: Header, size: Size, other: Header, other_size: Size, what: str) -> None:
    """Refuse depth or calibration that does not belong to the image pixel by pixel.

    `size` is width and height of the image, `other_size` those of the depth image or the calibration. Raises
    MessageError if frame or size differ.
    """
    remedy = "use depth that is registered (aligned) to the colour image, and the colour camera's camera_info"
    if other.frame_id != header.frame_id:
        raise MessageError(
            f"the {what} is in frame {quoted(other.frame_id)}, the image in {quoted(header.frame_id)}: "
            f"{remedy}"
        )
    if other_size != size:
        raise MessageError(
            f"the {what} is {other_size[0]} x {other_size[1]}, the image {size[0]} x {size[1]}: {remedy}"
        )


def named_rectified(topic: str) -> bool:
    """Whether a topic is named as image_proc names rectified images: image_rect, image_rect_color.

    realsense2_camera's image_rect_raw says nothing: the D405's colour image has that name and distortion.
    """
    return any(part.startswith("image_rect") and "raw" not in part for part in topic.split("/"))
