"""Why there is no grasp point, no pose or no result: one list for Python, JSON and ROS messages."""

from __future__ import annotations

from enum import Enum


class Reason(str, Enum):
    """Why something is missing: `value` is its name in JSON, `code` its number in `selcon_interfaces/Reason`.

    Codes from 1 on are about a heatmap, a part of an object or a grasp point, those from 100 on about a
    request to the node. A code never changes its meaning.
    """

    code: int

    def __new__(cls, value: str, code: int) -> Reason:
        reason = str.__new__(cls, value)
        reason._value_ = value
        reason.code = code
        return reason

    LOW_CONFIDENCE = "low_confidence", 1
    """The heatmap's confidence is below `min_confidence`."""
    UNCALIBRATED = "uncalibrated", 2
    """No confidence was fitted for this action."""
    FLAT = "flat", 3
    """The heatmap has no peak."""
    LOW_CONTRAST = "low_contrast", 4
    """The peak hardly exceeds the image's mean heat."""
    TOO_SMALL = "too_small", 5
    """The largest hot region has too few pixels."""
    TOO_WIDE = "too_wide", 6
    """The part is wider than the gripper opens."""
    NO_DEPTH = "no_depth", 7
    """No depth image was given."""
    NO_CAMERA = "no_camera", 8
    """No camera calibration was given."""
    FEW_DEPTHS = "few_depths", 9
    """The part has too few valid depths, or none."""
    NO_POSE = "no_pose", 10
    """A pose was found, but cannot be right."""
    CUT_OFF = "cut_off", 11
    """The image border cuts the part off: its width is a lower bound. The pose holds."""
    NOT_ASKED = "not_asked", 12
    """Nobody asked for grasp points."""

    UNKNOWN_ACTION = "unknown_action", 100
    """The model does not know an action of the request."""
    NO_ACTIONS = "no_actions", 101
    """The request's list of actions is empty."""
    INVALID_REQUEST = "invalid_request", 102
    """A value of the request is out of its range."""
    TOO_MANY_REQUESTS = "too_many_requests", 103
    """As many requests as the node holds are waiting."""
    MODEL_NOT_READY = "model_not_ready", 104
    """The model is still being opened, or its engine built."""
    INACTIVE = "inactive", 105
    """The node is not in the lifecycle state `active`."""
    NO_IMAGE = "no_image", 106
    """No image has come yet."""
    OLD_IMAGE = "old_image", 107
    """The newest image is older than `max_frame_age`."""
    BAD_IMAGE = "bad_image", 108
    """The image cannot be read."""
    TIMEOUT = "timeout", 109
    """The time of the request is over."""
    CANCELED = "canceled", 110
    """The request was canceled, or the node ends."""
    NO_TRANSFORM = "no_transform", 111
    """There is no transform to the target frame: the poses are in the camera's."""
    FAILED = "failed", 112
    """The model or the engine failed."""
