"""The second stage of an image: from its maps to grasp points, pictures, and what is published."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import cache, partial

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.node import Node

from selcon_ros.core.grasps.grasp_result import GraspResult, Refusal
from selcon_ros.core.grasps.steady import SteadyGrasps
from selcon_ros.core.outputs.image_findings import Findings
from selcon_ros.core.reason import Reason
from selcon_ros.core.text import one_line
from selcon_ros.ros.answers import ActionFindings, Answer, refusal_of
from selcon_ros.ros.current_actions import CurrentActions
from selcon_ros.ros.depth_sync import DepthSync
from selcon_ros.ros.diagnostics import AnswerTimes, Health
from selcon_ros.ros.grounded_image import GroundedImage
from selcon_ros.ros.parameters import Settings
from selcon_ros.ros.publishers import Demand, Publishers
from selcon_ros.ros.questions import Question, Questions
from selcon_ros.ros.results import result_message
from selcon_ros.ros.status import action_status, grasp_facts
from selcon_ros.ros.target_frame import PoseFrame, TargetFrameLookup

NOT_ASKED = GraspResult(
    refused=(Refusal(Reason.NOT_ASKED, "not looked for: nobody subscribes to an output that shows them"),)
)
FindPoseFrame = Callable[[], PoseFrame]
"""Finds the frame of an image's poses."""


class ResultsStage:
    """Makes what somebody listens to besides heatmaps, and answers questions; used by one thread."""

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
        self._node, self._health, self._actions, self._questions = node, health, actions, questions
        self._depth_sync, self._target_frame, self._results = depth_sync, target_frame, results
        self._steady = SteadyGrasps()
        self.answered: dict[str, str] = {}
        """Of the last answer, about the first action; replaced as a whole."""
        self._last: tuple[Findings, Settings] | None = None
        self._published: tuple[float, tuple[str, ...]] | None = None

    def answer(self, grounded: GroundedImage) -> None:
        """Publish what is left of a grounded image, and answer its questions.

        Raises what fails on the way, which the questions are told, too.
        """
        try:
            findings = self._findings(grounded)
            find_pose_frame = cache(
                lambda: self._target_frame.of(grounded.header, grounded.settings.sync_wait)
            )
            # Of other actions than the present ones nothing would be published.
            if grounded.demand is not None and grounded.actions == self._actions.now:
                self._publish_all(grounded, grounded.demand, findings, find_pose_frame)
            for question in grounded.questions:
                self._reply(question, _answer(question, grounded, findings, find_pose_frame), findings)
        except Exception as error:
            for question in grounded.questions:
                self._questions.fail(question, refusal_of(error))
            raise
        self._health.solved("results")

    def _reply(self, question: Question[Answer], answer: Answer, findings: Findings) -> None:
        """Answer a question; from a newer image where what it lacks for poses is on its way."""
        if (until := self._depth_sync.awaited_until(*findings.depth())) > time.monotonic():
            self._questions.defer(question, answer, until)
        else:
            self._questions.reply(question, answer)

    def forget(self) -> None:
        """Let go of what was found in the last images: another model answers the next."""
        self._last, self._steady = None, SteadyGrasps()

    def _findings(self, grounded: GroundedImage) -> Findings:
        """What was found in the image already, where it is the last one again."""
        if self._last is not None:
            findings, settings = self._last
            same = findings.grounding is grounded.findings.grounding and settings is grounded.settings
            if same and not findings.incomplete:
                return findings
        self._last = grounded.findings, grounded.settings
        return grounded.findings

    def _publish_all(
        self, grounded: GroundedImage, demand: Demand, findings: Findings, find_pose_frame: FindPoseFrame
    ) -> None:
        """Publish what somebody listens to, for each of the image's actions."""
        actions, header, settings = grounded.actions, grounded.header, grounded.settings
        # A question about an image that was published before is none for the topics.
        if self._published == (grounded.arrived, actions):
            return
        self._published = (grounded.arrived, actions)
        publish = partial(self._actions.publish, actions)
        found = {action: findings.grasps(action) for action in demand.grasps}
        steady = self._steady.update(grounded.image, found, settings.steady_frames)
        placed = find_pose_frame() if found else PoseFrame(header)
        pose_header = placed.header
        grasps = {action: placed.grasps(each) for action, each in steady.items()}
        points = {action: each.points for action, each in grasps.items()}
        publish(lambda: self._results.grasps(points, actions[0], header, pose_header))
        if demand.markers:
            publish(lambda: self._results.markers(points, pose_header, settings.marker_lifetime))
        if demand.affordance_map:
            publish(partial(self._results.affordance_map, findings.affordance_map(actions), header))
        if demand.overlay:
            heatmap = findings.heatmap(actions[0])
            publish(self._results.prepare_overlay(grounded.image, heatmap, grasps[actions[0]], header))
        if self._results.planners.have_subscribers:
            heatmap = findings.heatmap(actions[0])
            publish(
                self._results.planners.prepare(
                    grounded.image, heatmap, findings.depth, find_pose_frame, header, settings
                )
            )
        times = grounded.times()
        self._record(findings, actions[0], grasps, times)
        grounding = findings.grounding
        shape, name = (grounding.height, grounding.width), grounding.manifest.name
        for action in demand.results:
            sure = findings.confidence(action)
            result = result_message(action, sure, grasps[action], shape, times, name, header, pose_header)
            publish(partial(self._results.result, result, action == actions[0]))
        if demand.status:
            results = self._statuses(findings, actions, grasps, pose_header.frame_id, times)
            publish(partial(self._results.status, results, header))

    def _record(
        self, findings: Findings, first: str, grasps: Mapping[str, GraspResult], times: AnswerTimes
    ) -> None:
        facts = grasp_facts(grasps.get(first, NOT_ASKED))
        self.answered = {"confidence": f"{findings.confidence(first):.3f}", **facts}
        self._health.record(times)

    def _statuses(
        self,
        findings: Findings,
        actions: tuple[str, ...],
        grasps: Mapping[str, GraspResult],
        frame: str,
        times: AnswerTimes,
    ) -> list[DiagnosticStatus]:
        """The status of each action; of several with its name behind the node's."""
        node = self._node.get_fully_qualified_name()
        names = [node] if len(actions) == 1 else [one_line(f"{node}: {action}") for action in actions]
        return [
            action_status(name, action, findings.confidence(action), grasps[action], frame, times)
            for name, action in zip(names, actions, strict=True)
        ]


def _answer(
    question: Question[Answer], grounded: GroundedImage, findings: Findings, find_pose_frame: FindPoseFrame
) -> Answer:
    """The answer to a question: what is made once for an image serves all questions about it."""
    heatmaps = [findings.heatmap(each) if question.heatmaps else None for each in question.actions]
    grasps = [findings.grasps(action) for action in question.actions]
    placed = find_pose_frame()
    found = tuple(
        ActionFindings(action, findings.confidence(action), placed.grasps(each), heatmap)
        for action, each, heatmap in zip(question.actions, grasps, heatmaps, strict=True)
    )
    size = (findings.grounding.height, findings.grounding.width)
    return Answer(found, grounded.header, placed.header, size, grounded.times())
