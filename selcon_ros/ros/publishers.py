"""The node's publishers: who listens, and how results become messages with the source image's header."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import Point32, Polygon, PolygonStamped, PoseArray
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSDurabilityPolicy, QoSHistoryPolicy, QoSProfile, QoSReliabilityPolicy
from sensor_msgs.msg import Image
from std_msgs.msg import Header, String
from visualization_msgs.msg import MarkerArray

from selcon_ros.core.grasps.grasp_result import GraspPoint, GraspResult
from selcon_ros.core.grounding.heatmap import Heatmap
from selcon_ros.core.outputs.affordance_map import labels_of
from selcon_ros.core.outputs.overlay import draw
from selcon_ros.ros import interfaces
from selcon_ros.ros.action_topics import ActionTopics
from selcon_ros.ros.clock import STEADY_CLOCK
from selcon_ros.ros.compat import PublisherEventCallbacks, UnsupportedEventTypeError
from selcon_ros.ros.conversions import fill_image
from selcon_ros.ros.markers import GraspMarkers, grasp_pose
from selcon_ros.ros.planner_outputs import PlannerOutputs

RELIABLE = QoSProfile(
    history=QoSHistoryPolicy.KEEP_LAST,
    depth=1,
    reliability=QoSReliabilityPolicy.RELIABLE,
    durability=QoSDurabilityPolicy.VOLATILE,
)
LATCHED = QoSProfile(
    history=QoSHistoryPolicy.KEEP_LAST,
    depth=1,
    reliability=QoSReliabilityPolicy.RELIABLE,
    durability=QoSDurabilityPolicy.TRANSIENT_LOCAL,
)
OUTPUTS: dict[str, type] = {
    "heatmap": Image,
    "overlay": Image,
    "grasp_points": PoseArray,
    "grasp_pixels": PolygonStamped,
    "markers": MarkerArray,
    "status": DiagnosticArray,
    "affordance_map": Image,
}
if not interfaces.MISSING:
    OUTPUTS["result"] = interfaces.AffordanceResult
LEGEND_TOPIC = "affordance_map/legend"
PER_ACTION_OUTPUTS = [
    name for name in ("heatmap", "grasp_points", "grasp_pixels", "result") if name in OUTPUTS
]
"""Outputs that each action of several has a topic of its own for: `heatmap/pour`."""

LISTENERS_PERIOD_SECONDS = 0.2
"""Seconds between two looks at who listens, where ROS does not tell."""


@dataclass(frozen=True)
class Demand:
    """What somebody listens to at one moment, and so has to be computed; actions in the order of the list."""

    heatmaps: tuple[str, ...]
    grasps: tuple[str, ...]
    results: tuple[str, ...]
    overlay: bool
    affordance_map: bool
    markers: bool
    status: bool


class Publishers:
    """Publishes results; asks first who listens, so that nothing is computed for nobody.

    Topics without an action's name hold the first action. The first stage publishes heatmaps, the second
    the rest, both with the lock of `ActionTopics` held; what else is in here is for the executor's thread.
    """

    def __init__(
        self, node: Node, lock: AbstractContextManager[Any], on_listeners: Callable[[], None]
    ) -> None:
        """Advertise every topic, but those of one action.

        `on_listeners` is called in the executor's thread when a subscriber may have come or gone.
        """
        self._node, self._on_listeners = node, on_listeners
        self._told_of_listeners = True
        self._publishers = {name: self._publisher(kind, name) for name, kind in OUTPUTS.items()}
        self.planners = PlannerOutputs(self._publisher)
        self._legend = node.create_publisher(String, LEGEND_TOPIC, LATCHED)
        self._of_action = ActionTopics(
            node, lock, {name: OUTPUTS[name] for name in PER_ACTION_OUTPUTS}, self._publisher, on_listeners
        )
        self._images = {name: Image() for name in ("heatmap", "overlay", "affordance_map")}
        self._grasp_markers = GraspMarkers()

    def _publisher(self, kind: type, name: str) -> Publisher[Any]:
        # Whose QoS does not fit is looked up in the ROS graph, which also shows when that is over.
        try:
            events = PublisherEventCallbacks(
                matched=lambda _: self._on_listeners(), use_default_callbacks=False
            )
            return self._node.create_publisher(kind, name, RELIABLE, event_callbacks=events)
        except (TypeError, UnsupportedEventTypeError):  # Humble, or a middleware without that event
            if self._told_of_listeners:
                self._told_of_listeners = False
                self._node.create_timer(LISTENERS_PERIOD_SECONDS, self._on_listeners, clock=STEADY_CLOCK)
            quiet = PublisherEventCallbacks(use_default_callbacks=False)
            return self._node.create_publisher(kind, name, RELIABLE, event_callbacks=quiet)

    # The executor's thread.

    @property
    def topics(self) -> list[str]:
        """The full name of every output, but those of one action."""
        return [publisher.topic_name for publisher in (*self._publishers.values(), *self.planners.publishers)]

    def know(self, actions: Sequence[str]) -> None:
        """Tell the actions of the model: the legend of the affordance map."""
        self._of_action.know(actions)
        legend = {str(label): action for action, label in labels_of(actions).items()}
        self._legend.publish(String(data=json.dumps(legend, ensure_ascii=False)))

    def follow(self, actions: Sequence[str]) -> None:
        """Have the topics of these actions."""
        self._of_action.follow(actions)

    def clear(self, header: Header) -> None:
        """Take every marker away."""
        self._publishers["markers"].publish(self._grasp_markers.clear(header))

    # Both.

    @property
    def any_has_subscribers(self) -> bool:
        """Somebody listens to something that needs the network."""
        return (
            any(map(self._heard, OUTPUTS))
            or self.planners.have_subscribers
            or self._of_action.any_has_subscribers
        )

    # The stages of a frame.

    def _heard(self, name: str) -> bool:
        return name in OUTPUTS and self._publishers[name].get_subscription_count() > 0

    def demand(self, actions: Sequence[str]) -> Demand:
        """What is listened to of the answers for these actions."""
        first = actions[0]

        def listened(name: str, action: str) -> bool:
            own = self._of_action.get(name, action) is not None
            return own or (action == first and self._heard(name))

        overlay, markers, status = (self._heard(name) for name in ("overlay", "markers", "status"))
        return Demand(
            heatmaps=tuple(action for action in actions if listened("heatmap", action)),
            grasps=tuple(
                action
                for action in actions
                if markers
                or status
                or (action == first and overlay)
                or listened("grasp_points", action)
                or listened("grasp_pixels", action)
                or listened("result", action)
            ),
            results=tuple(action for action in actions if listened("result", action)),
            overlay=overlay,
            affordance_map=self._heard("affordance_map"),
            markers=markers,
            status=status,
        )

    def _publish(self, name: str, action: str, first: bool, message: Any) -> None:
        """Publish a message about an action where somebody listens to it."""
        if first and self._heard(name):
            self._publishers[name].publish(message)
        if (publisher := self._of_action.get(name, action)) is not None:
            publisher.publish(message)

    def heatmap(self, heatmap: Heatmap, first: bool, header: Header) -> None:
        """Publish a heatmap as 32FC1, that of the first action also on the topic without an action."""
        message = fill_image(self._images["heatmap"], heatmap.values, "32FC1", header)
        self._publish("heatmap", heatmap.action, first, message)

    def result(self, result: interfaces.AffordanceResult, first: bool) -> None:
        """Publish what an image says of an action."""
        self._publish("result", result.action, first, result)

    def prepare_overlay(
        self, image: npt.NDArray[np.uint8], heatmap: Heatmap, grasps: GraspResult, header: Header
    ) -> Callable[[], None]:
        """Draw the overlay, and return what publishes it as bgr8."""
        message = fill_image(self._images["overlay"], draw(image, heatmap, grasps, bgr=True), "bgr8", header)
        return partial(self._publishers["overlay"].publish, message)

    def affordance_map(self, labels: npt.NDArray[np.uint8], header: Header) -> None:
        """Publish the labels of the best actions [H, W] as mono8."""
        message = fill_image(self._images["affordance_map"], labels, "mono8", header)
        self._publishers["affordance_map"].publish(message)

    def grasps(
        self, found: Mapping[str, Sequence[GraspPoint]], first: str, header: Header, pose_header: Header
    ) -> None:
        """Publish the grasp points of each action as poses and pixels, to each topic with a subscriber.

        Every answered image has one message of each: an empty one says that there is nothing to grasp.
        """
        for action, points in found.items():
            poses = [grasp_pose(point) for point in points if point.position is not None]
            self._publish("grasp_points", action, action == first, PoseArray(header=pose_header, poses=poses))
            pixels = [Point32(x=point.pixel[0], y=point.pixel[1], z=point.score) for point in points]
            polygon = PolygonStamped(header=header, polygon=Polygon(points=pixels))
            self._publish("grasp_pixels", action, action == first, polygon)

    def markers(self, found: Mapping[str, Sequence[GraspPoint]], header: Header, lifetime: float) -> None:
        """Publish the grasp points of all actions as markers."""
        self._publishers["markers"].publish(self._grasp_markers.update(found, header, lifetime))

    def status(self, results: Sequence[DiagnosticStatus], header: Header) -> None:
        """Publish what was found in this image, a status for each action."""
        self._publishers["status"].publish(DiagnosticArray(header=header, status=results))
