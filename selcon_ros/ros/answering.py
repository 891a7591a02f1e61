"""The worker's part of the node: from a camera image and the actions asked for to what is published."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.node import Node
from std_msgs.msg import Header

from selcon_ros.core.errors import ImageError, first_line
from selcon_ros.core.findings import Findings
from selcon_ros.core.grasp_result import GraspResult, Refusal
from selcon_ros.core.heatmap import Heatmap
from selcon_ros.core.reason import Reason
from selcon_ros.core.rigid import Rigid
from selcon_ros.core.steady import SteadyGrasps
from selcon_ros.core.text import one_line
from selcon_ros.model import Model
from selcon_ros.ros.conversions import MessageError, Pixels
from selcon_ros.ros.current_actions import CurrentActions
from selcon_ros.ros.depth_sync import DepthSync
from selcon_ros.ros.diagnostics import Health, Times
from selcon_ros.ros.frames import Frames
from selcon_ros.ros.image_reader import ImageReader
from selcon_ros.ros.message_buffers import Received
from selcon_ros.ros.parameters import Settings
from selcon_ros.ros.publishers import Demand, Publishers
from selcon_ros.ros.questions import Question, Questions
from selcon_ros.ros.results import result_message
from selcon_ros.ros.status import action_status, grasp_facts

NOT_ASKED = GraspResult(
    refused=(Refusal(Reason.NOT_ASKED, "not looked for: nobody subscribes to an output that shows them"),)
)


@dataclass(frozen=True)
class Found:
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

    found: tuple[Found, ...]
    header: Header
    pose_header: Header
    size: tuple[int, int]
    times: Times


@dataclass(frozen=True)
class _Grounded:
    """An image and what was found in it, and where the time went until then."""

    image: Pixels
    header: Header
    findings: Findings
    arrived: float
    start: float
    inference: float

    def times(self, published: float) -> Times:
        """The times now, if the heatmap was there at `published`."""
        return Times(
            waiting=self.start - self.arrived,
            inference=self.inference,
            overhead=published - self.start - self.inference,
            grasping=time.monotonic() - published,
        )


class Answering:
    """Answers an image for the current actions and for questions; used by one thread."""

    def __init__(
        self,
        node: Node,
        health: Health,
        actions: CurrentActions,
        questions: Questions[Answer],
        depth_sync: DepthSync,
        frames: Frames,
        results: Publishers,
    ) -> None:
        self._node, self._health, self._actions, self._questions = node, health, actions, questions
        self._depth_sync, self._frames, self._results = depth_sync, frames, results
        self.reader = ImageReader(health, node.get_logger())
        self._steady = SteadyGrasps()
        self.answered: dict[str, str] = {}
        """Of the last answer, about the first action; replaced as a whole."""
        self._last: Findings | None = None
        self._settings: Settings | None = None
        self._published: tuple[float, tuple[str, ...]] | None = None

    def answer(self, model: Model, received: Received[Any], settings: Settings) -> None:
        """Ground an image once, publish what somebody listens to, and answer questions about it.

        :raises SelconError: for an image that cannot be answered, which the questions are told, too
        """
        old = 0 < settings.max_frame_age < received.age
        questions = self._questions.due(received.at, old)
        with self._actions.held:
            wanted = bool(self._actions.now) and self._results.any_has_subscribers
        if not wanted and not questions:
            return
        try:
            if old and not questions:
                raise MessageError(f"the newest image came {received.age:.1f} s ago, too old to answer")
            grounded = self._ground(model, received, settings)
            if wanted and not old:
                self._publish_all(grounded, settings)
            frame = cache(lambda: self._frames.of(grounded.header, settings.sync_wait))
            for question in questions:
                self._questions.reply(question, self._answer(question, grounded, frame))
        except Exception as error:
            reason = Reason.BAD_IMAGE if isinstance(error, MessageError | ImageError) else Reason.FAILED
            for question in questions:
                self._questions.reply(question, Refusal(reason, one_line(first_line(error))))
            raise

    def forget(self) -> None:
        """Let go of the last image and what was found in it."""
        self._last = self._settings = None
        self.reader.forget()

    def _ground(self, model: Model, received: Received[Any], settings: Settings) -> _Grounded:
        start = time.monotonic()
        image, grounding, inference = self.reader.ground(model, received, settings.limit)
        header, size = received.message.header, (grounding.width, grounding.height)
        findings = self._last
        same = findings is not None and findings.grounding is grounding and self._settings is settings
        if findings is None or not same or findings.lacks_depth:
            findings = Findings(
                grounding, lambda: self._depth_sync.of(header, size, settings), settings.grasp
            )
        self._last, self._settings = findings, settings
        return _Grounded(image, header, findings, received.at, start, inference)

    def _publish_all(self, grounded: _Grounded, settings: Settings) -> None:
        """Publish what somebody listens to, for each of the current actions."""
        findings, header = grounded.findings, grounded.header
        # The actions may have changed during the inference, which serves them all.
        with self._actions.held:
            actions = self._actions.now
            # A question about an image that was published before is none for the topics.
            if not actions or self._published == (grounded.arrived, actions):
                return
            demand = self._results.demand(actions)
        self._published = (grounded.arrived, actions)
        for action in demand.heatmaps:
            heatmap, first = findings.heatmap(action), action == actions[0]
            self._publish(actions, partial(self._results.heatmap, heatmap, first, header))
        published = time.monotonic()
        found = {action: findings.grasps(action) for action in demand.grasps}
        steady = self._steady.update(grounded.image, found, settings.steady_frames)
        pose_header, rigid = header, None
        if found or self._results.planners.have_subscribers:
            pose_header, rigid = self._frames.of(header, settings.sync_wait)
        grasps = steady if rigid is None else {action: rigid.grasps(each) for action, each in steady.items()}
        self._publish(
            actions,
            lambda: self._publish_grasps(
                grasps, actions[0], demand, header, pose_header, settings.marker_lifetime
            ),
        )
        if demand.affordance_map:
            labels = findings.affordance_map(actions)
            self._publish(actions, lambda: self._results.affordance_map(labels, header))
        if demand.overlay:
            heatmap, shown = findings.heatmap(actions[0]), grasps[actions[0]]
            self._publish(actions, lambda: self._results.overlay(grounded.image, heatmap, shown, header))
        if self._results.planners.have_subscribers:
            heatmap = findings.heatmap(actions[0])
            planned = self._results.planners.prepare(
                grounded.image, heatmap, findings.depth, header, pose_header, rigid, settings
            )
            self._publish(actions, planned)
        times = grounded.times(published)
        self._record(findings, actions[0], grasps, times)
        grounding = findings.grounding
        shape, name = (grounding.height, grounding.width), grounding.manifest.name
        for action in demand.results:
            sure = findings.confidence(action)
            result = result_message(action, sure, grasps[action], shape, times, name, header, pose_header)
            self._publish(actions, partial(self._results.result, result, action == actions[0]))
        if demand.status:
            results = self._statuses(findings, actions, grasps, pose_header.frame_id, times)
            self._publish(actions, lambda: self._results.status(results, header))

    def _publish(self, actions: tuple[str, ...], publish: Callable[[], None]) -> None:
        self._actions.publish(actions, publish)

    def _publish_grasps(
        self,
        grasps: Mapping[str, GraspResult],
        first: str,
        demand: Demand,
        header: Header,
        pose_header: Header,
        lifetime: float,
    ) -> None:
        points = {action: found.points for action, found in grasps.items()}
        self._results.grasps(points, first, header, pose_header)
        if demand.markers:
            self._results.markers(points, pose_header, lifetime)

    def _record(
        self, findings: Findings, first: str, grasps: Mapping[str, GraspResult], times: Times
    ) -> None:
        facts = grasp_facts(grasps.get(first, NOT_ASKED))
        self.answered = {"confidence": f"{findings.confidence(first):.3f}", **facts}
        self._health.record(times)
        self._health.solved("image")
        self._health.solved("model")

    def _statuses(
        self,
        findings: Findings,
        actions: tuple[str, ...],
        grasps: Mapping[str, GraspResult],
        frame: str,
        times: Times,
    ) -> list[DiagnosticStatus]:
        """The status of each action; of several with its name behind the node's."""
        node = self._node.get_fully_qualified_name()
        names = [node] if len(actions) == 1 else [one_line(f"{node}: {action}") for action in actions]
        return [
            action_status(name, action, findings.confidence(action), grasps[action], frame, times)
            for name, action in zip(names, actions, strict=True)
        ]

    def _answer(
        self,
        question: Question[Answer],
        grounded: _Grounded,
        frame: Callable[[], tuple[Header, Rigid | None]],
    ) -> Answer:
        """The answer to a question: what is made once for an image serves all questions about it.

        :param frame: the header of poses, and how they get there
        """
        findings = grounded.findings
        heatmaps = [findings.heatmap(each) if question.heatmaps else None for each in question.actions]
        ready = time.monotonic()
        grasps = [findings.grasps(action) for action in question.actions]
        header, rigid = frame()
        found = tuple(
            Found(action, findings.confidence(action), each if rigid is None else rigid.grasps(each), heatmap)
            for action, each, heatmap in zip(question.actions, grasps, heatmaps, strict=True)
        )
        size = (findings.grounding.height, findings.grounding.width)
        return Answer(found, grounded.header, header, size, grounded.times(ready))
