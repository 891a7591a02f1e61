"""The node's publishers: who listens, and how results become messages with the source image's header."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import Point32, Polygon, PolygonStamped, PoseArray
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSDurabilityPolicy, QoSHistoryPolicy, QoSProfile, QoSReliabilityPolicy
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from visualization_msgs.msg import MarkerArray

from selcon_ros.core.grasp_result import GraspPoint, GraspResult
from selcon_ros.core.heatmap import Heatmap
from selcon_ros.core.overlay import draw
from selcon_ros.core.text import one_line
from selcon_ros.ros.clock import STEADY
from selcon_ros.ros.compat import PublisherEventCallbacks, UnsupportedEventTypeError
from selcon_ros.ros.conversions import fill_image
from selcon_ros.ros.diagnostics import Times, key_values
from selcon_ros.ros.markers import GraspMarkers, grasp_pose
from selcon_ros.ros.planner_outputs import PlannerOutputs

RELIABLE = QoSProfile(
    history=QoSHistoryPolicy.KEEP_LAST,
    depth=1,
    reliability=QoSReliabilityPolicy.RELIABLE,
    durability=QoSDurabilityPolicy.VOLATILE,
)

LISTENERS_PERIOD = 0.2
"""Seconds between two looks at who listens, where ROS does not tell."""


class Publishers:
    """Publishes results; asks first who listens, so that nothing is computed for nobody."""

    def __init__(self, node: Node, on_listeners: Callable[[], None]) -> None:
        """Advertise every topic.

        :param on_listeners: called in the executor's thread when a subscriber may have come or gone
        """
        self._node, self._on_listeners = node, on_listeners
        self._told_of_listeners = True
        self._heatmap = self._publisher(Image, "heatmap")
        self._overlay = self._publisher(Image, "overlay")
        self._grasp_points = self._publisher(PoseArray, "grasp_points")
        self._grasp_pixels = self._publisher(PolygonStamped, "grasp_pixels")
        self._markers = self._publisher(MarkerArray, "markers")
        self._status = self._publisher(DiagnosticArray, "status")
        self.planners = PlannerOutputs(self._publisher)
        self._heatmap_message, self._overlay_message = Image(), Image()
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
                self._node.create_timer(LISTENERS_PERIOD, self._on_listeners, clock=STEADY)
            quiet = PublisherEventCallbacks(use_default_callbacks=False)
            return self._node.create_publisher(kind, name, RELIABLE, event_callbacks=quiet)

    @property
    def topics(self) -> list[str]:
        """The full name of every output."""
        every = (
            self._heatmap,
            self._overlay,
            self._grasp_points,
            self._grasp_pixels,
            self._markers,
            self._status,
            *self.planners.publishers,
        )
        return [publisher.topic_name for publisher in every]

    @property
    def any_has_subscribers(self) -> bool:
        """Somebody listens to something that needs the network."""
        return (
            self.heatmap_has_subscribers
            or self.grasps_have_subscribers
            or self._status.get_subscription_count() > 0
            or any(publisher.get_subscription_count() > 0 for publisher in self.planners.publishers)
        )

    @property
    def heatmap_has_subscribers(self) -> bool:
        """Somebody listens to the heatmap itself."""
        return self._heatmap.get_subscription_count() > 0

    @property
    def overlay_has_subscribers(self) -> bool:
        """Somebody listens to the overlay."""
        return self._overlay.get_subscription_count() > 0

    @property
    def grasps_have_subscribers(self) -> bool:
        """Somebody listens to an output that shows grasp points."""
        shown = (self._grasp_points, self._grasp_pixels, self._markers, self._overlay, self._status)
        return any(publisher.get_subscription_count() > 0 for publisher in shown)

    def heatmap(self, heatmap: Heatmap, header: Header) -> None:
        """Publish the heatmap as 32FC1."""
        self._heatmap.publish(fill_image(self._heatmap_message, heatmap.values, "32FC1", header))

    def overlay(
        self, image: npt.NDArray[np.uint8], heatmap: Heatmap, grasps: GraspResult, header: Header
    ) -> None:
        """Draw and publish the overlay as bgr8."""
        picture = cv2.cvtColor(draw(image, heatmap, grasps), cv2.COLOR_RGB2BGR)
        self._overlay.publish(fill_image(self._overlay_message, picture, "bgr8", header))

    def grasps(self, points: Sequence[GraspPoint], action: str, header: Header, lifetime: float) -> None:
        """Publish grasp points as poses, pixels and markers, to each topic with a subscriber.

        Every answered image has one message of each: an empty one says that there is nothing to grasp.
        """
        if self._grasp_points.get_subscription_count():
            poses = [grasp_pose(point) for point in points if point.position is not None]
            self._grasp_points.publish(PoseArray(header=header, poses=poses))
        if self._grasp_pixels.get_subscription_count():
            pixels = [Point32(x=point.pixel[0], y=point.pixel[1], z=point.score) for point in points]
            self._grasp_pixels.publish(PolygonStamped(header=header, polygon=Polygon(points=pixels)))
        if self._markers.get_subscription_count():
            self._markers.publish(self._grasp_markers.update(points, action, header, lifetime))

    def clear(self, header: Header) -> None:
        """Take every marker away."""
        self._markers.publish(self._grasp_markers.clear(header))

    def status(self, heatmap: Heatmap, grasps: GraspResult, times: Times, name: str, header: Header) -> None:
        """Publish what was found in this image and how long it took, as key and value."""
        if not self._status.get_subscription_count():
            return
        values = {
            "action": heatmap.action,
            "confidence": f"{heatmap.confidence:.4f}",
            **grasp_facts(grasps),
            **{f"{part}_ms": f"{1e3 * seconds:.3f}" for part, seconds in times.parts().items()},
        }
        count = len(grasps.points)
        points = f"{count} grasp point{'' if count == 1 else 's'}"
        text = f"{heatmap.action}: confidence {heatmap.confidence:.2f}, {points}"
        result = DiagnosticStatus(name=name, message=one_line(text), values=key_values(values))
        self._status.publish(DiagnosticArray(header=header, status=[result]))


def grasp_facts(grasps: GraspResult) -> dict[str, str]:
    """What the poses do not say of grasp points: widths, and why a pose or a point is missing."""
    notes = [f"point {number}: {point.note}" for number, point in enumerate(grasps.points) if point.note]
    widths = ["nan" if point.width is None else f"{point.width:.4f}" for point in grasps.points]
    return {
        "grasp_points": str(len(grasps.points)),
        "widths_m": " ".join(widths),
        "grasp_notes": "; ".join([*notes, *map(str, grasps.refused)]),
    }
