"""What a question is answered with: what one image says of its actions, or why there is no answer."""

from __future__ import annotations

from dataclasses import dataclass

from std_msgs.msg import Header

from selcon_ros.core.errors import ImageError, first_line
from selcon_ros.core.grasps.grasp_result import GraspResult, Refusal
from selcon_ros.core.grounding.heatmap import Heatmap
from selcon_ros.core.reason import Reason
from selcon_ros.core.text import one_line
from selcon_ros.ros.conversions import MessageError
from selcon_ros.ros.diagnostics import AnswerTimes


@dataclass(frozen=True)
class ActionFindings:
    """What one image says of one action; heatmap: None if it was not asked for."""

    action: str
    confidence: float
    grasps: GraspResult
    heatmap: Heatmap | None


@dataclass(frozen=True)
class Answer:
    """What one image says of the actions of a question, in their order.

    header: the image's; that of the poses has the frame that they are in. size: of the image, (H, W).
    """

    found: tuple[ActionFindings, ...]
    header: Header
    pose_header: Header
    size: tuple[int, int]
    times: AnswerTimes


def refusal_of(error: Exception) -> Refusal:
    """Why an image that raised this error is not answered."""
    reason = Reason.BAD_IMAGE if isinstance(error, MessageError | ImageError) else Reason.FAILED
    return Refusal(reason, one_line(first_line(error)))
