"""The ROS node: callbacks store what comes, two threads ground the newest image and publish the results.

Topics are described in docs/topics.md, parameters in docs/parameters.md.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from rclpy.parameter import Parameter
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from selcon_ros.core.errors import ParameterError, SelconError
from selcon_ros.core.grasps.grasp_result import Refusal
from selcon_ros.core.grounding.actions import listed, match_actions
from selcon_ros.core.reason import Reason
from selcon_ros.core.text import one_line
from selcon_ros.model import load
from selcon_ros.ros import interfaces
from selcon_ros.ros.answers import Answer
from selcon_ros.ros.bond import Bond
from selcon_ros.ros.current_actions import CurrentActions
from selcon_ros.ros.diagnostics import Health
from selcon_ros.ros.diagnostics_publisher import LASTING_SOURCES, DiagnosticsPublisher, state_of
from selcon_ros.ros.managed_node import ManagedNode
from selcon_ros.ros.message_buffers import LatestSlot
from selcon_ros.ros.model_loader import ModelLoader, OpenModel
from selcon_ros.ros.node_inputs import NodeInputs
from selcon_ros.ros.node_parameters import NodeParameters
from selcon_ros.ros.pipeline import Pipeline
from selcon_ros.ros.publishers import Publishers
from selcon_ros.ros.questions import Questions
from selcon_ros.ros.requests import Requests
from selcon_ros.ros.signals import Stop
from selcon_ros.ros.typed_servers import TypedServers
from selcon_ros.ros.worker import Worker

ACTION_LOG_SECONDS = 1.0
"""Seconds between two log lines about a new action."""
MODEL_SOURCES = ("model data", "backend")
"""Sources of problems that last as long as the model is there."""
LIFECYCLE = "lifecycle"
INACTIVE = Refusal(Reason.INACTIVE, "the node is not active: configure and activate it")


class GroundingNode(ManagedNode):
    """Answers every image it has time for with heatmaps and grasp points of the current actions.

    It has a model from `configure` until `cleanup`, and receives and answers between `activate` and
    `deactivate`; outputs, parameters and diagnostics are there always.
    """

    # Of the class, for a node whose start has failed is destroyed, too.
    _typed: TypedServers | None = None

    def __init__(self, open_model: OpenModel = load, **options: Any) -> None:
        """Open the topics; with `autostart` configure and activate, too.

        Then the model's manifest is read, and the model is being opened (see `wait_for_model`). `open_model`
        opens the bundle; the `options` are passed to `rclpy.node.Node`. Raises SelconError for wrong
        parameters and, with `autostart`, for wrong bundles.
        """
        super().__init__("grounding", **options)
        self._open_model = open_model
        self._loader: ModelLoader | None = None
        self._worker: Worker | None = None
        self._active = False
        self._settings = NodeParameters(self, self._on_action_set, lambda: self._loader is not None)
        settings = self._settings.current
        self._health = health = Health(self.get_logger())
        self._actions = CurrentActions()
        self._images: LatestSlot[Image | CompressedImage] = LatestSlot()
        self._results = Publishers(self, self._actions.held, self._follow_listeners)
        self._inputs = NodeInputs(self, health, settings, self._images, self.set_action, self._results.topics)
        self._questions: Questions[Answer] = Questions()
        self._questions.close(INACTIVE)
        self.requests = Requests(
            self,
            self._questions,
            self._images,
            self._settings,
            self._known,
            self._not_ready,
            self._follow_listeners,
        )
        if not interfaces.MISSING:
            self._typed = TypedServers(self, self.requests, lambda: self._model)
        depth_sync, target_frame = self._inputs.depth_sync, self._inputs.target_frame
        self._pipeline = Pipeline(
            self, health, self._actions, self._questions, depth_sync, target_frame, self._results
        )
        self._diagnostics = DiagnosticsPublisher(self, health, settings.diagnostics_period, self._facts)
        self._bond = Bond(self, 0.0 if settings.autostart else settings.bond_heartbeat_period)
        if settings.autostart:
            self.start()
        else:
            self._inputs.unsubscribe()
            self._introduce()
            self.get_logger().info("unconfigured: waits for the transition configure")

    def destroy_node(self) -> None:
        """As rclpy's own, which forgets action servers: one would keep the node in the ROS graph."""
        if self._typed is not None:
            self._typed.destroy()
        super().destroy_node()

    def _introduce(self) -> None:
        self._diagnostics.report_lasting(self._inputs.watch.inputs)
        for line in filter(None, [*str(self._inputs).splitlines(), interfaces.MISSING]):
            self.get_logger().info(line)

    def configure(self) -> None:
        """Read the model's manifest and open the model; while the node starts, without waiting for that."""
        if self._worker is not None and not self._worker.end():
            raise SelconError("the engine of before is still in a call: configure again when it has ended")
        settings, log = self._settings.current, self.get_logger()
        self._loader = loader = ModelLoader(settings, log, self._open_model)
        manifest = loader.manifest
        log.info(one_line(f"model {manifest.name}: {manifest.description}"))
        if manifest.data_warning:
            self._health.problem("model data", manifest.data_warning)
        log.info(one_line(f"actions: {', '.join(manifest.actions)}"))
        if settings.action:
            try:
                match_actions(settings.action, manifest.actions)
            except SelconError as error:
                raise ParameterError(f"parameter action: {error}") from None
        self._results.know(manifest.actions)
        self._worker = Worker(
            self, self._health, self._images, self._pipeline, loader, lambda: self._settings.current
        )
        if self.starting:
            self._introduce()
        else:
            loader.wait_until_open()

    def activate(self) -> None:
        """Subscribe, and answer for what the parameter `action` is set to."""
        if self._loader is not None:
            self._loader.check()
        self.in_executor(self._subscribe)

    def deactivate(self) -> None:
        """Publish no more, refuse requests, and unsubscribe; after an error, what of that is left."""
        self.in_executor(self._unsubscribe)

    def cleanup(self) -> None:
        """Close the model; `configure` waits for a call that has not ended."""
        ended = self._worker is None or self._worker.end()
        self._loader = None
        self._pipeline.results.answered = {}
        self._health.keep((*LASTING_SOURCES, LIFECYCLE))
        if not ended:
            raise SelconError("the engine is still in a call: its memory is given back when that ends")
        self._worker = None

    def _subscribe(self) -> None:
        self._active = True
        self._inputs.subscribe()
        self._questions.open()
        self._on_action_set(self._settings.current.action)
        self._follow_listeners()
        self._bond.form()

    def _unsubscribe(self) -> None:
        self._active = False
        self._inputs.unsubscribe()
        self._questions.close(INACTIVE)
        self._actions.change((), then=partial(self._prepare, ()))
        self._bond.break_off()
        self._health.keep((*LASTING_SOURCES, *MODEL_SOURCES, LIFECYCLE))

    def note_fault(self, fault: str) -> None:
        """Show in /diagnostics what a transition raised."""
        if fault:
            self._health.problem(LIFECYCLE, fault)
        else:
            self._health.solved(LIFECYCLE)

    # Callbacks: they store, and leave the work to the worker.

    def set_action(self, text: str) -> None:
        """Answer for other actions from now on, beginning with the newest image. The parameter follows.

        A list with one that the model does not know ends the answers, clears the markers, and is told which
        there are.
        """
        if not self._active:
            return  # it was on its way when the node was deactivated
        try:
            actions = match_actions(text, self._known())
        except SelconError as error:
            actions = ()
            self._health.problem("action", str(error))
        if actions != self._actions.now:
            done = self.set_parameters([Parameter("action", value=listed(actions))])[0]  # _on_action_set
            if not done.successful:
                now = listed(self._actions.now) or "none"
                self._health.problem("action", f"it stays {now}: {done.reason}")
        elif actions:
            self._health.solved("action")
        else:
            self._clear()

    def _on_action_set(self, text: str) -> None:
        """Answer for what the parameter `action` is set to, or no more. Raises UnknownActionError.

        While the node is not active the parameter is kept, and checked if there is a model.
        """
        actions = match_actions(text, self._known()) if text and self._loader is not None else ()
        if not self._active:
            return
        changed = self._actions.change(actions, then=partial(self._prepare, actions))
        if actions:
            self._health.solved("action")
        if changed:
            said = one_line(listed(actions) or "none")
            self.get_logger().info(f"action: {said}", throttle_duration_sec=ACTION_LOG_SECONDS)
            self._images.ask_again()

    def _prepare(self, actions: tuple[str, ...]) -> None:
        self._results.follow(actions)
        if not actions:
            self._clear()

    def _follow_listeners(self) -> None:
        """Receive images and depth while somebody listens to an output or waits for an answer, else not."""
        needed = self._active and (self._results.any_has_subscribers or self.requests.waiting)
        self._inputs.follow(needed)

    def _known(self) -> tuple[str, ...]:
        loader = self._loader
        return () if loader is None else loader.manifest.actions

    @property
    def _model(self) -> str:
        loader = self._loader
        return "none" if loader is None else loader.manifest.name

    def _not_ready(self) -> Refusal | None:
        """Why no question can be answered at present."""
        loader = self._loader
        if loader is not None and (state := loader.state):
            return Refusal(Reason.MODEL_NOT_READY, f"the model is not ready: {state}")
        return None if loader is not None and self._active else INACTIVE

    def _clear(self) -> None:
        self._results.clear(Header(stamp=self.get_clock().now().to_msg()))

    # For /diagnostics, in the executor's thread.

    def _facts(self) -> dict[str, str]:
        """What /diagnostics tells. Raises what has made the worker fail; under a manager breaks down."""
        loader = self._loader
        if loader is not None and self._active:
            if loader.fault is not None and not self._settings.current.autostart:
                self.break_down(loader.fault)
            else:
                loader.check()
            self._inputs.look()
        actions = listed(self._actions.now)
        return {
            "state": state_of(
                None if loader is None else loader.state,
                self._active,
                actions if self._results.any_has_subscribers or not actions else None,
                self.requests.waiting,
                self._inputs.action.topic,
            ),
            "model": self._model,
            "engine": "none" if loader is None else loader.engine,
            "engine_choice": "none" if loader is None else loader.choice,
            "interfaces": interfaces.MISSING or "selcon_interfaces",
            "action": actions or "none",
            "image_turn": "none" if (turn := self._pipeline.grounding.turn.now) is None else str(turn),
            **self._pipeline.results.answered,
            "received_images": str(self._images.received),
            "dropped_images": str(self._images.dropped),
            "superseded_images": str(self._pipeline.between.superseded),
            **self._inputs.facts(),
        }

    def wait_for_model(self, stop: Stop | None = None) -> bool:
        """Wait until the model is open, or an engine is being built for it, if the node starts with one.

        Returns whether that is so: False when it was stopped. `stop` ends the wait. Raises SelconError for a
        model that cannot be opened.
        """
        return self._loader is None or self._loader.wait(stop)

    def close(self) -> bool:
        """Publish no more answers and end the worker; then the node can be destroyed.

        Returns whether it has ended: False if it is still in a call of the engine after `CLOSE_SECONDS`.
        """
        self.requests.end()
        self._actions.change(())
        return self._worker is None or self._worker.end()
