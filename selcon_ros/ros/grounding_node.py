"""The ROS node: callbacks store what comes, one worker grounds the newest image and publishes the answer.

Topics are described in docs/topics.md, parameters in docs/parameters.md.
"""

from __future__ import annotations

import sys
import threading
import traceback
from functools import partial
from typing import TYPE_CHECKING, Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header, String

from selcon_ros.core.actions import listed, match_actions
from selcon_ros.core.errors import ImageError, ParameterError, SelconError
from selcon_ros.core.grasp_result import Refusal
from selcon_ros.core.reason import Reason
from selcon_ros.core.text import one_line
from selcon_ros.model import Model, load
from selcon_ros.ros import diagnostics, interfaces
from selcon_ros.ros.answering import Answer, Answering
from selcon_ros.ros.camera_watch import CameraWatch
from selcon_ros.ros.clock import STEADY, ClockWatch, without_negative
from selcon_ros.ros.conversions import MessageError
from selcon_ros.ros.current_actions import CurrentActions
from selcon_ros.ros.depth_sync import DepthSync
from selcon_ros.ros.frames import Frames
from selcon_ros.ros.inputs import IMAGE_TYPES, RELIABLE, Input, overrides_of_nothing
from selcon_ros.ros.message_buffers import LatestSlot
from selcon_ros.ros.model_loader import LoadModel, ModelLoader
from selcon_ros.ros.namesakes import NamesakeWatch
from selcon_ros.ros.node_parameters import NodeParameters, unknown_overrides
from selcon_ros.ros.parameter_files import files_for_others
from selcon_ros.ros.parameters import Settings
from selcon_ros.ros.publishers import Publishers
from selcon_ros.ros.questions import Questions
from selcon_ros.ros.requests import Requests
from selcon_ros.ros.signals import Stop

if TYPE_CHECKING:
    from selcon_ros.ros.ground_stream import GroundStreams

ACTION_LOG = 1.0
"""Seconds between two log lines about a new action."""
CLOSE_SECONDS = 4.0
"""How long the end waits for the worker: for a frame, or for a model that is being opened."""


