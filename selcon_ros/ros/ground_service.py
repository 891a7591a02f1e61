"""The service `ground`: actions in, typed results of one image out. Import it only where its messages are."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image

from selcon_ros.core.grasps.grasp_result import Refusal
from selcon_ros.ros.answers import Answer
from selcon_ros.ros.conversions import fill_image
from selcon_ros.ros.interfaces import AffordanceResult, Ground
from selcon_ros.ros.questions import MAX_QUESTIONS
from selcon_ros.ros.requests import Requests
from selcon_ros.ros.results import reason_message, result_message

SERVICE_NAME = "ground"
QOS = QoSProfile(depth=MAX_QUESTIONS)
"""By default requests beyond ten that come at once are lost, unanswered."""


class GroundService:
    """Answers requests; while one waits for an image, the executor goes on with other callbacks."""

    def __init__(self, node: Node, requests: Requests, model: Callable[[], str]) -> None:
        """Offer it. `model` returns the name of the bundle."""
        self._requests, self._model = requests, model
        # In a group that lets a request begin while others wait.
        node.create_service(
            Ground, SERVICE_NAME, self._on_request, qos_profile=QOS, callback_group=ReentrantCallbackGroup()
        )

    async def _on_request(self, request: Ground.Request, response: Ground.Response) -> Ground.Response:
        timeout = request.timeout.sec + 1e-9 * request.timeout.nanosec
        answer = await self._requests.ask(
            request.actions, request.wait_for_new_image, timeout, request.heatmaps
        )
        if isinstance(answer, Refusal):
            response.reason = reason_message(answer.reason, answer.text)
            return response
        response.results = result_messages(answer, self._model())
        response.heatmaps = heatmap_messages(answer)
        return response


def result_messages(answer: Answer, model: str) -> list[AffordanceResult]:
    """An AffordanceResult for each action."""
    return [
        result_message(
            each.action,
            each.confidence,
            each.grasps,
            answer.size,
            answer.times,
            model,
            answer.header,
            answer.pose_header,
        )
        for each in answer.found
    ]


def heatmap_messages(answer: Answer) -> list[Image]:
    """An image for each action, if heatmaps were asked for."""
    return [
        fill_image(Image(), each.heatmap.values, "32FC1", answer.header)
        for each in answer.found
        if each.heatmap is not None
    ]
