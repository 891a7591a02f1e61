"""An image's way through the node: two stages, each with a thread, and the newest image between them."""

from __future__ import annotations

from rclpy.node import Node

from selcon_ros.ros.answers import Answer
from selcon_ros.ros.current_actions import CurrentActions
from selcon_ros.ros.depth_sync import DepthSync
from selcon_ros.ros.diagnostics import Health
from selcon_ros.ros.grounded_image import GroundedImageSlot
from selcon_ros.ros.grounding_stage import GroundingStage
from selcon_ros.ros.image_turn import ImageTurn
from selcon_ros.ros.publishers import Publishers
from selcon_ros.ros.questions import Questions
from selcon_ros.ros.results_stage import ResultsStage
from selcon_ros.ros.target_frame import TargetFrameLookup


class Pipeline:
    """The next image is grounded while results are made of the last one; `Worker` runs both."""

    def __init__(
        self,
        node: Node,
        health: Health,
        actions: CurrentActions,
        questions: Questions[Answer],
        depth_sync: DepthSync,
        target_frame: TargetFrameLookup,
        results: Publishers,
    ) -> None:
        turn = ImageTurn(health, target_frame)
        self.grounding = GroundingStage(node, health, actions, questions, depth_sync, turn, results)
        self.between = GroundedImageSlot()
        self.results = ResultsStage(node, health, actions, questions, depth_sync, target_frame, results)
