"""The first stage of an image: from a camera image to the maps of all actions, and the heatmaps published."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

from rclpy.node import Node

from selcon_ros.core.outputs.image_findings import Findings
from selcon_ros.model import Model
from selcon_ros.ros.answers import Answer, refusal_of
from selcon_ros.ros.conversions import MessageError
from selcon_ros.ros.current_actions import CurrentActions
from selcon_ros.ros.depth_sync import DepthSync
from selcon_ros.ros.diagnostics import Health
from selcon_ros.ros.grounded_image import GroundedImage
from selcon_ros.ros.image_reader import ImageReader
from selcon_ros.ros.image_turn import ImageTurn
from selcon_ros.ros.message_buffers import Received
from selcon_ros.ros.parameters import Settings
from selcon_ros.ros.publishers import Publishers
from selcon_ros.ros.questions import Question, Questions


class GroundingStage:
    """Grounds images for the current actions and for questions; used by the thread that has the model."""

    def __init__(
        self,
        node: Node,
        health: Health,
        actions: CurrentActions,
        questions: Questions[Answer],
        depth_sync: DepthSync,
        turn: ImageTurn,
        results: Publishers,
    ) -> None:
        self._health, self._actions, self._questions = health, actions, questions
        self._depth_sync, self.turn, self._results = depth_sync, turn, results
        self.reader = ImageReader(health, node.get_logger())
        self._published: tuple[float, tuple[str, ...]] | None = None

    def ground(self, model: Model, received: Received[Any], settings: Settings) -> GroundedImage | None:
        """Ground an image once, and publish the heatmaps that somebody listens to.

        Returns what is left to be made of it, None if nobody wants anything. Raises SelconError for an image
        that cannot be answered, which the questions are told, too.
        """
        old = 0 < settings.max_frame_age < received.age
        questions = self._questions.take(received.at, old)
        with self._actions.held:
            wanted = bool(self._actions.now) and self._results.any_has_subscribers
        if not wanted and not questions:
            return None
        try:
            if old and not questions:
                raise MessageError(f"the newest image came {received.age:.1f} s ago, too old to answer")
            grounded = self._ground(model, received, settings, questions, publish=wanted and not old)
        except Exception as error:
            for question in questions:
                self._questions.fail(question, refusal_of(error))
            raise
        self._health.solved("model")
        if not old:
            self._health.solved("image")
        return grounded

    def forget(self) -> None:
        """Let go of the last image and what was found in it."""
        self.reader.forget()
        self.turn.forget()

    def _ground(
        self,
        model: Model,
        received: Received[Any],
        settings: Settings,
        questions: tuple[Question[Answer], ...],
        publish: bool,
    ) -> GroundedImage:
        start = time.monotonic()
        header = received.message.header
        turn = self.turn.of(header, settings)
        image, grounding, inference = self.reader.ground(model, received, settings.limit, turn)
        size = (grounding.width, grounding.height)
        findings = Findings(grounding, lambda: self._depth_sync.of(header, size, settings), settings.grasp)
        actions: tuple[str, ...] = ()
        demand = None
        if publish:
            # The actions may have changed during the inference, which serves them all.
            with self._actions.held:
                actions = self._actions.now
                demand = self._results.demand(actions) if actions else None
        # A question about an image that was published before is none for the topics.
        if demand is not None and self._published != (received.at, actions):
            self._published = (received.at, actions)
            for action in demand.heatmaps:
                heatmap, first = findings.heatmap(action), action == actions[0]
                self._actions.publish(actions, partial(self._results.heatmap, heatmap, first, header))
        return GroundedImage(
            image=image,
            header=header,
            findings=findings,
            settings=settings,
            actions=actions,
            demand=demand,
            questions=questions,
            arrived=received.at,
            start=start,
            inference=inference,
            published=time.monotonic(),
        )
