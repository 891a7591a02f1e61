"""The action `ground_stream`: typed results of one image after another, as feedback, until it is canceled."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from rclpy.action.server import ActionServer, CancelResponse
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node

from selcon_ros.core.grasps.grasp_result import Refusal
from selcon_ros.core.reason import Reason
from selcon_ros.ros.ground_service import QOS, heatmap_messages, result_messages
from selcon_ros.ros.interfaces import GroundStream
from selcon_ros.ros.requests import CANCELED, Requests
from selcon_ros.ros.results import reason_message

ACTION_NAME = "ground_stream"
RESULT_SECONDS = 10
"""How long the result of a goal that has ended can be asked for."""
DISCOVERY_SECONDS = 10.0
"""Seconds after which a client that lives is seen to listen to the feedback."""
NO_LISTENER = Refusal(Reason.CANCELED, "no client listens to the feedback any more")


class GroundStreams:
    """Serves goals, each until it has its images, is canceled, or cannot be answered; several at once."""

    def __init__(self, node: Node, requests: Requests, model: Callable[[], str]) -> None:
        """Offer the action. `model` returns the name of the bundle."""
        self._node, self._requests, self._model = node, requests, model
        self._feedback = node.resolve_topic_name(f"{ACTION_NAME}/_action/feedback")
        self._server = ActionServer(
            node,
            GroundStream,
            ACTION_NAME,
            self._execute,
            callback_group=ReentrantCallbackGroup(),
            cancel_callback=self._on_cancel,
            goal_service_qos_profile=QOS,
            result_service_qos_profile=QOS,
            cancel_service_qos_profile=QOS,
            result_timeout=RESULT_SECONDS,
        )

    def destroy(self) -> None:
        """Take the action away; no goal is served any more."""
        self._server.destroy()

    def _on_cancel(self, goal: Any) -> CancelResponse:
        self._requests.cancel(goal)
        return CancelResponse.ACCEPT

    async def _execute(self, goal: Any) -> GroundStream.Result:
        result = GroundStream.Result()
        with self._requests.streaming():
            refusal = await self._stream(goal, result)
        if refusal is None:
            goal.succeed()
            return result
        result.reason = reason_message(refusal.reason, refusal.text)
        if goal.is_cancel_requested:
            goal.canceled()
        else:
            goal.abort()
        return result

    async def _stream(self, goal: Any, result: GroundStream.Result) -> Refusal | None:
        """Answer images and fill the result; returns why it has ended before its last image."""
        asked = goal.request
        timeout = asked.timeout.sec + 1e-9 * asked.timeout.nanosec
        heard, left, begun = False, timeout, time.monotonic()
        answered = begun
        while True:
            answer = await self._requests.ask(asked.actions, True, left, asked.heatmaps, owner=goal)
            if isinstance(answer, Refusal):
                # One image that cannot be read does not end a stream, nor does it give more time.
                left = (timeout or self._requests.timeout) - (time.monotonic() - answered)
                if answer.reason is not Reason.BAD_IMAGE or left <= 0:
                    return answer
                if goal.is_cancel_requested:
                    return CANCELED
                continue
            answered, left = time.monotonic(), timeout
            result.results = result_messages(answer, self._model())
            result.answered_images += 1
            goal.publish_feedback(
                GroundStream.Feedback(results=result.results, heatmaps=heatmap_messages(answer))
            )
            if result.answered_images == asked.max_images:
                return None
            if goal.is_cancel_requested:
                return CANCELED
            # A client that has died cancels nothing.
            listeners = self._node.count_subscribers(self._feedback)
            if not listeners and (heard or answered - begun >= DISCOVERY_SECONDS):
                return NO_LISTENER
            heard = listeners > 0