class GroundingNode(Node):
    """Answers every image it has time for with heatmaps and grasp points of the current actions."""

    # Of the class, for a node whose start has failed is destroyed, too.
    _streams: GroundStreams | None = None

    def __init__(self, load_model: LoadModel = load, **options: Any) -> None:
        """Read the model's manifest, open the topics, and begin to open the model (see `wait_for_model`).

        :param load_model: opens the bundle
        :param options: passed to `rclpy.node.Node`
        :raises SelconError: for wrong parameters and bundles
        """
        super().__init__("grounding", **options)
        self._settings = NodeParameters(self, self._on_action_set)
        settings = self._settings.current
        self._health = diagnostics.Health(self.get_logger())
        self._loader = ModelLoader(settings, self.get_logger(), load_model)
        self._actions = CurrentActions()
        self._images: LatestSlot[Image | CompressedImage] = LatestSlot()
        self._depth_sync = DepthSync(self, self._health, settings)
        self._results = Publishers(self, self._actions.held, self._follow_listeners)
        self._results.know(self._loader.manifest.actions)
        self._questions: Questions[Answer] = Questions()
        self.requests = Requests(
            self,
            self._questions,
            self._images,
            self._settings,
            lambda: self._loader.manifest.actions,
            self._not_ready,
            self._follow_listeners,
        )
        self._offer_service()
        frames = Frames(self, self._health, settings.target_frame)
        self._answering = Answering(
            self, self._health, self._actions, self._questions, self._depth_sync, frames, self._results
        )
        kind, transport = IMAGE_TYPES[settings.image_transport], settings.image_transport
        self._image_input = Input(self, "image", kind, self._images.put, depth=1, transport=transport)
        self._action_input = Input(
            self, "action", String, lambda said: self.set_action(said.data), depth=1, reliability=RELIABLE
        )
        inputs = (*self._depth_sync.inputs, self._action_input)
        self._watch = CameraWatch(self, self._health, self._image_input, inputs, self._results.topics)
        self._clock_watch = ClockWatch(self, self._health)
        self._namesakes = NamesakeWatch(self, self._health)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self.create_timer(settings.diagnostics_period, self._publish_diagnostics, clock=STEADY)
        self._introduce(settings)
        if settings.action:
            try:
                self._on_action_set(settings.action)
            except SelconError as error:
                raise ParameterError(f"parameter action: {error}") from None
        self._follow_listeners()
        self._worker = threading.Thread(target=self._work, name="grounding worker", daemon=True)
        self._worker.start()

    def _offer_service(self) -> None:
        if interfaces.MISSING:
            return
        from selcon_ros.ros.ground_service import GroundService
        from selcon_ros.ros.ground_stream import GroundStreams

        GroundService(self, self.requests, lambda: self._loader.manifest.name)
        self._streams = GroundStreams(self, self.requests, lambda: self._loader.manifest.name)

    def destroy_node(self) -> None:
        """As rclpy's own, which forgets action servers: one would keep the node in the ROS graph."""
        if self._streams is not None:
            self._streams.destroy()
        super().destroy_node()

    def create_subscription(
        self, msg_type: Any, topic: str, callback: Any, *more: Any, **options: Any
    ) -> Any:
        """As rclpy's own, which it uses for /clock too."""
        if topic == "/clock":
            callback = without_negative(callback, self.get_logger())
        return super().create_subscription(msg_type, topic, callback, *more, **options)

    def _introduce(self, settings: Settings) -> None:
        manifest = self._loader.manifest
        log = self.get_logger()
        log.info(one_line(f"model {manifest.name}: {manifest.description}"))
        if manifest.data_warning:
            self._health.problem("model data", manifest.data_warning)  # as long as this model runs
        log.info(one_line(f"actions: {', '.join(manifest.actions)}"))
        if said := unknown_overrides(self):
            self._health.problem("parameters", said)  # lasts as long as the node
        if said := files_for_others(sys.argv, self.get_fully_qualified_name()):
            self._health.problem("parameter file", said)  # likewise
        if said := overrides_of_nothing(self, self._watch.inputs):
            self._health.problem("QoS overrides", said)  # likewise
        log.info(f"images from {self._image_input.topic} ({settings.image_transport})")
        depth, info = self._depth_sync.inputs
        log.info(f"depth from {depth.topic} ({settings.depth_transport}), camera_info from {info.topic}")
        log.info(f"actions from {self._action_input.topic}")
        if interfaces.MISSING:
            log.info(interfaces.MISSING)

    # Callbacks: they store, and leave the work to the worker.

    def set_action(self, text: str) -> None:
        """Answer for other actions from now on, beginning with the newest image. The parameter follows.

        A list with one that the model does not know ends the answers, clears the markers, and is told which
        there are.
        """
        try:
            actions = match_actions(text, self._loader.manifest.actions)
        except SelconError as error:
            actions = ()
            self._health.problem("action", str(error))
        if actions != self._actions.now:
            # This calls _on_action_set.
            done = self.set_parameters([Parameter("action", value=listed(actions))])[0]
            if not done.successful:
                self._health.problem(
                    "action", f"it stays {listed(self._actions.now) or 'none'}: {done.reason}"
                )
        elif actions:
            self._health.solved("action")
        else:
            self._clear()

    def _on_action_set(self, text: str) -> None:
        """Answer for what the parameter `action` is set to, or no more. Raises UnknownActionError."""
        actions = match_actions(text, self._loader.manifest.actions) if text else ()
        changed = self._actions.change(actions, then=partial(self._prepare, actions))
        if actions:
            self._health.solved("action")
        if changed:
            said = one_line(listed(actions) or "none")
            self.get_logger().info(f"action: {said}", throttle_duration_sec=ACTION_LOG)
            self._images.ask_again()

    def _prepare(self, actions: tuple[str, ...]) -> None:
        self._results.follow(actions)
        if not actions:
            self._clear()

    def _follow_listeners(self) -> None:
        """Receive images and depth while somebody listens to an output or waits for an answer, else not."""
        needed = self._results.any_has_subscribers or self.requests.waiting
        for each in (self._image_input, self._depth_sync.depth_input):
            if needed:
                each.resume()
            else:
                each.pause()

    def _not_ready(self) -> Refusal | None:
        """Why no question can be answered at present."""
        state = self._loader.state
        return Refusal(Reason.MODEL_NOT_READY, f"the model is not ready: {state}") if state else None

    def _clear(self) -> None:
        self._results.clear(Header(stamp=self.get_clock().now().to_msg()))

    # The worker.

    def _work(self) -> None:
        try:
            model = self._loader.open()
            if model is None:
                return
            with model:
                for failure in model.failures:
                    self._health.problem("backend", failure)
                if self._settings.current.image_transport == "raw":
                    self._answering.reader.prepare()
                self._answer_all(model)
        except Exception as error:  # without a worker the node is of no use
            self._loader.fail(error)

    def _answer_all(self, model: Model) -> None:
        while (received := self._images.take()) is not None:
            try:
                self._answering.answer(model, received, self._settings.current)
            except (MessageError, ImageError) as error:
                self._health.problem("image", str(error))
            except Exception as error:  # one bad image must not end the worker
                if not self.context.ok():
                    return
                self._health.problem("model", f"{type(error).__name__}: {error}")
                if not isinstance(error, SelconError):
                    every = diagnostics.LOG_EVERY
                    self.get_logger().error(traceback.format_exc(), throttle_duration_sec=every)

    # Diagnostics.

    def _publish_diagnostics(self) -> None:
        self._loader.check()
        self._watch.look()
        self._clock_watch.look()
        self._namesakes.look()
        self._health.settle()
        actions = listed(self._actions.now)
        if self._loader.state:
            state = self._loader.state
        elif not actions:
            state = f"waiting for an action on {self._action_input.topic}"
        elif not self._results.any_has_subscribers:
            state = "resting: nobody subscribes to an output"
        else:
            state = f"answering {actions}"
        facts = {
            "state": state,
            "model": self._loader.manifest.name,
            "engine": self._loader.engine,
            "interfaces": interfaces.MISSING or "selcon_interfaces",
            "action": actions or "none",
            **self._answering.answered,
            "received_images": str(self._images.received),
            "dropped_images": str(self._images.dropped),
            "lost_images": str(self._image_input.lost),
            "lost_depth_images": str(self._depth_sync.depth_input.lost),
        }
        status = diagnostics.status(
            self.get_fully_qualified_name(), self._loader.manifest.name, self._health, facts
        )
        message = DiagnosticArray(status=[status])
        message.header.stamp = self._clock_watch.stamp()
        self._diagnostics.publish(message)

    def wait_for_model(self, stop: Stop | None = None) -> bool:
        """Wait until the model is open, or an engine is being built for it.

        :param stop: what ends the wait
        :returns: whether that is so; False when it was stopped
        :raises SelconError: for a model that cannot be opened
        """
        return self._loader.wait(stop)

    def close(self) -> bool:
        """Publish no more answers and end the worker; then the node can be destroyed.

        :returns: whether it has ended; False if it is still in a call of the engine after `CLOSE_SECONDS`
        """
        self.requests.end()
        self._loader.close()
        self._images.close()
        self._actions.change(())
        self._worker.join(CLOSE_SECONDS)
        return not self._worker.is_alive()
